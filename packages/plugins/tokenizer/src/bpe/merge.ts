import { grown } from './word-table.ts';

const NONE = -1;
/** Words up to this length are merged by looking through all pairs each time; longer ones need a heap to stay linear. */
const SHORT = 24;
/** Heap keys are `rank · 2³¹ + place`, exact in a double for 4 million merges. */
const PLACES = 2 ** 31;
export const MOST_MERGES: number = 2 ** 22;

/** A growing list of token ids. */
export class IdList {
  length = 0;
  data: Int32Array = new Int32Array(256);

  push(id: number): void {
    if (this.length === this.data.length) this.data = grown(this.data, 0);
    this.data[this.length++] = id;
  }

  append(ids: Int32Array, start: number, end: number): void {
    const length = this.length + end - start;
    if (length > this.data.length) this.data = grown(this.data, length);
    for (let i = start; i < end; i++) this.data[this.length++] = ids[i]!;
  }
}

/** Merge rules: pair of ids → rank and joined id. */
export class MergeRules {
  readonly #mask: number;
  readonly #left: Int32Array;
  readonly #right: Int32Array;
  readonly #rank: Int32Array;
  /** Id that the merge of each rank makes. */
  readonly joined: Int32Array;

  constructor(merges: ReadonlyArray<readonly [left: number, right: number, joined: number]>) {
    let slots = 16;
    while (slots < merges.length * 2) slots *= 2;
    this.#mask = slots - 1;
    this.#left = new Int32Array(slots);
    this.#right = new Int32Array(slots);
    this.#rank = new Int32Array(slots).fill(NONE);
    this.joined = Int32Array.from(merges, ([, , joined]) => joined);
    for (const [rank, [left, right]] of merges.entries()) {
      let slot = this.#slot(left, right);
      while (this.#rank[slot] !== NONE && !(this.#left[slot] === left && this.#right[slot] === right)) {
        slot = (slot + 1) & this.#mask;
      }
      this.#left[slot] = left;
      this.#right[slot] = right;
      this.#rank[slot] = rank;
    }
  }

  /** Rank of the merge of two ids, or -1. */
  rank(left: number, right: number): number {
    for (let slot = this.#slot(left, right); ; slot = (slot + 1) & this.#mask) {
      const rank = this.#rank[slot]!;
      if (rank === NONE || (this.#left[slot] === left && this.#right[slot] === right)) return rank;
    }
  }

  #slot(left: number, right: number): number {
    const hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
    return (hash ^ (hash >>> 15)) & this.#mask;
  }
}

/** Joins the lowest-ranked pair, leftmost first, until none is left, and appends the result. Changes `symbols`. */
export function mergeWord(symbols: Int32Array, length: number, rules: MergeRules, out: IdList): void {
  if (length > SHORT) {
    mergeLongWord(symbols, length, rules, out);
    return;
  }
  let left = length;
  while (left > 1) {
    let best = NONE;
    let at = 0;
    for (let i = 0; i + 1 < left; i++) {
      const rank = rules.rank(symbols[i]!, symbols[i + 1]!);
      if (rank !== NONE && (best === NONE || rank < best)) {
        best = rank;
        at = i;
      }
    }
    if (best === NONE) break;
    symbols[at] = rules.joined[best]!;
    left--;
    symbols.copyWithin(at + 1, at + 2, left + 1);
  }
  out.append(symbols, 0, left);
}

/** The same in O(n log n). */
function mergeLongWord(symbols: Int32Array, length: number, rules: MergeRules, out: IdList): void {
  const next = new Int32Array(length);
  const previous = new Int32Array(length);
  const rankAt = new Int32Array(length).fill(NONE);
  const heap = new KeyHeap(length);

  const rate = (place: number): void => {
    const second = next[place]!;
    const rank = second < length ? rules.rank(symbols[place]!, symbols[second]!) : NONE;
    rankAt[place] = rank;
    if (rank !== NONE) heap.push(rank * PLACES + place);
  };
  for (let i = 0; i < length; i++) {
    next[i] = i + 1;
    previous[i] = i - 1;
  }
  for (let i = 0; i < length; i++) rate(i);

  for (let key = heap.pop(); key !== NONE; key = heap.pop()) {
    const rank = Math.floor(key / PLACES);
    const place = key % PLACES;
    if (rankAt[place] !== rank) continue;
    const second = next[place]!;
    const after = next[second]!;
    symbols[place] = rules.joined[rank]!;
    rankAt[second] = NONE;
    next[place] = after;
    if (after < length) previous[after] = place;
    rate(place);
    if (previous[place]! !== NONE) rate(previous[place]!);
  }
  for (let place = 0; place < length; place = next[place]!) out.push(symbols[place]!);
}

/** Binary min-heap of numbers. */
class KeyHeap {
  #keys: Float64Array;
  #length = 0;

  constructor(capacity: number) {
    this.#keys = new Float64Array(Math.max(16, capacity));
  }

  push(key: number): void {
    if (this.#length === this.#keys.length) this.#keys = grown(this.#keys, 0);
    let at = this.#length++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.#keys[parent]! <= key) break;
      this.#keys[at] = this.#keys[parent]!;
      at = parent;
    }
    this.#keys[at] = key;
  }

  /** Smallest key, or -1 when there is none. */
  pop(): number {
    if (this.#length === 0) return NONE;
    const top = this.#keys[0]!;
    const last = this.#keys[--this.#length]!;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.#length) break;
      if (child + 1 < this.#length && this.#keys[child + 1]! < this.#keys[child]!) child++;
      if (last <= this.#keys[child]!) break;
      this.#keys[at] = this.#keys[child]!;
      at = child;
    }
    this.#keys[at] = last;
    return top;
  }
}
