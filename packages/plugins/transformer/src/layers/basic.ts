import type { Ops, Value } from '@anneal/graph';

import type { LayerContext, WeightSpec } from './context.ts';

function weight(ctx: LayerContext, spec: WeightSpec): Value {
  return ctx.g.parameter(spec.name, ctx.weights(spec), { trainable: true, transposed: spec.transposed });
}

/** `x · W + b`, with `W` `[in, out]`. A product and an addition, which is what adapters and quantizers look for. */
export function linear(
  ctx: LayerContext,
  path: string,
  x: Value,
  outFeatures: number,
  { bias = true }: { readonly bias?: boolean | undefined } = {},
): Value {
  const inFeatures = x.shape[x.rank - 1] as number;
  const w: WeightSpec = { name: `${path}.weight`, shape: [inFeatures, outFeatures], transposed: true, init: 'normal' };
  const b: WeightSpec = { name: `${path}.bias`, shape: [outFeatures], transposed: false, init: 'zeros' };
  const { ops } = ctx.g;
  return ctx.g.scope(path, () => {
    const y = ops.matmul(x, weight(ctx, w));
    return bias ? ops.add(y, weight(ctx, b)) : y;
  });
}

/** Over the last axis (Ba et al., 2016). */
export function layerNorm(ctx: LayerContext, path: string, x: Value, epsilon: number): Value {
  const shape = [x.shape[x.rank - 1] as number];
  const scale = weight(ctx, { name: `${path}.weight`, shape, transposed: false, init: 'ones' });
  const bias = weight(ctx, { name: `${path}.bias`, shape, transposed: false, init: 'zeros' });
  return ctx.g.scope(path, () => ctx.g.ops.layerNorm(x, scale, bias, { epsilon }));
}

/** Over the last axis (Zhang & Sennrich, 2019). */
export function rmsNorm(ctx: LayerContext, path: string, x: Value, epsilon: number): Value {
  const shape = [x.shape[x.rank - 1] as number];
  const scale = weight(ctx, { name: `${path}.weight`, shape, transposed: false, init: 'ones' });
  return ctx.g.scope(path, () => ctx.g.ops.rmsNorm(x, scale, { epsilon }));
}

/** A table of `count` vectors. */
export function embeddingTable(ctx: LayerContext, path: string, count: number, width: number): Value {
  return weight(ctx, { name: `${path}.weight`, shape: [count, width], transposed: false, init: 'normal' });
}

/** Activations by their Hugging Face names. */
export const ACTIVATIONS: Readonly<Record<string, (ops: Ops, x: Value) => Value>> = {
  gelu: (ops, x) => ops.gelu(x),
  gelu_new: (ops, x) => ops.gelu(x, { approximate: 'tanh' }),
  gelu_pytorch_tanh: (ops, x) => ops.gelu(x, { approximate: 'tanh' }),
  quick_gelu: (ops, x) => ops.quickGelu(x),
  relu: (ops, x) => ops.relu(x),
  silu: (ops, x) => ops.silu(x),
  swish: (ops, x) => ops.silu(x),
  tanh: (ops, x) => ops.tanh(x),
};
