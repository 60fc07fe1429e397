import { after } from '../after.ts';
import { gradients } from '../autodiff/gradients.ts';
import type { Value } from '../ir.ts';
import type { Ops } from '../ops/types.ts';

/** Something that an output layer has and that is trained. */
export interface TrainedFactor {
  readonly value: Value;
  /** The part of its gradient that the probabilities `p` of a chunk give, of `h` and the tokens' shares, times both. */
  ofProbabilities(p: Value, scaled: Value, share: Value): Value;
  /** The gradient, from the sum of those parts: takes off what the labels of all tokens give. */
  withoutLabels(sum: Value, tokens: { readonly ids: Value; readonly scaled: Value; readonly share: Value }): Value;
}

/** An output layer as a loss in chunks needs it. */
export interface LossLayer {
  /** `[..., features]`. */
  readonly hidden: Value;
  /** `[n, features]` to `[n, classes]`. */
  logits(h: Value): Value;
  /**
   * `[n, classes]` to `[n, features]`: the gradient of `logits(h)` with respect to `h`. The largest element of every row
   * of `e` is 1. @defaultValue by autodiff
   */
  readonly back?: ((e: Value) => Value) | undefined;
  /** Rows of the weight seen as `[classes, features]`. */
  rows(ids: Value): Value;
  readonly trained: readonly TrainedFactor[];
}

/** The tokens that a loss is over. */
export interface Tokens {
  /** Classes, int64, with as many elements as `hidden` has rows. */
  readonly labels: Value;
  /** How much each counts, of the same number of elements. */
  readonly weights: Value;
  /** Whether the hidden states can be trained. */
  readonly differentiable: boolean;
  readonly chunk: number;
}

/**
 * `Σ wᵢ · crossEntropy(logitsᵢ, labelᵢ) / Σ wᵢ`, without ever holding the logits of more than `chunk` tokens, neither in
 * the forward nor in the backward pass. 0 when nothing counts.
 *
 * The gradient of a softmax is known as soon as the softmax is, so each chunk yields its loss and its part of the
 * gradients in one go (as Hsu et al., "Liger Kernel", 2024, section 3.2, do), and the logits are computed once instead
 * of again in the backward pass. The loss can be differentiated once, not twice.
 */
export function lossInChunks(ops: Ops, layer: LossLayer, { labels, weights, differentiable, chunk }: Tokens): Value {
  const { flat, h, ids } = flattened(ops, layer, labels);
  const counts = ops.reshape(weights, [-1, 1]);
  const share = shareOf(ops, counts);
  const trained = layer.trained.map((factor) => ({ factor, sum: undefined as Value | undefined }));
  const losses: Value[] = [];
  const byHidden: Value[] = [];
  let previous: Value | undefined;
  for (const part of chunksOf(ops, ids.dims[0] as number, chunk)) {
    // One after the other: only then are the logits of one chunk alone in memory.
    const own = {
      h: previous ? after(ops, part(h), previous) : part(h),
      ids: part(ids),
      share: part(share),
    };
    const scores = lossesOf(ops, layer, own);
    const loss = ops.sum(ops.mul(scores.losses, ops.cast(own.share, scores.losses.dtype)));
    losses.push(loss);
    previous = loss;
    if (differentiable) {
      const gradient = hiddenGradient(ops, layer, { ...own, ...scores });
      byHidden.push(gradient);
      previous = after(ops, loss, gradient);
    }
    const normalized = ops.div(own.share, ops.cast(scores.total, own.share.dtype));
    for (const entry of trained) {
      const more = entry.factor.ofProbabilities(scores.exponentials, ops.mul(own.h, normalized), normalized);
      entry.sum = entry.sum ? ops.add(entry.sum, more) : more;
      previous = after(ops, previous, more);
    }
  }
  let loss = ops.stopGradient(losses.reduce((a, b) => ops.add(a, b)));
  for (const { factor, sum } of trained) {
    const gradient = factor.withoutLabels(sum as Value, { ids, scaled: ops.mul(h, share), share });
    loss = ops.withGradient(loss, factor.value, ops.stopGradient(gradient));
  }
  if (!differentiable) return loss;
  const gradient = byHidden.length > 1 ? ops.concat(byHidden, { axis: 0 }) : (byHidden[0] as Value);
  return ops.withGradient(loss, flat, ops.stopGradient(gradient));
}

