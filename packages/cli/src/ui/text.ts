import truncatedWidth from 'fast-string-truncated-width';

// eslint-disable-next-line no-control-regex
const ESCAPE = /\u001b\[[\d;?]*[A-Za-z]/g;
// eslint-disable-next-line no-control-regex
const UNSAFE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** Text of files and plugins without anything that a terminal would obey. */
export const clean = (text: string): string => text.replaceAll('\r\n', '\n').replace(UNSAFE, '\ufffd');

/** {@link clean} on one line. */
export const oneLine = (text: string): string => clean(text).replaceAll(/\s+/g, ' ').trim();

/** Columns that a text takes; colours take none. */
export const widthOf = (text: string): number => truncatedWidth(text.replaceAll(ESCAPE, '')).width;

/** The text, cut to `width` columns with an ellipsis; for text without colours. */
export function cut(text: string, width: number): string {
  if (width <= 0) return '';
  const { index, truncated } = truncatedWidth(text, { limit: width, ellipsis: '…', ellipsisWidth: 1 });
  return truncated ? `${text.slice(0, index)}…` : text;
}

/** The end of a text, cut to `width` columns: names of weights differ at the end. */
export function cutStart(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  const letters = Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment);
  while (letters.length > 0 && widthOf(letters.join('')) > width - 1) letters.shift();
  return `…${letters.join('')}`;
}

export const padEnd = (text: string, width: number): string => text + ' '.repeat(Math.max(0, width - widthOf(text)));
export const padStart = (text: string, width: number): string => ' '.repeat(Math.max(0, width - widthOf(text))) + text;

/** Breaks a line without colours at spaces; lines after the first are indented. Words longer than a line stay whole. */
export function wrap(text: string, width: number, indent: number): string {
  const lines: string[] = [];
  let line = /^ */.exec(text)?.[0] ?? '';
  let isEmpty = true;
  for (const word of text.trimStart().split(' ')) {
    if (!isEmpty && widthOf(line) + 1 + widthOf(word) > width) {
      lines.push(line);
      line = ' '.repeat(indent);
      isEmpty = true;
    }
    line += isEmpty ? word : ` ${word}`;
    isEmpty = false;
  }
  return [...lines, line].join('\n');
}

export type Align = 'left' | 'right';

/** A text that is painted from its first letter to its last: what begins the paint, the letters, what ends it. */
// eslint-disable-next-line no-control-regex
const PAINTED = /^((?:\u001b\[[\d;]*m)*)([^\u001b]*)((?:\u001b\[[\d;]*m)*)$/;

/** {@link wrap} of text that may be painted as a whole: every line is painted then. Other text stays on one line. */
function wrapPainted(text: string, width: number): readonly string[] {
  const [, start = '', letters, end = ''] = PAINTED.exec(text) ?? [];
  if (letters === undefined) return [text];
  return wrap(letters, width, 0)
    .split('\n')
    .map((line) => `${start}${line}${end}`);
}

/** A column that is broken has at least so much room; where there is less, its text stands below the row. */
const NARROWEST = 16;

export interface ColumnOptions {
  /** @defaultValue `left` for all */
  readonly align?: readonly Align[] | undefined;
  /** Columns of the terminal; lines may be of any length when absent. */
  readonly width?: number | undefined;
  /** @defaultValue `2` */
  readonly indent?: number | undefined;
}

/**
 * Rows as aligned columns, two spaces apart. Where a row is wider than `width`, its last cell is broken at spaces; where
 * that leaves it too little room it moves next to the cell before, or below the row.
 */
export function columns(rows: readonly (readonly string[])[], options: ColumnOptions = {}): string {
  const { align = [], width = Number.POSITIVE_INFINITY, indent = 2 } = options;
  const count = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: count }, (_, i) => Math.max(0, ...rows.map((row) => widthOf(row[i] ?? ''))));
  const before = widths.slice(0, -1).reduce((sum, size) => sum + size + 2, indent);
  const margin = ' '.repeat(indent);
  const lines = rows.flatMap((row) => {
    const cells = row.map((cell, i) => (align[i] === 'right' ? padStart : padEnd)(cell, widths[i] ?? 0));
    const last = row.length === count ? (row.at(-1) ?? '') : '';
    const aligned = `${margin}${cells.join('  ')}`.trimEnd();
    if (last === '' || before + widthOf(last) <= width) return [aligned];
    const start = `${margin}${cells.slice(0, -1).join('  ')}`;
    if (width - before >= NARROWEST) {
      const [first = '', ...rest] = wrapPainted(last, width - before);
      return [`${start}  ${first}`, ...rest.map((line) => ' '.repeat(before) + line)];
    }
    const close = `${start.trimEnd()}  ${last}`;
    if (widthOf(close) <= width) return [close];
    return [start.trimEnd(), ...wrapPainted(last, width - indent - 2).map((line) => `${margin}  ${line}`)];
  });
  return lines.join('\n');
}
