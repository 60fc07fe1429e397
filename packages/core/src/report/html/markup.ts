import { visible } from './text.ts';

/** Markup that is safe to insert as it is. Only {@link html} and {@link verbatim} make it. */
export class Html {
  readonly markup: string;
  constructor(markup: string) {
    this.markup = markup;
  }
}

/** What can stand between tags: text is escaped, lists are joined, `undefined` and `false` are nothing. */
export type Content = Html | string | number | false | undefined | readonly Content[];

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text for element content and for quoted attributes. */
export function escapeHtml(text: string): string {
  return visible(text).replaceAll(/[&<>"']/g, (character) => ENTITIES[character] as string);
}

function markupOf(content: Content): string {
  if (content instanceof Html) return content.markup;
  if (Array.isArray(content)) return (content as readonly Content[]).map(markupOf).join('');
  if (typeof content === 'string') return escapeHtml(content);
  return typeof content === 'number' ? String(content) : '';
}

/**
 * Template tag: the template's own text is markup, everything put into it is escaped unless it is {@link Html}. The
 * indentation of the template is left out.
 */
export function html(strings: TemplateStringsArray, ...values: readonly Content[]): Html {
  const parts = strings.map((part) => part.replaceAll(/\n\s*/g, '\n'));
  return new Html(parts.reduce((text, part, i) => text + markupOf(values[i - 1]) + part));
}

/** For constants of this package, such as the style sheet: never for what comes from data. */
export function verbatim(markup: string): Html {
  return new Html(markup);
}

/** Text from data, on its own as to the direction of writing: right-to-left text does not reorder what surrounds it. */
export function said(text: string): Html {
  return html`<bdi>${text}</bdi>`;
}

/** Text in which backticks mark code, as the texts of checks and audits have it. */
export function prose(text: string): Html {
  const parts = text.split(/`([^`]+)`/);
  return html`<bdi>${parts.map((part, i) => (i % 2 === 0 ? part : html`<code>${part}</code>`))}</bdi>`;
}
