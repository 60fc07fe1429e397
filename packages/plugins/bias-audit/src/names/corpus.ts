import { COMMON_WORDS, PROPER_NAMES, WORD_NAMES } from './words.ts';

/** How words are written in the data. */
export interface Corpus {
  /** How often a word is in lower case for each time that it is capitalised; infinite when it never is. */
  lowerRatio(word: string): number;
}

/** More text than this tells nothing new about how common words are written. */
const MAX_CHARACTERS = 20_000_000;

/** Words that are not parts of addresses, paths or identifiers. */
const WORD = /(?<![\p{L}\p{N}_@./\\-])\p{L}{2,}(?![\p{N}_@\\]|[./-][\p{L}\p{N}])/gu;

/** Counts the words of texts. */
export function readCorpus(texts: Iterable<string>): Corpus {
  const lower = new Map<string, number>();
  const capital = new Map<string, number>();
  let left = MAX_CHARACTERS;
  for (const text of texts) {
    if (left <= 0) break;
    const part = text.slice(0, left);
    left -= part.length;
    for (const [word] of part.matchAll(WORD)) {
      const key = word.toLocaleLowerCase('en');
      // Text in capitals tells nothing.
      if (word === word.toLocaleUpperCase('en')) continue;
      const counts = word === key ? lower : capital;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
  }
  return {
    lowerRatio(word) {
      const key = word.toLocaleLowerCase('en');
      const count = lower.get(key) ?? 0;
      return count === 0 ? 0 : count / (capital.get(key) ?? 0);
    },
  };
}

/** A word in lower case more often than this is a common word. */
const COMMON = 0.1;
/** A word in lower case more often than this is hardly ever a name. */
const MOSTLY_COMMON = 1;

/** Whether a capitalised word is a common word rather than a name. */
export function isCommon(corpus: Corpus, word: string): boolean {
  return COMMON_WORDS.has(word.toLocaleLowerCase('en')) || corpus.lowerRatio(word) > COMMON;
}

/**
 * What a listed name needs to count as one: nothing, an address or a surname, or an address.
 *
 * | | |
 * | --- | --- |
 * | `clear` | counts wherever it stands |
 * | `word` | may be a common word: counts behind "Dear", "Mr" …, or before a surname |
 * | `proper` | may be a month, a place, a firm, or is mostly a common word: counts behind "Dear", "Mr" … |
 */
export type Doubt = 'clear' | 'word' | 'proper';

export function doubtOf(corpus: Corpus, extra: Iterable<string>): (name: string) => Doubt {
  const given = new Set([...extra].map((name) => name.toLocaleLowerCase('en')));
  return (name) => {
    if (PROPER_NAMES.has(name) || corpus.lowerRatio(name) > MOSTLY_COMMON) return 'proper';
    const doubtful =
      name.length < 3 || WORD_NAMES.has(name) || given.has(name.toLocaleLowerCase('en')) || isCommon(corpus, name);
    return doubtful ? 'word' : 'clear';
  };
}
