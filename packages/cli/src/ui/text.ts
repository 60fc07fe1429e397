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

export const padEnd = (text: string, width: number): string => text + ' '.repeat(Math.max(0, width - widthOf(text)));
export const padStart = (text: string, width: number): string => ' '.repeat(Math.max(0, width - widthOf(text))) + text;

export type Align = 'left' | 'right';

/**
 * Rows as aligned columns, two spaces apart. Only the last column is cut when the rows are wider than `width`.
 */
export function columns(
  rows: readonly (readonly string[])[],
  { align = [], width, indent = 2 }: { align?: readonly Align[]; width?: number | undefined; indent?: number } = {},
): string {
  const count = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: count }, (_, i) => Math.max(0, ...rows.map((row) => widthOf(row[i] ?? ''))));
  const lines = rows.map((row) => {
    const cells = row.map((cell, i) => (align[i] === 'right' ? padStart : padEnd)(cell, widths[i] ?? 0));
    const line = `${' '.repeat(indent)}${cells.join('  ')}`.trimEnd();
    // A painted cell cannot be cut without cutting its colours.
    return width !== undefined && line === line.replaceAll(ESCAPE, '') ? cut(line, width) : line;
  });
  return lines.join('\n');
}
