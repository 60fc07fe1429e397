import { type Graph, GraphBuilder } from '@anneal/graph';

import type { DecoderConfig } from './decoders.ts';
import { embeddingTable, linear, rmsNorm } from './layers/basic.ts';
import type { LayerContext, WeightSource } from './layers/context.ts';
import { type DecoderContext, decoderLayer, sharedInputs } from './layers/decoder.ts';

/** What a decoder is made of. */
export interface DecoderOptions {
  /**
   * `logits` of `[batch, sequence, vocabulary]`, or `hidden_states` of `[batch, sequence, hidden]` as the output layer
   * would get them: what a loss needs that never has all logits at once. @defaultValue `'logits'`
   */
  readonly output?: 'logits' | 'hidden_states' | undefined;
  /** Element type of weights and computation. @defaultValue `'float32'` */
  readonly dtype?: LayerContext['dtype'] | undefined;
}

/**
 * A causal language model. Inputs `input_ids` and `attention_mask`: int64 `[batch, sequence]`, of at most
 * `maxPositionEmbeddings` tokens; positions count from the first, padding or not. Weights have the names of Hugging
 * Face's checkpoint.
 */
export function buildDecoder(config: DecoderConfig, weights: WeightSource, options: DecoderOptions = {}): Graph {
  const { output = 'logits', dtype = 'float32' } = options;
  const { architecture, shape } = config;
  const g = new GraphBuilder();
  const ctx: DecoderContext = { g, weights, dtype, architecture, shape };
  const ids = ['batch', 'sequence'];
  const inputIds = g.input('input_ids', 'int64', ids);
  const attentionMask = g.input('attention_mask', 'int64', ids);

  const table = embeddingTable(ctx, architecture.embeddings, shape.vocabSize, shape.hiddenSize);
  const shared = sharedInputs(ctx, attentionMask);
  let x = g.scope(architecture.embeddings, () => g.ops.take(table, inputIds));
  for (let i = 0; i < shape.numHiddenLayers; i++) x = decoderLayer(ctx, i, x, shared);
  const hidden = rmsNorm(ctx, architecture.norm, x, shape.rmsNormEps);
  if (output === 'hidden_states') g.output(output, hidden);
  else if (shape.tieWordEmbeddings) {
    const logits = g.scope(architecture.head, () => g.ops.matmul(hidden, table, { transposeB: true }));
    g.output(output, logits);
  } else g.output(output, linear(ctx, architecture.head, hidden, shape.vocabSize, { bias: false }));
  return g.build({ name: architecture.className });
}
