const FIRST_SLOTS = 1 << 12;
const FIRST_CHARS = 1 << 14;

/** Doubles a typed array, keeping its contents. */
export function grown<T extends Uint16Array | Uint32Array | Int32Array | Float64Array>(array: T, least: number): T {
  const larger = new (array.constructor as new (length: number) => T)(Math.max(least, array.length * 2));
  larger.set(array);
  return larger;
}

/**
 * Numbers the distinct words of a text 0, 1, 2 … in order of first sight. Open addressing over an arena of UTF-16 units:
 * looking a word up makes no string, and a table keeps no text alive (a JavaScript substring would).
 */
export class WordTable {
  /** Number of distinct words. */
  size = 0;
  #slots = new Int32Array(FIRST_SLOTS);
  #hashes = new Int32Array(FIRST_SLOTS);
  #starts = new Float64Array(FIRST_SLOTS);
  #chars = new Uint16Array(FIRST_CHARS);
  // Chosen anew for each table, so that no text can be made to collide; word numbers do not depend on it.
  readonly #seed = Math.floor(Math.random() * 0x7fffffff);

  /** UTF-16 units stored. */
  get chars(): number {
    return this.#starts[this.size]!;
  }

  /** Number of `text[start, end)`, entered if it is new: compare with the `size` before. */
  intern(text: string, start: number, end: number): number {
    let hash = this.#seed;
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
    hash ^= hash >>> 15;
    const mask = this.#slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const word = this.#slots[slot]! - 1;
      if (word < 0) return this.#enter(text, start, end, hash, slot);
      if (this.#hashes[word] === hash && this.#equals(word, text, start, end)) return word;
    }
  }

  /** The word with this number. */
  word(index: number): string {
    const start = this.#starts[index]!;
    const end = this.#starts[index + 1]!;
    let text = '';
    for (let at = start; at < end; at += 4096) {
      text += String.fromCharCode(...this.#chars.subarray(at, Math.min(end, at + 4096)));
    }
    return text;
  }

  /** Forgets all words; keeps the memory. */
  clear(): void {
    this.size = 0;
    this.#slots.fill(0);
  }

  #equals(word: number, text: string, start: number, end: number): boolean {
    const from = this.#starts[word]!;
    if (this.#starts[word + 1]! - from !== end - start) return false;
    for (let i = start, j = from; i < end; i++, j++) if (this.#chars[j] !== text.charCodeAt(i)) return false;
    return true;
  }

  #enter(text: string, start: number, end: number, hash: number, slot: number): number {
    const word = this.size++;
    const from = this.#starts[word]!;
    const to = from + end - start;
    if (to > this.#chars.length) this.#chars = grown(this.#chars, to);
    for (let i = start, j = from; i < end; i++, j++) this.#chars[j] = text.charCodeAt(i);
    if (word + 1 >= this.#starts.length) this.#starts = grown(this.#starts, word + 2);
    if (word >= this.#hashes.length) this.#hashes = grown(this.#hashes, word + 1);
    this.#starts[word + 1] = to;
    this.#hashes[word] = hash;
    this.#slots[slot] = word + 1;
    if (this.size * 2 > this.#slots.length) this.#rehash();
    return word;
  }

  #rehash(): void {
    const slots = new Int32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    for (let word = 0; word < this.size; word++) {
      let slot = this.#hashes[word]! & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = word + 1;
    }
    this.#slots = slots;
  }
}
