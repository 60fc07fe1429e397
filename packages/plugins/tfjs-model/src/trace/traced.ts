import type { Dim, DType, GraphBuilder, Shape, Value } from '@anneal/graph';

/** Axis orders of a tensor with channels: TensorFlow's has them last, ONNX's first. */
type Order = 'last' | 'first';

/** How axes move when channels that are last become the first after the batch. */
export function toFirst(rank: number): readonly number[] {
  return [0, rank - 1, ...Array.from({ length: rank - 2 }, (_, i) => i + 1)];
}

function toLast(rank: number): readonly number[] {
  return [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1];
}

/**
 * A tensor on its way into a graph. Its axes are those of TensorFlow; the same tensor with its channels first is made
 * where a convolution wants it. What is computed in one order stays in it until somebody needs the other, so that
 * transpositions between convolutions never come into being: those that nobody uses are not part of the graph.
 */
export class Traced {
  readonly #g: GraphBuilder;
  #last: Value | undefined;
  #first: Value | undefined;
  /** Which steps of a sequence count, bool `[batch, time]`; Keras hands it from layer to layer. */
  readonly mask: Value | undefined;

  private constructor(g: GraphBuilder, order: Order, value: Value, mask?: Value) {
    this.#g = g;
    this.mask = mask;
    if (order === 'last') this.#last = value;
    else this.#first = value;
  }

  /** A tensor in TensorFlow's order. */
  static last(g: GraphBuilder, value: Value, mask?: Value): Traced {
    return new Traced(g, 'last', value, mask);
  }

  /** A tensor with its channels first. */
  static first(g: GraphBuilder, value: Value): Traced {
    return new Traced(g, 'first', value);
  }

  /** The same with another mask. */
  withMask(mask: Value | undefined): Traced {
    const copy = new Traced(this.#g, 'last', (this.#last ?? this.#first) as Value, mask);
    copy.#last = this.#last;
    copy.#first = this.#first;
    return copy;
  }

  get last(): Value {
    return (this.#last ??= this.#g.ops.transpose(this.#first as Value, toLast(this.rank)));
  }

  get first(): Value {
    if (this.rank < 3) return this.last;
    return (this.#first ??= this.#g.ops.transpose(this.#last as Value, toFirst(this.rank)));
  }

  /** Whether it was computed with its channels first. */
  get isFirst(): boolean {
    return this.#last === undefined;
  }

  get dtype(): DType {
    return ((this.#last ?? this.#first) as Value).dtype;
  }

  get rank(): number {
    return ((this.#last ?? this.#first) as Value).rank;
  }

  /** In TensorFlow's order. */
  get shape(): Shape {
    if (this.#last !== undefined) return this.#last.shape;
    const shape = (this.#first as Value).shape;
    return toLast(shape.length).map((axis) => shape[axis] as Dim);
  }

  /** `fn` of the tensor, in the order in which it is: for what looks at each element alone. */
  map(fn: (x: Value) => Value): Traced {
    if (this.isFirst) return new Traced(this.#g, 'first', fn(this.first), this.mask);
    return new Traced(this.#g, 'last', fn(this.last), this.mask);
  }
}

/**
 * `fn` of tensors that broadcast. Where one was computed with its channels first and the others can follow, so is the
 * result.
 */
export function pointwise(g: GraphBuilder, inputs: readonly Traced[], fn: (values: readonly Value[]) => Value): Traced {
  const rank = Math.max(...inputs.map((input) => input.rank));
  const mask = inputs.find((input) => input.mask !== undefined)?.mask;
  if (!inputs.some((input) => input.isFirst && input.rank === rank)) {
    return Traced.last(g, fn(inputs.map(({ last }) => last)), mask);
  }
  return Traced.first(g, fn(inputs.map((input) => firstOfRank(g, input, rank)))).withMask(mask);
}

/** The tensor with its channels first, and as many axes as it broadcasts to: `[c]` is `[c, 1, 1]`. */
function firstOfRank(g: GraphBuilder, input: Traced, rank: number): Value {
  if (input.rank === rank) return input.first;
  if (input.rank === 0) return input.last;
  if (input.rank === 1) {
    return g.ops.expandDims(
      input.last,
      Array.from({ length: rank - 2 }, (_, i) => i + 1),
    );
  }
  const missing = Array.from({ length: rank - input.rank }, (_, i) => i);
  return g.ops.transpose(g.ops.expandDims(input.last, missing), toFirst(rank));
}
