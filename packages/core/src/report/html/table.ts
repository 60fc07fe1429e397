import { html, said, type Content, type Html } from './markup.ts';
import { clip, limited, plural } from './text.ts';

export interface Column {
  readonly head: Content;
  /** Numbers stand right, under one another. */
  readonly numeric?: boolean | undefined;
}

export interface TableOptions {
  /** Says what the table is; hidden where a heading above says the same. */
  readonly caption: string;
  readonly hideCaption?: boolean | undefined;
  readonly columns: readonly Column[];
  /** The first cell names the row. */
  readonly rows: readonly (readonly Content[])[];
  /** Class by row. */
  readonly rowClass?: ((row: number) => string | undefined) | undefined;
  readonly className?: string | undefined;
}

/** More rows are in `report.json`. */
const MAX_ROWS = 200;

/** A table that scrolls sideways on its own, by keyboard too, when the page is too narrow for it. */
export function table({ caption, hideCaption, columns, rows, rowClass, className }: TableOptions): Html {
  const { shown, more } = limited(rows, MAX_ROWS);
  const classOf = (column: number): Html | undefined =>
    columns[column]?.numeric === true ? html` class="num"` : undefined;
  const head = columns.map(({ head: text }, i) => html`<th scope="col" ${classOf(i)}>${text}</th>`);
  const body = shown.map((cells, r) => {
    const own = rowClass?.(r);
    const [first, ...rest] = cells;
    return html`<tr${own !== undefined && html` class="${own}"`}><th scope="row"${classOf(0)}>${first}</th>${rest.map((cell, i) => html`<td${classOf(i + 1)}>${cell}</td>`)}</tr>`;
  });
  return html`<div class="scroll" role="region" tabindex="0" aria-label="${clip(caption, 120)}"><table${className !== undefined && html` class="${className}"`}><caption${hideCaption === true && html` class="unseen"`}>${said(clip(caption, 200))}</caption><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>${rest(more, 'row')}`;
}

/** Says what was left out; nothing when nothing was. */
export function rest(more: number, one: string, many: string = `${one}s`): Html | undefined {
  return more === 0
    ? undefined
    : html`<p class="note">… and ${plural(more, `more ${one}`, `more ${many}`)} in <code>report.json</code>.</p>`;
}

/** Names and what they stand for. */
export function facts(
  entries: readonly (readonly [name: Content, value: Content])[],
  className: string = 'facts',
): Html {
  return html`<dl class="${className}">
    ${entries.map(
      ([name, value]) =>
        html`<div>
          <dt>${name}</dt>
          <dd>${value}</dd>
        </div>`,
    )}
  </dl>`;
}

/** A bar of `share` of its width, beside the number that it pictures. */
export function shareBar(share: number): Html {
  const width = Math.round(1000 * Math.min(1, Math.max(0, Number.isFinite(share) ? share : 0))) / 10;
  return html`<svg class="share" aria-hidden="true" width="100%" height="8">
    <rect class="track" width="100%" height="8" rx="2" />
    <rect class="fill" width="${width}%" height="8" rx="2" />
  </svg>`;
}

/** A mark that does not rely on colour: a sign and a word. */
export function mark(kind: 'good' | 'bad' | 'plain', sign: string, word: Content): Html {
  return html`<span class="mark ${kind}"><span aria-hidden="true">${sign}</span> ${word}</span>`;
}
