import { tensor, type Value } from '@anneal/graph';

import type { DecoderArchitecture, DecoderShape } from '../decoders.ts';
import { linear, rmsNorm } from './basic.ts';
import type { LayerContext } from './context.ts';
import { activation, parentOf } from './encoder.ts';

/** What a hidden position adds to its scores. Finite, so that a row of padding alone stays a number. */
const MASKED = -10_000;

/** Everything that the parts of one decoder share. */
export interface DecoderContext extends LayerContext {
  readonly architecture: DecoderArchitecture;
  readonly shape: DecoderShape;
}

/** What all layers use. */
export interface DecoderShared {
  /** Added to scores: `[batch, 1, 1, sequence, sequence]`, 0 or {@link MASKED}. */
  readonly mask: Value;
  /** The position that a sequence starts at, `[1]` of int64. */
  readonly start: Value;
  /** Cosines and sines by position, `[positions, head / 2]`. */
  readonly cosines: Value;
  readonly sines: Value;
}

/** The mask of padding and of what comes later, and the rotary tables. */
export function sharedInputs(ctx: DecoderContext, attentionMask: Value): DecoderShared {
  const { g, dtype, architecture } = ctx;
  const { ops } = g;
  return g.scope(parentOf(architecture.layers), () => {
    const visible = ops.cast(ops.expandDims(attentionMask, [1, 2, 3]), dtype);
    // A row for each query: a product with ones, which unlike an expansion keeps the names of dimensions.
    const ones = ops.cast(ops.greaterEqual(ops.expandDims(attentionMask, [1, 2, 4]), 0), dtype);
    const both = ops.tril(ops.mul(ones, visible));
    return { mask: ops.mul(ops.sub(1, both), MASKED), start: g.ints([0]), ...rotaryTables(ctx) };
  });
}

/** `cos` and `sin` of `position / theta^(2i / head)` (Su et al., 2021, equation 15). */
function rotaryTables({ g, dtype, shape }: DecoderContext): Pick<DecoderShared, 'cosines' | 'sines'> {
  const { maxPositionEmbeddings, headDim, ropeTheta } = shape;
  const half = headDim / 2;
  const table = (of: (angle: number) => number): Value => {
    const data = new (dtype === 'float64' ? Float64Array : Float32Array)(maxPositionEmbeddings * half);
    for (let i = 0; i < data.length; i++) data[i] = of(Math.floor(i / half) / ropeTheta ** ((i % half) / half));
    return g.constant(tensor(dtype, [maxPositionEmbeddings, half], data));
  };
  return { cosines: table(Math.cos), sines: table(Math.sin) };
}

/** One block: attention and MLP, each behind a normalisation and beside a residual connection. */
export function decoderLayer(ctx: DecoderContext, index: number, x: Value, shared: DecoderShared): Value {
  const { g, architecture, shape } = ctx;
  const path = `${architecture.layers}.${index}`;
  const { attention, mlp } = architecture;
  const residual = (input: Value, norm: string, branch: (normed: Value) => Value): Value => {
    const added = branch(rmsNorm(ctx, `${path}.${norm}`, input, shape.rmsNormEps));
    return g.scope(path, () => g.ops.add(input, added));
  };
  const attended = residual(x, attention.norm, (normed) => selfAttention(ctx, path, normed, shared));
  return residual(attended, mlp.norm, (normed) => feedForward(ctx, path, normed));
}

/** Causal attention by heads. Products broadcast over the queries that share a head of keys: nothing is repeated. */
function selfAttention(ctx: DecoderContext, layer: string, x: Value, shared: DecoderShared): Value {
  const { g, shape } = ctx;
  const { ops } = g;
  const names = ctx.architecture.attention;
  const { numAttentionHeads, numKeyValueHeads: groups, headDim: size, attentionBias: bias } = shape;
  const each = numAttentionHeads / groups;
  const [batch, sequence] = x.shape as [string | number, string | number];
  const project = (name: 'query' | 'key' | 'value', heads: number): Value =>
    linear(ctx, `${layer}.${names[name]}`, x, heads * size, { bias });
  const [q, k, v] = [project('query', numAttentionHeads), project('key', groups), project('value', groups)];
  const context = g.scope(parentOf(`${layer}.${names.query}`), () => {
    const rotate = (value: Value): Value =>
      g.one('RotaryEmbedding', [value, shared.start, shared.cosines, shared.sines], { domain: 'com.microsoft' });
    const byGroup = (value: Value, heads: number, perm: readonly number[]): Value =>
      ops.transpose(ops.reshape(value, [batch, sequence, groups, heads, size]), perm);
    // Scaled before the product: there are fewer elements than scores.
    const query = byGroup(ops.mul(rotate(q), 1 / Math.sqrt(size)), each, [0, 2, 3, 1, 4]);
    const scores = ops.matmul(query, byGroup(rotate(k), 1, [0, 2, 3, 4, 1]));
    const probabilities = ops.softmax(ops.add(scores, shared.mask));
    const mixed = ops.matmul(probabilities, byGroup(v, 1, [0, 2, 3, 1, 4]));
    const heads = ops.transpose(mixed, [0, 3, 1, 2, 4]);
    return ops.reshape(heads, [batch, sequence, numAttentionHeads * size]);
  });
  return linear(ctx, `${layer}.${names.output}`, context, shape.hiddenSize, { bias });
}

/** `down(act(gate(x)) · up(x))` (Shazeer, "GLU Variants Improve Transformer", 2020). */
function feedForward(ctx: DecoderContext, layer: string, x: Value): Value {
  const { g, shape } = ctx;
  const { mlp } = ctx.architecture;
  const options = { bias: shape.mlpBias };
  const gate = linear(ctx, `${layer}.${mlp.gate}`, x, shape.intermediateSize, options);
  const up = linear(ctx, `${layer}.${mlp.up}`, x, shape.intermediateSize, options);
  const active = g.scope(parentOf(`${layer}.${mlp.gate}`), () =>
    g.ops.mul(activation(g.ops, shape.hiddenAct, gate), up),
  );
  return linear(ctx, `${layer}.${mlp.down}`, active, shape.hiddenSize, options);
}
