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

/**
 * Rows as aligned columns, two spaces apart. Where they are wider than `width`, the last column is broken at spaces.
 */
export function columns(
  rows: readonly (readonly string[])[],
  { align = [], width, indent = 2 }: { align?: readonly Align[]; width?: number | undefined; indent?: number } = {},
): string {
  const count = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: count }, (_, i) => Math.max(0, ...rows.map((row) => widthOf(row[i] ?? ''))));
  const before = widths.slice(0, -1).reduce((sum, size) => sum + size + 2, indent);
  const lines = rows.map((row) => {
    const cells = row.map((cell, i) => {
      // Painted text is short, and cannot be broken without breaking its colours.
      const isLong =
        i === count - 1 && width !== undefined && widthOf(cell) > width - before && !cell.includes('\u001b');
      const shown = isLong
        ? wrap(cell, Math.max(20, width - before), 0).replaceAll('\n', `\n${' '.repeat(before)}`)
        : cell;
      return (align[i] === 'right' ? padStart : padEnd)(shown, isLong ? 0 : (widths[i] ?? 0));
    });
    return `${' '.repeat(indent)}${cells.join('  ')}`.trimEnd();
  });
  return lines.join('\n');
}
