const CODES = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
} as const;

/** Paints text, or leaves it as it is. */
export type Style = Readonly<Record<keyof typeof CODES, (text: string) => string>>;

export function createStyle(color: boolean): Style {
  const entries = Object.entries(CODES).map(([name, [open, close]]) => [
    name,
    (text: string) => (color && text !== '' ? `\u001b[${open}m${text}\u001b[${close}m` : text),
  ]);
  return Object.fromEntries(entries) as Style;
}
