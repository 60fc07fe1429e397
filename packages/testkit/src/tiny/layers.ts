import { type GraphBuilder, sizeOf, tensor, type Value } from '@anneal/graph';

import { seededRandom, seedOf } from '../seeded.ts';

/** A trainable weight; matrices are drawn from [-0.5, 0.5), biases are 0. */
export function weight(g: GraphBuilder, name: string, shape: readonly number[], transposed: boolean = false): Value {
  const next = seededRandom(seedOf(name));
  const data = Array.from({ length: sizeOf(shape) }, () => (shape.length > 1 ? next() - 0.5 : 0));
  return g.parameter(name, tensor('float32', shape, data), { trainable: true, transposed });
}

/** `x W + b`, named and laid out as in checkpoints of PyTorch. */
export function linear(g: GraphBuilder, path: string, x: Value, outDim: number): Value {
  const inDim = x.shape.at(-1) as number;
  return g.scope(path, () =>
    g.ops.add(g.ops.matmul(x, weight(g, `${path}.weight`, [inDim, outDim], true)), weight(g, `${path}.bias`, [outDim])),
  );
}

/** Rows of a table by token: `[batch, sequence, width]`. */
export function embedding(g: GraphBuilder, path: string, ids: Value, shape: readonly [number, number]): Value {
  return g.scope(path, () => g.ops.take(weight(g, `${path}.weight`, shape), ids));
}
