import type { Dim, Shape } from '../../ir.ts';

/**
 * Symbolic dimensions of a file. Those of inputs keep their names; the others, made up by whatever wrote the file, are
 * matched with those that inference makes up now, so that equal ones stay equal and different ones different.
 */
export class Symbols {
  readonly #names = new Map<string, Dim>();
  #count = 0;

  /** Names that the inputs use. */
  readonly #reserved = new Set<string>();

  reserve(symbol: string): void {
    this.#reserved.add(symbol);
  }

  /** A symbol for a dimension that has no name. */
  fresh(): string {
    for (;;) {
      const symbol = `unknown_${this.#count++}`;
      if (!this.#reserved.has(symbol)) return symbol;
    }
  }

  /** Learns what the file's symbols are here, from a value whose shape is known. */
  match(declared: Shape, actual: Shape): void {
    if (declared.length !== actual.length) return;
    declared.forEach((dim, i) => {
      if (typeof dim === 'string' && !this.#names.has(dim)) this.#names.set(dim, actual[i] as Dim);
    });
  }

  /** A shape of the file in the symbols used here. */
  translate(declared: Shape): Shape {
    return declared.map((dim) => {
      if (typeof dim === 'number') return dim;
      const known = this.#names.get(dim);
      if (known !== undefined) return known;
      const symbol = this.fresh();
      this.#names.set(dim, symbol);
      return symbol;
    });
  }
}
