/** Sparse rows (compressed sparse row): row `i` has the entries `start[i] … start[i + 1]`. */
export interface SparseMatrix {
  readonly rows: number;
  readonly columns: number;
  readonly start: Int32Array;
  readonly column: Int32Array;
  readonly value: Float64Array;
}

export interface TfidfOptions {
  /** Longest n-gram of words: 1 or 2. @defaultValue `2` */
  readonly maxNgram?: 1 | 2 | undefined;
  /** Terms of fewer texts are left out. @defaultValue `2` */
  readonly minDf?: number | undefined;
  /** `1 + ln(count)` instead of the count. @defaultValue `false` */
  readonly sublinearTf?: boolean | undefined;
}

/** Words of two and more letters, digits or underscores. */
const WORD = /[\p{L}\p{N}_]{2,}/gu;
/** A pair of words as one key: vocabularies have far fewer words. */
const PAIR = 2 ** 26;

/**
 * TF-IDF as scikit-learn's `TfidfVectorizer` defines it: `idf = ln((1 + n) / (1 + df)) + 1`, rows of Euclidean norm 1
 * (Salton and Buckley, 1988).
 */
export class TfidfVectorizer {
  readonly #words = new Map<string, number>();
  /** Term key → column. */
  readonly #columns = new Map<number, number>();
  readonly #options: Required<{ [K in keyof TfidfOptions]: NonNullable<TfidfOptions[K]> }>;
  #idf: Float64Array = new Float64Array(0);

  constructor({ maxNgram = 2, minDf = 2, sublinearTf = false }: TfidfOptions = {}) {
    this.#options = { maxNgram, minDf, sublinearTf };
  }

  /** Learns terms and their weights, and transforms the texts. */
  fitTransform(texts: readonly string[]): SparseMatrix {
    const documents = texts.map((text) => countTerms(this.#keys(text, true)));
    const frequency = new Map<number, number>();
    for (const { keys } of documents) for (const key of keys) frequency.set(key, (frequency.get(key) ?? 0) + 1);
    const idf: number[] = [];
    this.#columns.clear();
    for (const [key, df] of frequency) {
      if (df < this.#options.minDf) continue;
      this.#columns.set(key, idf.length);
      idf.push(Math.log((1 + texts.length) / (1 + df)) + 1);
    }
    this.#idf = Float64Array.from(idf);
    return this.#matrix(documents);
  }

  /** Rows of the learnt terms; others are ignored. */
  transform(texts: readonly string[]): SparseMatrix {
    return this.#matrix(texts.map((text) => countTerms(this.#keys(text, false))));
  }

  /** Learnt terms by column. */
  terms(): string[] {
    const names = [...this.#words.keys()];
    const terms: string[] = [];
    for (const [key, column] of this.#columns) {
      const second = key % PAIR;
      const words = key < PAIR ? [key] : [Math.floor(key / PAIR) - 1, second];
      terms[column] = words.map((word) => names[word]).join(' ');
    }
    return terms;
  }

  #keys(text: string, learn: boolean): Float64Array {
    const keys: number[] = [];
    let previous = -1;
    for (const word of text.toLowerCase().match(WORD) ?? []) {
      let id = this.#words.get(word) ?? -1;
      if (id < 0 && learn) {
        id = this.#words.size;
        this.#words.set(word, id);
      }
      if (id >= 0) {
        keys.push(id);
        if (previous >= 0 && this.#options.maxNgram === 2) keys.push((previous + 1) * PAIR + id);
      }
      previous = id;
    }
    return Float64Array.from(keys);
  }

  #matrix(documents: readonly TermCounts[]): SparseMatrix {
    const start = new Int32Array(documents.length + 1);
    const column: number[] = [];
    const value: number[] = [];
    documents.forEach(({ keys, counts }, row) => {
      let squares = 0;
      keys.forEach((key, i) => {
        const at = this.#columns.get(key);
        if (at === undefined) return;
        const count = counts[i] as number;
        const weight = (this.#options.sublinearTf ? 1 + Math.log(count) : count) * (this.#idf[at] as number);
        column.push(at);
        value.push(weight);
        squares += weight * weight;
      });
      const norm = Math.sqrt(squares);
      for (let i = start[row] as number; i < value.length; i++) value[i] = (value[i] as number) / norm;
      start[row + 1] = column.length;
    });
    return {
      rows: documents.length,
      columns: this.#idf.length,
      start,
      column: Int32Array.from(column),
      value: Float64Array.from(value),
    };
  }
}

/** Distinct terms of a text, rising, and how often each occurs. */
interface TermCounts {
  readonly keys: Float64Array;
  readonly counts: Float64Array;
}

function countTerms(all: Float64Array): TermCounts {
  all.sort();
  const keys = new Float64Array(all.length);
  const counts = new Float64Array(all.length);
  let n = -1;
  for (let i = 0; i < all.length; i++) {
    if (i === 0 || all[i] !== all[i - 1]) keys[++n] = all[i] as number;
    counts[n] = (counts[n] as number) + 1;
  }
  return { keys: keys.slice(0, n + 1), counts: counts.slice(0, n + 1) };
}
