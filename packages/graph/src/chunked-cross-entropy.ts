import { after } from './after.ts';
import { GraphError } from './error.ts';
import type { Value } from './ir.ts';
import type { Ops } from './ops/types.ts';

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
 * `Σ wᵢ · crossEntropy(hᵢ Wᵀ, labelᵢ) / Σ wᵢ`, without ever holding the logits of more than `chunk` tokens, neither in
 * the forward nor in the backward pass.
 *
 * The gradient of a softmax is known as soon as the softmax is, so each chunk yields its loss and its part of the
 * gradients in one go (as Hsu et al., "Liger Kernel", 2024, section 3.2, do), and the logits are computed once instead
 * of again in the backward pass. The loss can be differentiated once, not twice.
 *
 * @param hidden `[..., features]`, static.
 * @param weight `[classes, features]`: the output layer, or the table of word embeddings that it is tied to.
 * @param labels int64, of the shape of `hidden` without its last axis; each must be a class, also where its weight is 0.
 * @param weights How much each token counts, of the shape of `labels` and the dtype of `hidden`; at least one is not 0.
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
  const { chunk = 256, products = denseProducts(ops, ops.stopGradient(weight)) } = options;
  const gradients = options.gradients ?? 'both';
  const features = hidden.dims.at(-1) as number;
  check(hidden, weight, labels, weights, chunk);
  const tokens = labels.dims.reduce((a, b) => a * b, 1);
  const flat = ops.reshape(hidden, [tokens, features]);
  // Values alone: what is differentiable is put together at the end.
  const h = ops.stopGradient(flat);
  const ids = ops.reshape(labels, [tokens]);
  const counts = ops.reshape(weights, [tokens, 1]);
  const share = ops.div(counts, ops.sum(counts));

  const losses: Value[] = [];
  const byHidden: Value[] = [];
  let byWeight: Value | undefined;
  let previous: Value | undefined;
  for (let start = 0; start < tokens; start += chunk) {
    const part = (x: Value): Value =>
      chunk >= tokens ? x : ops.slice(x, [{ axis: 0, start, end: Math.min(tokens, start + chunk) }]);
    // One after the other: only then are the logits of one chunk alone in memory.
    const rows = previous ? after(ops, part(h), previous) : part(h);
    const result = chunkOf(ops, { h: rows, ids: part(ids), share: part(share), products }, gradients);
    losses.push(result.loss);
    previous = result.byHidden ? ops.add(ops.sum(result.byHidden), result.loss) : result.loss;
    if (result.byHidden) byHidden.push(result.byHidden);
    if (result.byWeight) byWeight = byWeight ? ops.add(byWeight, result.byWeight) : result.byWeight;
  }
  const loss = losses.reduce((a, b) => ops.add(a, b));
  // Zero in value: `x · ∂` has the gradient ∂ with respect to x.
  const carried: Value[] = [];
  if (byHidden.length > 0)
    carried.push(carry(ops, flat, byHidden.length > 1 ? ops.concat(byHidden, { axis: 0 }) : (byHidden[0] as Value)));
  if (byWeight) carried.push(carry(ops, weight, byWeight));
  return carried.reduce((sum, zero) => ops.add(sum, zero), ops.stopGradient(loss));
}

interface Chunk {
  readonly h: Value;
  readonly ids: Value;
  /** The tokens' parts of the loss, `[n, 1]`. */
  readonly share: Value;
  readonly products: HeadProducts;
}

interface ChunkResult {
  readonly loss: Value;
  readonly byHidden?: Value | undefined;
  readonly byWeight?: Value | undefined;
}

function chunkOf(
  ops: Ops,
  { h, ids, share, products }: Chunk,
  gradients: NonNullable<ChunkedCrossEntropyOptions['gradients']>,
): ChunkResult {
  const last = { axes: [-1], keepdims: true };
  const logits = products.logits(h);
  const shifted = ops.sub(logits, ops.max(logits, last));
  // The probabilities times `total`: dividing the results of products is a pass over far fewer elements.
  const exponentials = ops.exp(shifted);
  const total = ops.sum(exponentials, last);
  const target = ops.takeAlongAxis(shifted, ops.expandDims(ids, [1]), { axis: -1 });
  const loss = ops.sum(ops.mul(ops.sub(ops.log(total), target), share));
  // d loss / d logits is `share · (p − onehot)`; the one-hot part of a product with it is a look-up, or its reverse.
  const byHidden =
    gradients === 'none'
      ? undefined
      : ops.mul(ops.sub(ops.div(products.back(exponentials), total), products.rows(ids)), share);
  if (gradients !== 'both') return { loss, byHidden };
  const scaled = ops.mul(h, share);
  const product = ops.matmul(exponentials, ops.div(scaled, total), { transposeA: true });
  const rows = ops.broadcastTo(ops.expandDims(ids, [1]), h.dims);
  return { loss, byHidden, byWeight: ops.scatterAdd(product, rows, ops.neg(scaled), { axis: 0 }) };
}

/** A scalar zero whose gradient with respect to `x` is `gradient`. */
function carry(ops: Ops, x: Value, gradient: Value): Value {
  const product = ops.sum(ops.mul(x, ops.stopGradient(gradient)));
  return ops.sub(product, ops.stopGradient(product));
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
