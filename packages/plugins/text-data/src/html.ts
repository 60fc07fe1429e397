import { Tokenizer } from 'htmlparser2';

/** Elements whose content is never shown to a reader. */
const HIDDEN: ReadonlySet<string> = new Set(['script', 'style', 'title', 'template', 'object', 'noframes', 'iframe']);

/** How many line breaks an element's start and end ask for. */
const BREAKS: ReadonlyMap<string, number> = new Map([
  ...[
    'address',
    'center',
    'dd',
    'div',
    'dt',
    'fieldset',
    'footer',
    'form',
    'header',
    'li',
    'option',
    'section',
    'tr',
  ].map((name) => [name, 1] as const),
  ...[
    'article',
    'blockquote',
    'body',
    'dl',
    'h1',
    'h2',
    'h3',
    'h4',
    'h5',
    'h6',
    'hr',
    'ol',
    'p',
    'pre',
    'table',
    'ul',
  ].map((name) => [name, 2] as const),
]);

/** Elements that only separate words. */
const SPACED: ReadonlySet<string> = new Set(['td', 'th', 'img', 'input', 'button', 'select', 'textarea']);

/**
 * The text a reader of an HTML page sees, with line breaks where blocks begin and end, `alt` texts of images, and
 * entities resolved. One pass without a tree or recursion, so depth and broken nesting cost nothing.
 * Scripts, styles, comments and link targets are left out.
 */
export function htmlToText(html: string): string {
  const out: string[] = [];
  let breaks = 0;
  let space = false;
  let hidden: string | undefined;
  let tag = '';
  let attribute = '';
  let value = '';

  const write = (text: string): void => {
    if (hidden !== undefined || text === '') return;
    const startsBlank = isBlank(text.charCodeAt(0));
    const words = text.replace(/[ \t\r\n\f]+/g, ' ').trim();
    if (words === '') {
      space = true;
      return;
    }
    if (out.length > 0) {
      if (breaks > 0) out.push(breaks > 1 ? '\n\n' : '\n');
      else if (space || startsBlank) out.push(' ');
    }
    out.push(words);
    breaks = 0;
    space = isBlank(text.charCodeAt(text.length - 1));
  };
  const open = (name: string): void => {
    if (name === 'br') breaks = Math.min(2, breaks + 1);
    breaks = Math.max(breaks, BREAKS.get(name) ?? 0);
    if (SPACED.has(name)) space = true;
  };

  // Entities arrive between pieces of one word, so they are joined to it before blanks are folded.
  let pending = '';
  const flush = (): void => {
    write(pending);
    pending = '';
  };

  const tokenizer = new Tokenizer(
    { decodeEntities: true },
    {
      ontext: (start, end) => {
        pending += html.slice(start, end);
      },
      ontextentity: (codepoint) => {
        pending += String.fromCodePoint(codepoint);
      },
      onopentagname: (start, end) => {
        flush();
        tag = html.slice(start, end).toLowerCase();
        open(tag);
      },
      onopentagend: () => {
        if (hidden === undefined && HIDDEN.has(tag)) hidden = tag;
      },
      onselfclosingtag: () => {},
      onclosetag: (start, end) => {
        flush();
        const name = html.slice(start, end).toLowerCase();
        if (hidden === name) hidden = undefined;
        breaks = Math.max(breaks, BREAKS.get(name) ?? 0);
      },
      onattribname: (start, end) => {
        attribute = tag === 'img' ? html.slice(start, end).toLowerCase() : '';
        value = '';
      },
      onattribdata: (start, end) => {
        if (attribute === 'alt') value += html.slice(start, end);
      },
      onattribentity: (codepoint) => {
        if (attribute === 'alt') value += String.fromCodePoint(codepoint);
      },
      onattribend: () => {
        if (attribute === 'alt' && value.trim() !== '') {
          write(` ${value} `);
          attribute = '';
        }
      },
      oncdata: () => {},
      oncomment: () => {},
      ondeclaration: () => {},
      onprocessinginstruction: () => {},
      onend: flush,
    },
  );
  tokenizer.write(html);
  tokenizer.end();
  return out.join('');
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x09 || code === 0x0d || code === 0x0c;
}
