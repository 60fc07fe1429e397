import { attr, type Dim, type Shape } from '../ir.ts';
import { axisOf, type InferRule, required } from './types.ts';

/** Normalisations: the result, then per-row statistics of the normalised axes (kept as size 1). */
function normalization(statistics: number): InferRule {
  return (ctx) => {
    const x = required(ctx, 0);
    const axis = axisOf(ctx, attr.int(ctx, 'axis', -1), x.rank);
    const rows: Shape = x.shape.map((dim, i): Dim => (i < axis ? dim : 1));
    return [
      { dtype: x.dtype, shape: x.shape },
      ...Array.from({ length: statistics }, () => ({ dtype: 'float32' as const, shape: rows })),
    ];
  };
}

const batchNormalization: InferRule = (ctx) => {
  const x = required(ctx, 0);
  const mean = required(ctx, 3);
  return [x, mean, mean].map(({ dtype, shape }) => ({ dtype, shape }));
};

const rotary: InferRule = (ctx) => [{ dtype: required(ctx, 0).dtype, shape: required(ctx, 0).shape }];

export const nn: Record<
  | 'LayerNormalization'
  | 'RMSNormalization'
  | 'SimplifiedLayerNormalization'
  | 'BatchNormalization'
  | 'RotaryEmbedding'
  | 'com.microsoft.RotaryEmbedding',
  InferRule
> = {
  LayerNormalization: normalization(2),
  RMSNormalization: normalization(0),
  SimplifiedLayerNormalization: normalization(1),
  BatchNormalization: batchNormalization,
  RotaryEmbedding: rotary,
  'com.microsoft.RotaryEmbedding': rotary,
};
