import type { Ops, Value } from '@anneal/graph';

import type { Architecture, TransformerShape } from '../architectures.ts';
import { ACTIVATIONS, embeddingTable, layerNorm, linear } from './basic.ts';
import type { LayerContext } from './context.ts';

/** What a padding position adds to its scores. Finite, so that a row of padding alone stays a number. */
const MASKED = -10_000;

/** Everything that the parts of one model share. */
export interface EncoderContext extends LayerContext {
  readonly architecture: Architecture;
  readonly shape: TransformerShape;
}

/** Model inputs, `[batch, sequence]` of int64. */
export interface EncoderInputs {
  readonly inputIds: Value;
  readonly attentionMask: Value;
  readonly tokenTypeIds: Value | undefined;
}

/** Sum of word, position and segment embeddings, normalised: `[batch, sequence, hidden]`. */
export function embed(ctx: EncoderContext, { inputIds, tokenTypeIds }: EncoderInputs): Value {
  const { g, shape, architecture } = ctx;
  const { ops } = g;
  const { word, position, tokenType, norm } = architecture.embeddings;
  const width = shape.hiddenSize;
  const words = embeddingTable(ctx, word, shape.vocabSize, width);
  const positions = embeddingTable(ctx, position, shape.maxPositionEmbeddings, width);
  let x = g.scope(word, () => ops.take(words, inputIds));
  if (tokenType !== undefined && tokenTypeIds !== undefined) {
    const types = embeddingTable(ctx, tokenType, shape.typeVocabSize, width);
    x = g.scope(tokenType, () => ops.add(x, ops.take(types, tokenTypeIds)));
  }
  x = g.scope(position, () => ops.add(x, firstRows(ctx, positions, inputIds)));
  const normed = layerNorm(ctx, norm, x, shape.layerNormEps);
  return g.scope(parentOf(norm), () => ops.dropout(normed, { rate: shape.hiddenDropoutProb }));
}

/**
 * As many rows of a table as the sequence is long.
 *
 * Sliced by a length that is computed at run time, and not gathered: behind it ONNX Runtime no longer knows that the
 * operands of residual sums have one shape and leaves them as they are. Where it fuses them into
 * SkipLayerNormalization, version 1.30 is 10 to 20 % slower on a CPU.
 */
function firstRows({ g }: EncoderContext, table: Value, ids: Value): Value {
  const length = g.one('Shape', [ids], { attributes: { start: { int: 1 }, end: { int: 2 } } });
  return g.one('Slice', [table, g.ints([0]), length, g.ints([0]), g.ints([1])]);
}

/** What is added to the scores of one query: `[batch, 1, 1, sequence]`, 0 or {@link MASKED}. */
export function maskAddend({ g, dtype, architecture }: EncoderContext, attentionMask: Value): Value {
  const { ops } = g;
  return g.scope(parentOf(architecture.layers), () => {
    const visible = ops.cast(ops.expandDims(attentionMask, [1, 2]), dtype);
    return ops.mul(ops.sub(1, visible), MASKED);
  });
}

/** One block: attention and MLP, each with a residual connection that is normalised after the sum. */
export function encoderLayer(ctx: EncoderContext, index: number, x: Value, mask: Value): Value {
  const { architecture, shape } = ctx;
  const path = `${architecture.layers}.${index}`;
  const { attention, mlp } = architecture;
  const { hiddenDropoutProb, layerNormEps } = shape;
  const residual = (branch: Value, input: Value, norm: string, rate: number): Value => {
    const { ops } = ctx.g;
    const at = `${path}.${norm}`;
    const sum = ctx.g.scope(parentOf(at), () => ops.add(ops.dropout(branch, { rate }), input));
    return layerNorm(ctx, at, sum, layerNormEps);
  };
  const attended = residual(
    selfAttention(ctx, path, x, mask),
    x,
    attention.norm,
    attention.outputDropout ? hiddenDropoutProb : 0,
  );
  return residual(feedForward(ctx, path, attended), attended, mlp.norm, hiddenDropoutProb);
}

/** `softmax(Q·Kᵀ/√d + mask)·V` by heads (Vaswani et al., 2017), then the output projection. */
function selfAttention(ctx: EncoderContext, layer: string, x: Value, mask: Value): Value {
  const { g, shape } = ctx;
  const { ops } = g;
  const names = ctx.architecture.attention;
  const heads = shape.numAttentionHeads;
  const size = shape.hiddenSize / heads;
  const [batch, sequence] = x.shape as [string | number, string | number];
  const project = (name: 'query' | 'key' | 'value', perm: readonly number[]): Value => {
    const path = `${layer}.${names[name]}`;
    const projected = linear(ctx, path, x, shape.hiddenSize);
    return g.scope(path, () => ops.transpose(ops.reshape(projected, [batch, sequence, heads, size]), perm));
  };
  const query = project('query', [0, 2, 1, 3]);
  // Straight to [batch, heads, size, sequence]: transposed once, and ready for the product and its gradient.
  const key = project('key', [0, 2, 3, 1]);
  const value = project('value', [0, 2, 1, 3]);
  const context = g.scope(parentOf(`${layer}.${names.query}`), () => {
    const scores = ops.mul(ops.matmul(query, key), 1 / Math.sqrt(size));
    const probabilities = ops.softmax(ops.add(scores, mask));
    const dropped = ops.dropout(probabilities, { rate: shape.attentionProbsDropoutProb });
    const byHead = ops.matmul(dropped, value);
    return ops.reshape(ops.transpose(byHead, [0, 2, 1, 3]), [batch, sequence, shape.hiddenSize]);
  });
  return linear(ctx, `${layer}.${names.output}`, context, shape.hiddenSize);
}

function feedForward(ctx: EncoderContext, layer: string, x: Value): Value {
  const { mlp } = ctx.architecture;
  const up = `${layer}.${mlp.up}`;
  const wide = linear(ctx, up, x, ctx.shape.intermediateSize);
  const active = ctx.g.scope(parentOf(up), () => activation(ctx.g.ops, ctx.shape.hiddenAct, wide));
  return linear(ctx, `${layer}.${mlp.down}`, active, ctx.shape.hiddenSize);
}

export function activation(ops: Ops, name: string, x: Value): Value {
  return (ACTIVATIONS[name] as (ops: Ops, x: Value) => Value)(ops, x);
}

/** The module that a module is part of. */
export function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('.')));
}
