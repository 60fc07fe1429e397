import { type Graph, repeatedBlocks, zeros } from '@anneal/graph';
import { describe, expect, it } from 'vitest';

import { ARCHITECTURES, buildClassifier, buildDecoder, decoderConfig, type WeightSource } from '../src/index.ts';

const weights: WeightSource = ({ shape }) => zeros('float32', shape);

const SHAPE = {
  vocabSize: 10,
  hiddenSize: 8,
  numHiddenLayers: 2,
  numAttentionHeads: 2,
  intermediateSize: 12,
  maxPositionEmbeddings: 6,
  typeVocabSize: 2,
  hiddenAct: 'gelu',
  hiddenDropoutProb: 0.1,
  attentionProbsDropoutProb: 0.1,
  classifierDropout: 0.1,
  layerNormEps: 1e-12,
  initializerRange: 0.5,
  padTokenId: 0,
} as const;

const classifier = (name: 'bert' | 'distilbert'): Graph =>
  buildClassifier({ architecture: ARCHITECTURES[name], shape: SHAPE, pooling: 'cls', labels: 2, weights });

const llama = (): Graph =>
  buildDecoder(
    decoderConfig(
      {
        model_type: 'llama',
        vocab_size: 10,
        hidden_size: 8,
        intermediate_size: 12,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        max_position_embeddings: 6,
      },
      'config.json',
    ),
    weights,
  );

describe('layers are the repeated blocks', () => {
  it.each([
    ['BERT', () => classifier('bert'), 'bert.encoder.layer'],
    ['DistilBERT', () => classifier('distilbert'), 'distilbert.transformer.layer'],
    ['Llama', llama, 'model.layers'],
  ])('of %s', (_, build, path) => {
    const { nodes } = build();
    const blockOf = repeatedBlocks(nodes.map(({ scope }) => scope));
    const found = nodes.map(({ scope }) => [scope, blockOf(scope)] as const);
    expect(new Set(found.map(([, block]) => block))).toEqual(new Set([`${path}.0`, `${path}.1`, undefined]));
    for (const [scope, block] of found) expect(block !== undefined).toBe(scope.startsWith(path));
    // All that is heavy lies in a block, but for the head.
    const outside = nodes.filter(({ op, scope }) => op === 'MatMul' && blockOf(scope) === undefined);
    expect(outside.length).toBeLessThanOrEqual(2);
  });
});