/** For each token, `-ln p(label)` and whether the label is the most probable class, `[tokens]` of the logits' dtype. */
export function scoresInChunks(
  ops: Ops,
  layer: LossLayer,
  labels: Value,
  chunk: number,
): { readonly losses: Value; readonly hits: Value } {
  const { h, ids } = flattened(ops, layer, labels);
  const parts = chunksOf(ops, ids.dims[0] as number, chunk).map((part) => {
    const { logits, losses } = lossesOf(ops, layer, { h: part(h), ids: part(ids) });
    return { losses, hits: ops.cast(ops.equal(ops.argmax(logits), part(ids)), logits.dtype) };
  });
  const joined = (of: (part: (typeof parts)[number]) => Value): Value =>
    ops.reshape(
      parts.length > 1 ? ops.concat(parts.map(of), { axis: 0 }) : of(parts[0] as (typeof parts)[number]),
      [-1],
    );
  return { losses: joined((part) => part.losses), hits: joined((part) => part.hits) };
}

/** Rows of the hidden states, the same without their gradient, and labels as a vector. */
function flattened(ops: Ops, { hidden }: LossLayer, labels: Value): { flat: Value; h: Value; ids: Value } {
  const flat = ops.reshape(hidden, [-1, hidden.dims.at(-1) as number]);
  // What is differentiable is put together at the end.
  return { flat, h: ops.stopGradient(flat), ids: ops.reshape(labels, [-1]) };
}

/** Each token's part of the loss, `[tokens, 1]`. */
function shareOf(ops: Ops, counts: Value): Value {
  return ops.div(counts, ops.maximum(ops.sum(counts), 1e-30));
}

/** What takes a chunk's rows out of something of all tokens. */
function chunksOf(ops: Ops, tokens: number, chunk: number): ((x: Value) => Value)[] {
  if (chunk >= tokens) return [(x) => x];
  return Array.from({ length: Math.ceil(tokens / chunk) }, (_, i) => (x: Value) => {
    const start = i * chunk;
    return ops.slice(x, [{ axis: 0, start, end: Math.min(tokens, start + chunk) }]);
  });
}

interface Chunk {
  readonly h: Value;
  readonly ids: Value;
}

interface Scores {
  readonly logits: Value;
  /** The probabilities times `total`: dividing the results of products is a pass over far fewer elements. */
  readonly exponentials: Value;
  /** `[n, 1]`, at least 1. */
  readonly total: Value;
  /** `[n, 1]`. */
  readonly losses: Value;
}

function lossesOf(ops: Ops, layer: LossLayer, { h, ids }: Chunk): Scores {
  const last = { axes: [-1], keepdims: true };
  const logits = layer.logits(h);
  const shifted = ops.sub(logits, ops.max(logits, last));
  const exponentials = ops.exp(shifted);
  const total = ops.sum(exponentials, last);
  const target = ops.takeAlongAxis(shifted, ops.expandDims(ids, [1]), { axis: -1 });
  return { logits, exponentials, total, losses: ops.sub(ops.log(total), target) };
}

/** `(p − onehot) W · share`; the product with the one-hot part is a look-up of rows. */
function hiddenGradient(ops: Ops, layer: LossLayer, chunk: Chunk & Scores & { readonly share: Value }): Value {
  const { h, ids, share, logits, exponentials, total } = chunk;
  const dense =
    layer.back?.(exponentials) ?? (gradients(ops.graph, logits, [h], { seed: exponentials }).get(h) as Value);
  const mean = ops.div(dense, ops.cast(total, dense.dtype));
  return ops.mul(ops.sub(mean, ops.cast(layer.rows(ids), mean.dtype)), share);
}
