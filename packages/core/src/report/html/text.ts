/** Longest text that is drawn; `report.json` has all of it. */
const MAX_TEXT = 1200;

/**
 * Characters that browsers drop, refuse or let reorder the text around them: control characters other than tab and line
 * feed, embeddings, overrides and isolates of writing direction, and code points that are no characters.
 */
const UNSEEN =
  // oxlint-disable-next-line no-control-regex -- these are what is looked for
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\ufdd0-\ufdef]|\p{Noncharacter_Code_Point}/gu;

/** Spells out what would not be seen: `[U+202E]`. Halves of surrogate pairs become U+FFFD. */
export function visible(text: string): string {
  return text.toWellFormed().replaceAll(UNSEEN, (character) => {
    const code = character.codePointAt(0) as number;
    return `[U+${code.toString(16).toUpperCase().padStart(4, '0')}]`;
  });
}

/** At most `limit` UTF-16 units, cut between characters. */
export function clip(text: string, limit: number = MAX_TEXT): string {
  if (text.length <= limit) return text;
  return `${text.slice(0, limit - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}

/** The first `limit` items, and how many there are more. */
export function limited<T>(
  items: readonly T[],
  limit: number,
): { readonly shown: readonly T[]; readonly more: number } {
  return { shown: items.slice(0, limit), more: Math.max(0, items.length - limit) };
}

/** `1 row`, `2 rows`. */
export function plural(count: number, one: string, many: string = `${one}s`): string {
  return `${count.toLocaleString('en-US')} ${count === 1 ? one : many}`;
}
