import { join53, murmur3, murmur3Words } from './hash.ts';

const HIGH_SEED = 0x2545f491;
const LOW_SEED = 0x6c078965;

/** Kinds of UTF-16 units: part of a word, a word of its own (scripts written without blanks), or neither. */
const OUTSIDE = 0;
const INSIDE = 1;
const ALONE = 2;
const WORD = /[\p{L}\p{N}\p{M}_]/u;
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;

/**
 * The set of word n-grams of a text, as ascending 53-bit hashes. Words are runs of letters and digits, compared without
 * case; characters of scripts without blanks are words of their own. A text of fewer than `n` words has one n-gram, all
 * its words; a text without words has none.
 */
export function shingles(text: string, n: number): Float64Array {
  const { high, low, count } = hashedWords(text.toLowerCase());
  if (count === 0) return new Float64Array(0);
  const size = Math.min(n, count);
  const keys = new Float64Array(count - size + 1);
  for (let i = 0; i < keys.length; i++) {
    keys[i] = join53(murmur3Words(high, HIGH_SEED, i, i + size), murmur3Words(low, LOW_SEED, i, i + size));
  }
  keys.sort();
  let distinct = 1;
  for (let i = 1; i < keys.length; i++) {
    if (keys[i] !== keys[i - 1]) keys[distinct++] = keys[i]!;
  }
  return distinct === keys.length ? keys : keys.slice(0, distinct);
}

/** Jaccard similarity |A ∩ B| / |A ∪ B| of two ascending sets; 0 when both are empty. */
export function jaccard(a: Float64Array, b: Float64Array): number {
  let i = 0;
  let j = 0;
  let common = 0;
  while (i < a.length && j < b.length) {
    const difference = a[i]! - b[j]!;
    if (difference === 0) common++;
    if (difference <= 0) i++;
    if (difference >= 0) j++;
  }
  const union = a.length + b.length - common;
  return union === 0 ? 0 : common / union;
}

function hashedWords(text: string): { high: Int32Array; low: Int32Array; count: number } {
  let high = new Int32Array(Math.max(16, text.length >> 2));
  let low = new Int32Array(high.length);
  let count = 0;
  const add = (start: number, end: number): void => {
    if (count === high.length) {
      high = grown(high);
      low = grown(low);
    }
    high[count] = murmur3(text, HIGH_SEED, start, end);
    low[count] = murmur3(text, LOW_SEED, start, end);
    count++;
  };
  let start = -1;
  for (let i = 0; i < text.length; i++) {
    const kind = kindOf(text, i);
    if (kind === INSIDE) {
      if (start < 0) start = i;
      continue;
    }
    if (start >= 0) add(start, i);
    start = -1;
    if (kind === ALONE) add(i, i + 1);
  }
  if (start >= 0) add(start, text.length);
  return { high, low, count };
}

function kindOf(text: string, index: number): number {
  const code = text.charCodeAt(index);
  if (code < 0x80) {
    const isDigit = code >= 0x30 && code <= 0x39;
    return isDigit || (code >= 0x61 && code <= 0x7a) || code === 0x5f ? INSIDE : OUTSIDE;
  }
  // Characters beyond the BMP are letters of rare scripts or emoji: both count as parts of words.
  if (code >= 0xd800 && code <= 0xdfff) return INSIDE;
  const character = text[index]!;
  if (UNSPACED.test(character)) return ALONE;
  return WORD.test(character) ? INSIDE : OUTSIDE;
}

function grown(array: Int32Array): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(array.length * 2);
  larger.set(array);
  return larger;
}
