import { type Corpus, type Doubt, isCommon } from './corpus.ts';
import { type Lexicon, titleCase } from './groups.ts';
import { ADDRESSES } from './words.ts';

/** A first name in a text. */
export interface Occurrence {
  readonly start: number;
  readonly end: number;
  /** As the lexicon has it. */
  readonly name: string;
  readonly group: number;
  readonly upperCase: boolean;
}

export interface Finder {
  /** The names in the first `limit` characters, in order. */
  find(text: string, limit: number): readonly Occurrence[];
  /** What a listed name needs to count. */
  readonly doubtOf: (name: string) => Doubt;
}

/** Capitalised words; not parts of addresses, paths, identifiers or words with hyphens. A possessive may follow. */
const CANDIDATE =
  /(?<![\p{L}\p{N}\p{M}_@./\\'’-])\p{Lu}[\p{L}\p{M}]+(?![\p{L}\p{M}\p{N}_@\\-]|[./][\p{L}\p{N}]|['’](?!s(?![\p{L}\p{N}]))\p{L})/gu;
const WORD_BEFORE = /(?<![\p{L}\p{M}])([\p{L}\p{M}]+)(?:\.?[ \t]+|[ \t]+\p{Lu}\.[ \t]+)$/u;
const WORD_AFTER = /^[ \t]+(?:\p{Lu}\.[ \t]+)?(\p{Lu}[\p{L}\p{M}]+)/u;
/** Between a first name and what follows it: blanks, perhaps an initial. */
const BETWEEN_NAMES = /^[ \t]+(?:\p{Lu}\.?[ \t]+)?$/u;
/** Longest context that is looked at on either side. */
const CONTEXT = 40;
/** Shouted names of fewer letters are more often abbreviations. */
const MIN_UPPER = 4;

/**
 * Finds first names: whole words that are capitalised or in upper case. A doubtful one counts only in a context that
 * says that it is a name, see {@link Doubt}. What follows another name, or any capitalised word that is neither an address
 * nor common, is a surname or part of a title and does not count.
 */
export function createFinder(
  { groupOf, shared }: Pick<Lexicon, 'groupOf' | 'shared'>,
  corpus: Corpus,
  doubtOf: (name: string) => Doubt,
): Finder {
  const isAddress = (word: string): boolean => ADDRESSES.has(word.toLocaleLowerCase('en'));
  const isName = (word: string): boolean => groupOf.has(titleCase(word)) || shared.has(titleCase(word));
  const counts = (text: string, start: number, end: number, doubt: Doubt): boolean => {
    const before = WORD_BEFORE.exec(text.slice(Math.max(0, start - CONTEXT), start))?.[1];
    if (before !== undefined && isAddress(before)) return true;
    if (doubt === 'proper') return false;
    if (before !== undefined && /^\p{Lu}/u.test(before) && (isName(before) || !isCommon(corpus, before))) return false;
    if (doubt === 'clear') return true;
    const after = WORD_AFTER.exec(text.slice(end, end + CONTEXT))?.[1];
    return after !== undefined && !isCommon(corpus, after) && doubtOf(titleCase(after)) === 'clear';
  };
  return {
    doubtOf,
    find(text, limit) {
      const found: Occurrence[] = [];
      for (const match of text.slice(0, limit).matchAll(CANDIDATE)) {
        const [word] = match;
        const start = match.index;
        const end = start + word.length;
        const name = titleCase(word);
        const group = groupOf.get(name);
        if (group === undefined || isAddress(word)) continue;
        const upperCase = word === word.toLocaleUpperCase('en');
        if (!upperCase && word !== name) continue;
        const last = found.at(-1);
        if (last !== undefined && BETWEEN_NAMES.test(text.slice(last.end, start))) continue;
        const doubt = doubtOf(name);
        const shouted = upperCase && name.length < MIN_UPPER && doubt === 'clear';
        if (counts(text, start, end, shouted ? 'word' : doubt)) found.push({ start, end, name, group, upperCase });
      }
      return found;
    },
  };
}
