import { grown } from './word-table.ts';

const FIRST = 1 << 12;
/** "No position" and "no pair". */
export const NONE = -1;

/**
 * The adjacent symbol pairs of a corpus: spelling, weighted count and the list of places where each occurs.
 * Lists are threaded through two arrays indexed by place, so that adding and removing a place is O(1) and allocates nothing.
 */
export class PairTable {
  size = 0;
  left: Int32Array = new Int32Array(FIRST);
  right: Int32Array = new Int32Array(FIRST);
  /** Sum of the weights of the places in the list. */
  count: Float64Array = new Float64Array(FIRST);
  /** First place of each pair's list. */
  head: Int32Array = new Int32Array(FIRST);
  /** Pair that starts at a place, or {@link NONE}. */
  readonly pairAt: Int32Array;
  #tail = new Int32Array(FIRST);
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #weight: Uint32Array;

  constructor(weight: Uint32Array) {
    this.#weight = weight;
    this.#next = new Int32Array(weight.length);
    this.#previous = new Int32Array(weight.length);
    this.pairAt = new Int32Array(weight.length).fill(NONE);
  }

  create(left: number, right: number): number {
    const pair = this.size++;
    if (pair >= this.left.length) {
      this.left = grown(this.left, 0);
      this.right = grown(this.right, 0);
      this.count = grown(this.count, 0);
      this.head = grown(this.head, 0);
      this.#tail = grown(this.#tail, 0);
    }
    this.left[pair] = left;
    this.right[pair] = right;
    this.head[pair] = NONE;
    this.#tail[pair] = NONE;
    return pair;
  }

  /** Appends a place. Places must come in increasing order: runs like `aaa` merge from the left. */
  add(pair: number, place: number): void {
    const tail = this.#tail[pair]!;
    this.#previous[place] = tail;
    this.#next[place] = NONE;
    if (tail === NONE) this.head[pair] = place;
    else this.#next[tail] = place;
    this.#tail[pair] = place;
    this.pairAt[place] = pair;
    this.count[pair]! += this.#weight[place]!;
  }

  /** Takes a place out of the list it is in, if any. */
  remove(place: number): void {
    const pair = this.pairAt[place]!;
    if (pair === NONE) return;
    const next = this.#next[place]!;
    const previous = this.#previous[place]!;
    if (previous === NONE) this.head[pair] = next;
    else this.#next[previous] = next;
    if (next === NONE) this.#tail[pair] = previous;
    else this.#previous[next] = previous;
    this.pairAt[place] = NONE;
    this.count[pair]! -= this.#weight[place]!;
  }
}

/**
 * Hands out pairs by highest count, then smallest left id, then smallest right id: the tie rule of Hugging Face tokenizers.
 * A binary heap whose entries may be out of date. A count only ever falls once its pair is queued, so an entry found stale
 * at the top is put back lower down.
 */
export class PairQueue {
  readonly #pairs: PairTable;
  #heap = new Int32Array(FIRST);
  #queued = new Float64Array(FIRST);
  #length = 0;

  constructor(pairs: PairTable) {
    this.#pairs = pairs;
  }

  push(pair: number): void {
    if (this.#length === this.#heap.length) {
      this.#heap = grown(this.#heap, 0);
      this.#queued = grown(this.#queued, 0);
    }
    const count = this.#pairs.count[pair]!;
    let at = this.#length++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#before(pair, count, parent)) break;
      this.#heap[at] = this.#heap[parent]!;
      this.#queued[at] = this.#queued[parent]!;
      at = parent;
    }
    this.#heap[at] = pair;
    this.#queued[at] = count;
  }

  /** The next pair, if its count is at least `least`; else {@link NONE}. */
  pop(least: number): number {
    while (this.#length > 0) {
      const pair = this.#heap[0]!;
      if (this.#queued[0]! < least) return NONE;
      const count = this.#pairs.count[pair]!;
      const fresh = this.#queued[0] === count;
      if (fresh || count < least) {
        this.#length--;
        if (this.#length > 0) this.#sink(this.#heap[this.#length]!, this.#queued[this.#length]!);
        if (fresh) return pair;
      } else {
        this.#sink(pair, count);
      }
    }
    return NONE;
  }

  /** Whether `pair` with `count` comes before the entry at heap position `at`. */
  #before(pair: number, count: number, at: number): boolean {
    const queued = this.#queued[at]!;
    if (count !== queued) return count > queued;
    const { left, right } = this.#pairs;
    const other = this.#heap[at]!;
    const difference = left[pair]! - left[other]!;
    return difference === 0 ? right[pair]! < right[other]! : difference < 0;
  }

  /** Fills the root with an entry and moves it down to its place. */
  #sink(pair: number, count: number): void {
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.#length) break;
      const sibling = child + 1;
      if (sibling < this.#length && this.#before(this.#heap[sibling]!, this.#queued[sibling]!, child)) child = sibling;
      if (this.#before(pair, count, child)) break;
      this.#heap[at] = this.#heap[child]!;
      this.#queued[at] = this.#queued[child]!;
      at = child;
    }
    this.#heap[at] = pair;
    this.#queued[at] = count;
  }
}
