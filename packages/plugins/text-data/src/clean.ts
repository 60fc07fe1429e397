import { repairC1, repairMojibake } from './mojibake.ts';

/** One cleaning step: pure, total and cheap, so that its effect can be counted row by row. */
export interface CleanRule {
  /** Name used in options and reports, kebab-case. */
  readonly name: string;
  /** One sentence: what is different afterwards. */
  readonly description: string;
  /** The cleaned text; returns its input when there is nothing to do. */
  apply(text: string): string;
}

/** Letters of scripts in which joiners shape words, and emoji parts. */
const NEEDS_JOINER =
  /[\p{M}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Mongolian}\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f]/u;
/** Everything that Unicode calls ignorable, except joiners, tags (of flags) and variation selectors (of emoji, Han). */
const INVISIBLE = /(?!\u200c|\u200d|\p{Variation_Selector}|[\u{e0020}-\u{e007f}])\p{Default_Ignorable_Code_Point}/gu;
const TAGS = /\u{1f3f4}[\u{e0020}-\u{e007f}]{1,12}|[\u{e0020}-\u{e007f}]+/gu;

/**
 * Every rule by name, in the order in which they run. The first seven are on by default; `emails`, `urls` and
 * `numbers` replace what identifies a person or a campaign by a placeholder and are chosen by name.
 */
export const CLEAN_RULES: readonly CleanRule[] = [
  {
    name: 'mojibake',
    description: 'UTF-8 that was read as Latin-1 or Windows-1252 is repaired.',
    apply: repairMojibake,
  },
  {
    name: 'c1-controls',
    description: 'Control characters U+0080 to U+009F become the Windows-1252 characters they were meant to be.',
    apply: repairC1,
  },
  {
    name: 'nfc',
    description: 'Characters are composed (Unicode normalization form C).',
    apply: (text) => text.normalize('NFC'),
  },
  {
    name: 'line-breaks',
    description: 'All line and page breaks are single line feeds.',
    apply: (text) => text.replace(/\r\n?|[\v\f\u0085\u2028\u2029]/g, '\n'),
  },
  {
    name: 'controls',
    description: 'Control characters except tab and line feed, lone surrogates and noncharacters are gone.',
    apply: (text) => text.replace(/(?![\t\n])\p{Control}|\p{Noncharacter_Code_Point}|\p{Surrogate}/gu, ''),
  },
  {
    name: 'invisible',
    description:
      'Zero-width and direction marks and soft hyphens are gone; joiners stay where scripts and emoji need them.',
    apply: removeInvisible,
  },
  {
    name: 'whitespace',
    description:
      'Runs of blanks are one space, lines have none at their ends, and there is at most one empty line in a row.',
    apply: foldWhitespace,
  },
  {
    name: 'emails',
    description: 'E-mail addresses are replaced by `<email>`.',
    apply: (text) => text.replace(/[\w.%+-]{1,64}@[\p{L}\d-]{1,63}(?:\.[\p{L}\d-]{1,63}){0,8}/gu, '<email>'),
  },
  {
    name: 'urls',
    description: 'Web addresses are replaced by `<url>`.',
    apply: (text) => text.replace(/\b(?:https?:\/\/|ftp:\/\/|www\.)[^\s<>"']+/giu, '<url>'),
  },
  {
    name: 'numbers',
    description: 'Runs of four and more digits are replaced by `<number>`.',
    apply: (text) => text.replace(/\d{4,}/g, '<number>'),
  },
];

/** Rules that run when none are named. */
export const DEFAULT_CLEAN_RULES: readonly string[] = [
  'mojibake',
  'c1-controls',
  'nfc',
  'line-breaks',
  'controls',
  'invisible',
  'whitespace',
];

/** Options of {@link createCleaner}. */
export interface CleanOptions {
  /** Names of rules; they run in the order of {@link CLEAN_RULES}. @defaultValue {@link DEFAULT_CLEAN_RULES} */
  readonly rules?: readonly string[] | undefined;
  /** Rows with fewer characters after cleaning are dropped (UTF-16 units). @defaultValue `1` */
  readonly minLength?: number | undefined;
  /** Longer texts are cut at the last blank before this length (UTF-16 units). @defaultValue `50000` */
  readonly maxLength?: number | undefined;
}

/** Cleaned text, or why the row is dropped. */
export type Cleaned =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly reason: 'too-short'; readonly text: string };

/** Cleans texts one by one and counts what changed. */
export interface Cleaner {
  /** One text. */
  clean(text: string): Cleaned;
  /** Texts that each rule changed, by rule name; `truncated` counts those that were cut. */
  readonly changed: Readonly<Record<string, number>>;
}

/** A cleaner for one run. */
export function createCleaner(options: CleanOptions = {}): Cleaner {
  const names = new Set(options.rules ?? DEFAULT_CLEAN_RULES);
  const rules = CLEAN_RULES.filter((rule) => names.has(rule.name));
  const minLength = options.minLength ?? 1;
  const maxLength = options.maxLength ?? 50_000;
  const changed: Record<string, number> = Object.fromEntries([
    ...rules.map((rule) => [rule.name, 0]),
    ['truncated', 0],
  ]);
  return {
    changed,
    clean(text) {
      let current = text;
      for (const rule of rules) {
        const next = rule.apply(current);
        if (next !== current) changed[rule.name]! += 1;
        current = next;
      }
      if (current.length > maxLength) {
        current = truncated(current, maxLength);
        changed['truncated']! += 1;
      }
      return current.length < minLength
        ? { ok: false, reason: 'too-short', text: current }
        : { ok: true, text: current };
    },
  };
}

function removeInvisible(text: string): string {
  if (!/\p{Default_Ignorable_Code_Point}/u.test(text)) return text;
  return text
    .replace(INVISIBLE, '')
    .replace(TAGS, (tags) => (tags.startsWith('\u{1f3f4}') ? tags : ''))
    .replace(/[\u200c\u200d]+/g, (joiners: string, at: number, all: string) =>
      NEEDS_JOINER.test(characterBefore(all, at)) ? joiners[0]! : '',
    );
}

function characterBefore(text: string, at: number): string {
  const isPair = at > 1 && (text.charCodeAt(at - 1) & 0xfc00) === 0xdc00;
  return text.slice(Math.max(0, at - (isPair ? 2 : 1)), at);
}

function foldWhitespace(text: string): string {
  return text
    .replace(/[^\S\n]+/gu, ' ')
    .replace(/ ?\n ?/g, '\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
}

/** The first `length` units of a text, shortened to the last blank if there is one in the last tenth. */
function truncated(text: string, length: number): string {
  const cut = text.slice(0, length).replace(/[\ud800-\udbff]$/, '');
  const blank = Math.max(cut.lastIndexOf(' '), cut.lastIndexOf('\n'));
  return blank >= length * 0.9 ? cut.slice(0, blank) : cut;
}
