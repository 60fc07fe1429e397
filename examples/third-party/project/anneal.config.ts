import { defineConfig, definePlugin } from '@anneal/core';
import { textClassification } from '@anneal/plugin-text-classification';
import { textData } from '@anneal/plugin-text-data';
import { tokenizer } from '@anneal/plugin-tokenizer';
import { transformer } from '@anneal/plugin-transformer';
import { focalLoss } from 'anneal-plugin-focal-loss';
import { weightClustering } from 'anneal-plugin-weight-clustering';
import * as v from 'valibot';

/** Embeddings are many numbers that occur once each: they get more clusters than layers. */
const fineEmbeddings = definePlugin({
  name: 'fine-embeddings',
  options: v.strictObject({}),
  setup(api) {
    api
      .hooksOf('weight-clustering')
      .transformClusters.tap((clusters, { name }) => (name.includes('embeddings') ? 2 * clusters : clusters));
  },
});

export default defineConfig({
  name: 'novel-or-speech',
  plugins: [
    // The sample of `npm create anneal -- --template text-classifier`.
    textData({ sources: [{ files: 'data/*.jsonl' }] }),
    tokenizer({ vocabSize: 1024 }),
    transformer({ architecture: 'bert', hiddenSize: 64, numHiddenLayers: 1, numAttentionHeads: 4, pooling: 'mean' }),
    textClassification(),
    focalLoss({ gamma: 1 }),
    weightClustering({ clusters: 32 }),
    fineEmbeddings(),
  ],
  train: { epochs: 5, batchSize: 16, learningRate: 5e-3, lrScheduler: 'cosine', warmupRatio: 0.1, maxLength: 128 },
  gates: { 'accuracy.drop': '<= 0.03' },
});
