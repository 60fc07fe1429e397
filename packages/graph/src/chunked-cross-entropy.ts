import { GraphError } from './error.ts';
import type { Value } from './ir.ts';
import { lossInChunks } from './loss/chunked.ts';
import { weightFactor } from './loss/factors.ts';
import type { Ops } from './ops/types.ts';

/** How {@link chunkedCrossEntropy} goes about it. */
export interface ChunkedCrossEntropyOptions {
  /** Tokens whose logits exist at a time. @defaultValue `256` */
  readonly chunk?: number | undefined;
  /**
   * What can be differentiated: both factors, the hidden states alone (a frozen output layer, which saves a product as
   * large as the logits), or nothing (evaluation). @defaultValue `'both'`
   */
  readonly gradients?: 'both' | 'hidden' | 'none' | undefined;
  /** How to multiply with the weight, when not as float matrices: a frozen output layer in int8. */
  readonly products?: HeadProducts | undefined;
}

/** The two products with an output layer of `[classes, features]`. */
export interface HeadProducts {
  /** `h Wᵀ`: `[n, features]` to `[n, classes]`. */
  logits(h: Value): Value;
  /** `e W`: `[n, classes]` to `[n, features]`. The largest element of every row is 1. */
  back(e: Value): Value;
  /** Rows of W. */
  rows(ids: Value): Value;
}

function denseProducts(ops: Ops, table: Value): HeadProducts {
  return {
    logits: (h) => ops.matmul(h, table, { transposeB: true }),
    back: (e) => ops.matmul(e, table),
    rows: (ids) => ops.take(table, ids),
  };
}

/**
 * `Σ wᵢ · crossEntropy(hᵢ Wᵀ, labelᵢ) / Σ wᵢ` in chunks, from hidden states and the output layer's weight themselves; see
 * `crossEntropy`, which finds both from logits.
 *
 * @param hidden `[..., features]`, static.
 * @param weight `[classes, features]`: the output layer, or the table of word embeddings that it is tied to.
 * @param labels int64, of the shape of `hidden` without its last axis; each must be a class, also where its weight is 0.
 * @param weights How much each token counts, of the shape of `labels` and the dtype of `hidden`.
 * @returns A scalar.
 * @throws GraphError `ANNEAL_E_SHAPE` when shapes do not fit or `chunk` is no positive integer.
 */
export function chunkedCrossEntropy(
  ops: Ops,
  hidden: Value,
  weight: Value,
  labels: Value,
  weights: Value,
  options: ChunkedCrossEntropyOptions = {},
): Value {
  const { chunk = 256, gradients = 'both', products = denseProducts(ops, ops.stopGradient(weight)) } = options;
  check(hidden, weight, labels, weights, chunk);
  const trained = gradients === 'both' ? [weightFactor(ops, weight, true)] : [];
  return lossInChunks(
    ops,
    { hidden, ...products, trained },
    { labels, weights, differentiable: gradients !== 'none', chunk },
  );
}

function check(hidden: Value, weight: Value, labels: Value, weights: Value, chunk: number): void {
  const fail = (message: string): GraphError => new GraphError('ANNEAL_E_SHAPE', `chunkedCrossEntropy: ${message}`);
  const shown = (value: Value): string => `[${value.shape.join(', ')}]`;
  if (!Number.isInteger(chunk) || chunk < 1)
    throw fail(`\`chunk\` must be an integer of at least 1, received ${chunk}`);
  if (hidden.rank < 1 || weight.rank !== 2 || weight.dims[1] !== hidden.dims.at(-1)) {
    throw fail(`hidden ${shown(hidden)} does not fit the weight ${shown(weight)}, which must be [classes, features]`);
  }
  const wanted = hidden.dims.slice(0, -1).join();
  for (const [name, value] of Object.entries({ labels, weights })) {
    if (value.dims.join() === wanted) continue;
    throw fail(`hidden ${shown(hidden)} needs ${name} of [${wanted}], received ${shown(value)}`);
  }
}
