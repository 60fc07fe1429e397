import type { GraphBuilder } from '../../builder.ts';
import type { Dim, Value } from '../../ir.ts';
import { tensor } from '../../tensor.ts';

/** What attention is computed from. Queries `[batch, heads, length, size]`; keys and values may have fewer heads. */
export interface Attended {
  readonly q: Value;
  readonly k: Value;
  readonly v: Value;
  readonly scale: number;
  /** Added to the scores; broadcast to `[batch, heads, length, keys]`. */
  readonly biases: readonly Value[];
  /** Which keys a query sees, bool; broadcast likewise. */
  readonly masks: readonly Value[];
  /** Squeezes scores into ±softcap when it is not 0. */
  readonly softcap?: number | undefined;
}

/** Scores of what a query must not see: far enough for a weight of exactly 0, and finite, so that no row is NaN. */
const HIDDEN: Readonly<Record<string, number>> = { float16: -6e4 };

/** Scaled dot-product attention (Vaswani et al., 2017) of operators that have gradients. */
export function attend(g: GraphBuilder, { q, k, v, scale, biases, masks, softcap = 0 }: Attended): Value {
  const { ops } = g;
  const heads = q.shape[1] as Dim;
  let scores = ops.matmul(q, repeated(g, k, heads), { transposeB: true, alpha: scale });
  if (softcap !== 0) scores = ops.mul(ops.tanh(ops.div(scores, softcap)), softcap);
  for (const bias of biases) scores = ops.add(scores, bias);
  for (const mask of masks) scores = ops.where(mask, scores, HIDDEN[q.dtype] ?? -1e30);
  return ops.matmul(ops.softmax(scores), repeated(g, v, heads));
}

/** Each head of `x` as often as groups of query heads share it. */
function repeated(g: GraphBuilder, x: Value, heads: Dim): Value {
  const [batch, own, length, size] = x.shape as [Dim, Dim, Dim, Dim];
  if (own === heads || typeof own !== 'number' || typeof heads !== 'number') return x;
  const { ops } = g;
  const spread = ops.broadcastTo(ops.expandDims(x, [2]), [batch, own, heads / own, length, size]);
  return ops.reshape(spread, [batch, heads, length, size]);
}

/** `[batch, length, heads · size]` as `[batch, heads, length, size]`. */
export function splitHeads(g: GraphBuilder, x: Value, heads: number): Value {
  const [batch, length, width] = x.shape as [Dim, Dim, number];
  return g.ops.transpose(g.ops.reshape(x, [batch, length, heads, width / heads]), [0, 2, 1, 3]);
}

/** The reverse of {@link splitHeads}. */
export function joinHeads(g: GraphBuilder, x: Value): Value {
  const [batch, heads, length, size] = x.shape as [Dim, number, Dim, number];
  return g.ops.reshape(g.ops.transpose(x, [0, 2, 1, 3]), [batch, length, heads * size]);
}

/**
 * Which of `keys` keys each of `length` queries sees: itself, those before it, and of these at most `window`. The first
 * query is at position `start`. A constant `[1, 1, length, keys]`.
 */
export function causalMask(g: GraphBuilder, length: number, keys: number, start: number, window: number = keys): Value {
  const data = Array.from({ length: length * keys }, (_, i) => {
    const [at, key] = [start + Math.floor(i / keys), i % keys];
    return key <= at && key > at - window;
  });
  return g.constant(tensor('bool', [1, 1, length, keys], data));
}

/** Past and present keys or values: `[batch, heads, past + length, size]`. */
export function appended(g: GraphBuilder, past: Value | undefined, now: Value): Value {
  return past === undefined || past.shape[2] === 0 ? now : g.ops.concat([past, now], { axis: 2 });
}

/** Static sizes of a value, or `undefined`. */
export function sizesOf(value: Value): readonly number[] | undefined {
  return value.shape.every((dim) => typeof dim === 'number') ? value.dims : undefined;
}
