import { random } from '@anneal/core';
import { type Graph, GraphBuilder, tensor, type TensorData, type Value } from '@anneal/graph';
import { ARCHITECTURES, createModel, initialWeights } from '@anneal/plugin-transformer';

import type { ResolvedOptions } from '../src/index.ts';

/** Options with their defaults, but small weights count too. */
export function optionsOf(options: Partial<ResolvedOptions> = {}): ResolvedOptions {
  return { scheme: 'int8-dynamic', embeddings: true, exclude: [], reduceRange: false, minElements: 1, ...options };
}

/** Gaussian numbers. */
export function gaussian(seed: number | string, ...shape: number[]): TensorData {
  const size = shape.reduce((a, b) => a * b, 1);
  return tensor('float32', shape, random(1, 'test', seed).normal(size));
}

/** `names` each a product of the input `x` `[batch, rows]` with its own weight; outputs by name. */
export function products(weights: Readonly<Record<string, TensorData>>): Graph {
  const g = new GraphBuilder();
  const [first] = Object.values(weights);
  const x = g.input('x', 'float32', ['batch', first!.shape[0]!]);
  for (const [name, data] of Object.entries(weights)) {
    g.output(
      name,
      g.scope(name, () => g.ops.matmul(x, g.parameter(`${name}.weight`, data))),
    );
  }
  return g.build();
}

/** Rows of a table, and whatever else is done with it. */
export function lookUp(table: TensorData, also?: (g: GraphBuilder, table: Value, ids: Value) => Value): Graph {
  const g = new GraphBuilder();
  const ids = g.input('ids', 'int64', ['batch', 'sequence']);
  const weight = g.parameter('words.weight', table);
  g.output('y', g.ops.take(weight, ids));
  if (also !== undefined) g.output('z', also(g, weight, ids));
  return g.build();
}

/** A BERT of random weights. */
export function bert(sizes: { readonly hidden: number; readonly layers: number; readonly vocabulary?: number }): Graph {
  const { hidden, layers, vocabulary = 500 } = sizes;
  const shape = {
    vocabSize: vocabulary,
    hiddenSize: hidden,
    numHiddenLayers: layers,
    numAttentionHeads: hidden / 32,
    intermediateSize: 4 * hidden,
    maxPositionEmbeddings: 128,
    typeVocabSize: 2,
    hiddenAct: 'gelu',
    hiddenDropoutProb: 0,
    attentionProbsDropoutProb: 0,
    classifierDropout: 0,
    layerNormEps: 1e-12,
    // Larger than models start with, so that attention and logits are not all alike.
    initializerRange: 0.1,
    padTokenId: 0,
  };
  const architecture = ARCHITECTURES.bert;
  const weights = initialWeights(shape, 1, architecture.embeddings.word);
  return createModel({ architecture, shape, pooling: 'cls', labels: ['a', 'b'] }, weights).graph;
}

/** Token ids and masks for {@link bert}. */
export function tokens(batch: number, sequence: number, vocabulary: number = 500): Record<string, TensorData> {
  const ids = random(2, 'ids')
    .words(batch * sequence)
    .map((word) => 1 + (word % (vocabulary - 1)));
  const fill = (value: number): TensorData =>
    tensor('int64', [batch, sequence], new BigInt64Array(batch * sequence).fill(BigInt(value)));
  return {
    input_ids: tensor('int64', [batch, sequence], [...ids].map(BigInt)),
    attention_mask: fill(1),
    token_type_ids: fill(0),
  };
}

/** Bytes of all weights. */
export function weightBytes(graph: Graph): number {
  const BITS: Readonly<Record<string, number>> = { float32: 32, float16: 16, int8: 8, uint8: 8 };
  let bits = 0;
  for (const { data } of graph.parameters.values()) bits += BITS[data.dtype]! * data.shape.reduce((a, b) => a * b, 1);
  return bits / 8;
}

/** `a @ b` of matrices, in double precision. */
export function multiply(a: ArrayLike<number>, b: ArrayLike<number>, inner: number, columns: number): Float64Array {
  const rows = a.length / inner;
  const out = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++)
    for (let k = 0; k < inner; k++)
      for (let j = 0; j < columns; j++) out[i * columns + j]! += a[i * inner + k]! * b[k * columns + j]!;
  return out;
}
