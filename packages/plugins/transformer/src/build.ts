import { type Graph, GraphBuilder } from '@anneal/graph';

import { type Architecture, type TransformerShape } from './architectures.ts';
import type { LayerContext, WeightSource } from './layers/context.ts';
import { embed, encoderLayer, type EncoderContext, maskAddend } from './layers/encoder.ts';
import { classify, type Pooling } from './layers/heads.ts';

/** What a classifier is made of. */
export interface ClassifierOptions {
  /** Its family. */
  readonly architecture: Architecture;
  /** Its sizes. */
  readonly shape: TransformerShape;
  /** The vector that is classified. */
  readonly pooling: Pooling;
  /** Number of classes. */
  readonly labels: number;
  /** Where weights come from. */
  readonly weights: WeightSource;
  /** Element type of weights and computation. @defaultValue `'float32'` */
  readonly dtype?: LayerContext['dtype'] | undefined;
}

/**
 * An encoder with a classifier on top. Inputs `input_ids`, `attention_mask` and, where the family has segments,
 * `token_type_ids`: int64 `[batch, sequence]`. Output `logits`: `[batch, classes]`.
 */
export function buildClassifier(options: ClassifierOptions): Graph {
  const { architecture, shape, weights, dtype = 'float32' } = options;
  const g = new GraphBuilder();
  const ctx: EncoderContext = { g, weights, dtype, architecture, shape };
  const ids = ['batch', 'sequence'];
  const inputIds = g.input('input_ids', 'int64', ids);
  const attentionMask = g.input('attention_mask', 'int64', ids);
  const segments = architecture.embeddings.tokenType !== undefined;
  const tokenTypeIds = segments ? g.input('token_type_ids', 'int64', ids) : undefined;

  let x = embed(ctx, { inputIds, attentionMask, tokenTypeIds });
  const mask = maskAddend(ctx, attentionMask);
  for (let i = 0; i < shape.numHiddenLayers; i++) x = encoderLayer(ctx, i, x, mask);
  g.output('logits', classify(ctx, x, attentionMask, { pooling: options.pooling, labels: options.labels }));
  return g.build({ name: architecture.className });
}
