import { NONE, PairQueue, PairTable } from './pairs.ts';
import { grown } from './word-table.ts';

/** What one merge did: the pair of symbols and the symbol that now stands for it. */
export interface Merge {
  readonly left: number;
  readonly right: number;
  readonly id: number;
}

const BOUNDARY = -1;

/**
 * A corpus as distinct words of symbols with weights. Words lie one after another in one array with a boundary between
 * them; a merged symbol keeps the places of its parts and writes its length at its first and last place, so that both
 * neighbours are found in O(1) without links.
 */
export class Corpus {
  #symbols: Int32Array = new Int32Array(1 << 16);
  #weights: Uint32Array = new Uint32Array(1 << 16);
  #length = 0;

  constructor() {
    this.#symbols[this.#length++] = BOUNDARY;
  }

  /** Adds the word `symbols[0, length)` seen `weight` times. Words of one symbol have no pair and are left out. */
  add(symbols: ArrayLike<number>, length: number, weight: number): void {
    if (length < 2) return;
    const end = this.#length + length + 1;
    if (end > this.#symbols.length) {
      this.#symbols = grown(this.#symbols, end);
      this.#weights = grown(this.#weights, end);
    }
    for (let i = 0; i < length; i++) {
      this.#weights[this.#length] = Math.min(weight, 0xffffffff);
      this.#symbols[this.#length++] = symbols[i]!;
    }
    this.#symbols[this.#length++] = BOUNDARY;
  }

  /** Hands over the arrays; the corpus is empty afterwards. */
  release(): { symbols: Int32Array; weights: Uint32Array } {
    const symbols = this.#symbols.subarray(0, this.#length);
    const weights = this.#weights.subarray(0, this.#length);
    this.#symbols = new Int32Array(1);
    this.#weights = new Uint32Array(1);
    this.#length = 0;
    return { symbols, weights };
  }
}

export interface LearnOptions {
  /** Lowest count of a pair that is still merged, at least 1. */
  readonly least: number;
  /** Pairs whose characters together reach this many are never merged. */
  readonly maxLength: number;
  /** Number of symbols so far. */
  readonly symbols: number;
  /** Length of each symbol, in characters. */
  readonly lengthOf: (symbol: number) => number;
  /** Gives the id of the symbol that joins two others, or `undefined` to stop before this merge. */
  readonly join: (left: number, right: number) => number | undefined;
}

/** Pair of each symbol with one fixed partner: a sparse map that is emptied by forgetting what was set. */
class Partners {
  #pair: Int32Array;
  readonly #set: number[] = [];

  constructor(symbols: number) {
    this.#pair = new Int32Array(symbols).fill(NONE);
  }

  get(symbol: number): number {
    return symbol < this.#pair.length ? this.#pair[symbol]! : NONE;
  }

  set(symbol: number, pair: number): void {
    if (symbol >= this.#pair.length) {
      const before = this.#pair.length;
      this.#pair = grown(this.#pair, symbol + 1).fill(NONE, before);
    }
    this.#pair[symbol] = pair;
    this.#set.push(symbol);
  }

  clear(): void {
    for (const symbol of this.#set) this.#pair[symbol] = NONE;
    this.#set.length = 0;
  }
}

/** Pairs of the untouched corpus. */
function countPairs(symbols: Int32Array, pairs: PairTable, alphabet: number): void {
  const known = new Map<number, number>();
  const dense = alphabet <= 1024 ? new Int32Array(alphabet * alphabet).fill(NONE) : undefined;
  for (let place = 1; place + 1 < symbols.length; place++) {
    const left = symbols[place]!;
    const right = symbols[place + 1]!;
    if (left === BOUNDARY || right === BOUNDARY) continue;
    const key = left * alphabet + right;
    let pair = dense ? dense[key]! : (known.get(key) ?? NONE);
    if (pair === NONE) {
      pair = pairs.create(left, right);
      if (dense) dense[key] = pair;
      else known.set(key, pair);
    }
    pairs.add(pair, place);
  }
}

/**
 * Learns merges by repeatedly joining the most frequent adjacent pair (Sennrich et al., 2016, algorithm 1), with counts
 * kept up to date at the places that change. Every merge of a place removes a symbol, so all merges together touch
 * no more places than the corpus has symbols, whatever the length of a word: a word of a megabyte costs a megabyte.
 */
export function learnMerges(corpus: Corpus, options: LearnOptions): Merge[] {
  const { symbols, weights } = corpus.release();
  const pairs = new PairTable(weights);
  countPairs(symbols, pairs, options.symbols);
  const queue = new PairQueue(pairs);
  for (let pair = 0; pair < pairs.size; pair++) if (pairs.count[pair]! >= options.least) queue.push(pair);

  const span = new Int32Array(symbols.length).fill(1);
  const before = new Partners(options.symbols);
  const after = new Partners(options.symbols);
  const merges: Merge[] = [];

  for (;;) {
    const pair = queue.pop(options.least);
    if (pair === NONE) break;
    const left = pairs.left[pair]!;
    const right = pairs.right[pair]!;
    const id = options.join(left, right);
    if (id === undefined) break;
    merges.push({ left, right, id });

    const firstNew = pairs.size;
    const room = options.maxLength - options.lengthOf(id);
    for (let place = pairs.head[pair]!; place !== NONE; place = pairs.head[pair]!) {
      const second = place + span[place]!;
      const next = second + span[second]!;
      const hasPrevious = symbols[place - 1] !== BOUNDARY;
      const previous = hasPrevious ? place - span[place - 1]! : NONE;
      pairs.remove(place);
      pairs.remove(second);
      symbols[place] = id;
      span[place] = next - place;
      span[next - 1] = next - place;
      if (hasPrevious) {
        pairs.remove(previous);
        const other = symbols[previous]!;
        if (options.lengthOf(other) < room) {
          let created = before.get(other);
          if (created === NONE) before.set(other, (created = pairs.create(other, id)));
          pairs.add(created, previous);
        }
      }
      const other = symbols[next]!;
      if (other !== BOUNDARY && options.lengthOf(other) < room) {
        // Places come in order, so the symbol after this one is not the new one yet: that pair is found from the right.
        let created = after.get(other);
        if (created === NONE) after.set(other, (created = pairs.create(id, other)));
        pairs.add(created, place);
      }
    }
    for (let created = firstNew; created < pairs.size; created++) {
      if (pairs.count[created]! >= options.least) queue.push(created);
    }
    before.clear();
    after.clear();
  }
  return merges;
}
