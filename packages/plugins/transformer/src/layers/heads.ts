import type { Value } from '@anneal/graph';

import { linear } from './basic.ts';
import { activation, type EncoderContext } from './encoder.ts';

/** How the vectors of a sequence become one. */
export type Pooling = 'cls' | 'mean';

const POOL: Readonly<Record<Pooling, (ctx: EncoderContext, hidden: Value, attentionMask: Value) => Value>> = {
  /** The first token's vector. */
  cls: ({ g }, hidden) => g.ops.take(hidden, g.scalar(0, 'int64'), { axis: 1 }),
  /** The mean over tokens that are not padding, as a product with the mask: `[batch, 1, seq] · [batch, seq, hidden]`. */
  mean: ({ g, dtype }, hidden, attentionMask) => {
    const { ops } = g;
    const mask = ops.cast(attentionMask, dtype);
    // A row of padding alone has no tokens; its mean is 0.
    const count = ops.maximum(ops.sum(mask, { axes: [1], keepdims: true }), 1);
    const weights = ops.expandDims(ops.div(mask, count), [1]);
    return ops.squeeze(ops.matmul(weights, hidden), [1]);
  },
};

/** Pooled, through a linear layer and an activation, to one number per class: `[batch, classes]`. */
export function classify(
  ctx: EncoderContext,
  hidden: Value,
  attentionMask: Value,
  options: { pooling: Pooling; labels: number },
): Value {
  const { ops } = ctx.g;
  const { pooler, classifier } = ctx.architecture;
  const vector = ctx.g.scope(pooler.path, () => POOL[options.pooling](ctx, hidden, attentionMask));
  const dense = linear(ctx, pooler.path, vector, ctx.shape.hiddenSize);
  const pooled = ctx.g.scope(pooler.path, () => activation(ops, pooler.activation, dense));
  const dropped = ctx.g.scope(classifier, () => ops.dropout(pooled, { rate: ctx.shape.classifierDropout }));
  return linear(ctx, classifier, dropped, options.labels);
}
