import { byteCodePoints, writeUtf8 } from './bytes.ts';
import { IdList, type MergeRules, mergeWord } from './merge.ts';
import { WordTable } from './word-table.ts';

/** Bounds of the cache; a full cache is emptied. */
const CACHED_WORDS = 1 << 15;
const CACHED_CHARS = 1 << 19;
/** UTF-16 units of the longest word that is kept. */
const LONGEST_CACHED = 48;
/** UTF-8 bytes from which a word gets buffers of its own, so that it does not leave the encoder large for ever. */
const HUGE = 1 << 16;
const MOST_BYTES_A_UNIT = 3;

/** Turns words into ids: bytes, then merges. Text repeats its words, so the ids of recent ones are kept. */
export class WordEncoder {
  /** Id of each byte, or -1. */
  readonly #byteIds: Int32Array;
  readonly #rules: MergeRules;
  readonly #words = new WordTable();
  readonly #ends: number[] = [];
  #ids = new IdList();
  #bytes = new Uint8Array(MOST_BYTES_A_UNIT * LONGEST_CACHED);
  #symbols = new Int32Array(MOST_BYTES_A_UNIT * LONGEST_CACHED);

  /** @param unknown - id of a byte that has no token; bytes without one are left out when it is `undefined` */
  constructor(ids: ReadonlyMap<string, number>, rules: MergeRules, unknown: number | undefined) {
    this.#byteIds = Int32Array.from(byteCodePoints(), (code) => ids.get(String.fromCharCode(code)) ?? unknown ?? -1);
    this.#rules = rules;
  }

  /** Appends the ids of `text[start, end)`. */
  append(text: string, start: number, end: number, out: IdList): void {
    if (end - start > LONGEST_CACHED) {
      this.#merge(text, start, end, out);
      return;
    }
    if (this.#words.size >= CACHED_WORDS || this.#words.chars >= CACHED_CHARS) {
      this.#words.clear();
      this.#ids = new IdList();
    }
    const known = this.#words.size;
    const word = this.#words.intern(text, start, end);
    if (word === known) {
      this.#merge(text, start, end, this.#ids);
      this.#ends[word] = this.#ids.length;
    }
    out.append(this.#ids.data, word === 0 ? 0 : this.#ends[word - 1]!, this.#ends[word]!);
  }

  #merge(text: string, start: number, end: number, out: IdList): void {
    const most = MOST_BYTES_A_UNIT * (end - start);
    const isHuge = most > HUGE;
    if (!isHuge && most > this.#bytes.length) {
      this.#bytes = new Uint8Array(most);
      this.#symbols = new Int32Array(most);
    }
    const bytes = isHuge ? new Uint8Array(most) : this.#bytes;
    const length = writeUtf8(text, start, end, bytes);
    const symbols = isHuge ? new Int32Array(length) : this.#symbols;
    let kept = 0;
    for (let i = 0; i < length; i++) {
      const id = this.#byteIds[bytes[i]!]!;
      if (id >= 0) symbols[kept++] = id;
    }
    mergeWord(symbols, kept, this.#rules, out);
  }
}
