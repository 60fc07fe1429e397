import { GraphError } from '../error.ts';
import type { Value } from '../ir.ts';
import type { Ops } from '../ops/types.ts';
import { lossInChunks, scoresInChunks } from './chunked.ts';
import { outputLayerOf } from './output-layer.ts';

/** How {@link crossEntropy} goes about it. */
export interface CrossEntropyOptions {
  /** How much each token counts, of the shape of `labels`. @defaultValue `1` */
  readonly weights?: Value | undefined;
  /** A label that does not count, as Hugging Face and PyTorch have it. @defaultValue `-100` */
  readonly ignoreIndex?: number | undefined;
  /** Tokens whose logits exist at a time. @defaultValue `256` */
  readonly chunk?: number | undefined;
}

/**
 * `Σ wᵢ · -ln softmax(logitsᵢ)[labelᵢ] / Σ wᵢ`; 0 when nothing counts.
 *
 * Where `logits` come from a product with a weight matrix and shapes are static, it is that product which is done again
 * in chunks of tokens, together with its part of the backward pass: `logits` themselves are then not needed, and are not
 * in the built graph when nothing else uses them. What can be trained is found out as well: a parameter that is not
 * `trainable` gets no gradient. Such a loss can be differentiated once, not twice.
 *
 * @param logits `[..., classes]`.
 * @param labels Integers, of the shape of `logits` without its last axis: a class, or `ignoreIndex`.
 * @throws GraphError `ANNEAL_E_SHAPE` when shapes do not fit or `chunk` is no positive integer.
 */
export function crossEntropy(ops: Ops, logits: Value, labels: Value, options: CrossEntropyOptions = {}): Value {
  const { chunk = 256, weights } = options;
  check(logits, { labels, weights }, chunk);
  const { ids, counted } = counting(ops, labels, options, logits);
  const layer = isStatic(labels) ? outputLayerOf(ops.graph, logits) : undefined;
  if (layer !== undefined) {
    const counts = ops.cast(counted, layer.hidden.dtype);
    return lossInChunks(ops, layer, { labels: ids, weights: counts, differentiable: true, chunk });
  }
  const { losses } = wholeScores(ops, logits, ids);
  return ops.div(ops.sum(ops.mul(losses, counted)), ops.maximum(ops.sum(counted), 1e-30));
}

/** What a model says of labels. */
export interface LabelScores {
  /** `-ln softmax(logits)[label]`, of the shape of the labels; 0 for labels that do not count. */
  readonly losses: Value;
  /** 1 where the label is the most probable class, 0 elsewhere. */
  readonly hits: Value;
}

/**
 * The loss of each label and whether it was predicted, for evaluation: no gradients. In chunks under the same conditions
 * as {@link crossEntropy}, so that what comes back is as large as the labels and not as the logits.
 *
 * @throws GraphError `ANNEAL_E_SHAPE` when shapes do not fit or `chunk` is no positive integer.
 */
export function labelScores(
  ops: Ops,
  logits: Value,
  labels: Value,
  options: Omit<CrossEntropyOptions, 'weights'> = {},
): LabelScores {
  const { chunk = 256 } = options;
  check(logits, { labels }, chunk);
  const { ids, counted } = counting(ops, labels, options, logits);
  const layer = isStatic(labels) ? outputLayerOf(ops.graph, logits) : undefined;
  const { losses, hits } = layer ? scoresInChunks(ops, layer, ids, chunk) : wholeScores(ops, logits, ids);
  const shaped = (x: Value): Value => ops.mul(ops.reshape(x, labels.shape), counted);
  return { losses: shaped(losses), hits: shaped(hits) };
}

function wholeScores(ops: Ops, logits: Value, ids: Value): LabelScores {
  const at = ops.expandDims(ids, [-1]);
  const losses = ops.neg(ops.squeeze(ops.takeAlongAxis(ops.logSoftmax(logits), at, { axis: -1 }), [-1]));
  return { losses, hits: ops.cast(ops.equal(ops.argmax(logits), ids), logits.dtype) };
}

/** Labels that are all classes, and how much each counts. */
function counting(
  ops: Ops,
  labels: Value,
  { weights, ignoreIndex = -100 }: CrossEntropyOptions,
  { dtype }: Value,
): { ids: Value; counted: Value } {
  const ignored = ops.equal(labels, ignoreIndex);
  const kept = ops.cast(ops.logicalNot(ignored), dtype);
  return {
    ids: ops.cast(ops.where(ignored, 0, labels), 'int64'),
    counted: weights === undefined ? kept : ops.mul(kept, ops.cast(weights, dtype)),
  };
}

function isStatic({ shape }: Value): boolean {
  return shape.every((dim) => typeof dim === 'number');
}

function check(logits: Value, others: Readonly<Record<string, Value | undefined>>, chunk: number): void {
  const fail = (message: string): GraphError => new GraphError('ANNEAL_E_SHAPE', `crossEntropy: ${message}`);
  const wanted = logits.shape.slice(0, -1);
  if (logits.rank < 1) throw fail('logits need an axis of classes, received a scalar');
  if (!Number.isInteger(chunk) || chunk < 1)
    throw fail(`\`chunk\` must be an integer of at least 1, received ${chunk}`);
  for (const [name, value] of Object.entries(others)) {
    if (value === undefined || value.shape.join() === wanted.join()) continue;
    throw fail(
      `logits [${logits.shape.join(', ')}] need ${name} of [${wanted.join(', ')}], received [${value.shape.join(', ')}]`,
    );
  }
}
