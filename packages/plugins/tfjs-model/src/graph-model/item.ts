import type { Dim, GraphError, TensorData, Value } from '@anneal/graph';

import type { Traced } from '../trace/traced.ts';

/**
 * Ids of pieces of text, as the graph takes them in place of the text: `[batch, sequence]`, -1 where there is none. What
 * becomes of a text before it is an id (splitting, n-grams, hashing) happens outside of the graph.
 */
export interface Ids {
  readonly value: Value;
  /** Number of ids. */
  readonly buckets: number;
  /** How often each id occurs, float32 `[batch, buckets]`; made once. */
  counts?: Value;
}

/** What a node gives of a text that is no tensor of the graph. */
export interface Text {
  /** The node that gave the text; what was taken from it has the same. */
  readonly origin?: string | undefined;
  /** Sizes, where they are known. */
  readonly dims?: readonly Dim[] | undefined;
  /** Texts that the file has: class names. */
  readonly strings?: readonly string[] | undefined;
  /** Ids that the text became. */
  readonly ids?: Ids | undefined;
  /** A condition: the rows of these ids that have none. */
  readonly emptyOf?: Ids | undefined;
}

interface Parts {
  readonly make?: (() => Traced) | undefined;
  readonly contents?: readonly Dim[] | undefined;
  readonly weight?: TensorData | undefined;
  readonly text?: Text | undefined;
  readonly sumOf?: Ids | undefined;
  readonly isZeros?: boolean | undefined;
}

/** One output of a node: a tensor that becomes part of the graph when it is needed, or something about text. */
export class Item {
  /** Elements of a vector or scalar of integers, as far as they follow from shapes: numbers, or names of sizes. */
  readonly contents: readonly Dim[] | undefined;
  /** The tensor itself, where the file has it. */
  readonly weight: TensorData | undefined;
  /** What is known of it as text. */
  readonly text: Text | undefined;
  /** Rows of zeros where these ids have none. */
  readonly sumOf: Ids | undefined;
  /** Whether all elements are 0. */
  readonly isZeros: boolean;
  #make: (() => Traced) | undefined;
  #traced: Traced | undefined;

  constructor(parts: Parts) {
    this.contents = parts.contents;
    this.weight = parts.weight;
    this.text = parts.text;
    this.sumOf = parts.sumOf;
    this.isZeros = parts.isZeros ?? false;
    this.#make = parts.make;
  }

  /** Of a tensor. */
  static of(traced: Traced, parts: Omit<Parts, 'make'> = {}): Item {
    return new Item({ ...parts, make: () => traced });
  }

  /** Of a text. */
  static text(text: Text = {}): Item {
    return new Item({ text });
  }

  /** The tensor; `missing` says what to tell where there is none. */
  traced(missing: () => GraphError): Traced {
    if (this.#traced === undefined) {
      if (this.#make === undefined) throw missing();
      this.#traced = this.#make();
      this.#make = undefined;
    }
    return this.#traced;
  }
}
