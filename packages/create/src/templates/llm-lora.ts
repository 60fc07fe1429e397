import type { PluginEntry, ProjectConfig } from '../config-source.ts';
import * as questions from './questions.ts';
import type { Answers, ConfigTemplate } from './types.ts';

const LORA: PluginEntry = ['lora', { r: 8, loraAlpha: 16, targetModules: ['q_proj', 'v_proj'] }];

/** A checkpoint that exists, adapted to the data. */
const adapted = ({ name, model }: Answers, data: PluginEntry): ProjectConfig => ({
  name,
  plugins: [
    data,
    ['tokenizer', { from: model }],
    ['transformer', { from: model }],
    ['language-modeling', { blockSize: 512 }],
    LORA,
  ],
  train: {
    epochs: 1,
    batchSize: 1,
    gradientAccumulationSteps: 8,
    learningRate: 2e-4,
    lrScheduler: 'cosine',
    warmupRatio: 0.05,
  },
});

/** A small model of one kind of text, adapted to another. */
const fromScratch = ({ name }: Answers, data: PluginEntry): ProjectConfig => ({
  name,
  plugins: [
    data,
    ['tokenizer', { vocabSize: 1024, roles: { eos: '<|endoftext|>' } }],
    [
      'transformer',
      {
        architecture: 'llama',
        hiddenSize: 64,
        numHiddenLayers: 2,
        numAttentionHeads: 4,
        maxPositionEmbeddings: 128,
        tieWordEmbeddings: true,
      },
    ],
    ['language-modeling', { blockSize: 64 }],
  ],
  train: { batchSize: 8, lrScheduler: 'cosine', warmupRatio: 0.1 },
  evaluate: { batchSize: 8, latencyRuns: 20 },
  stages: {
    pretrain: { data: { where: { label: 'novel' } }, train: { epochs: 6, learningRate: 5e-3 } },
    adapt: {
      from: 'pretrain',
      data: { where: { label: 'speech' } },
      plugins: [LORA],
      train: { epochs: 6, learningRate: 1e-2 },
    },
  },
});

/** A language model with low-rank adapters. */
export const llmLora: ConfigTemplate = {
  about: 'adapt a language model to texts with LoRA',
  questions: [
    questions.name,
    {
      flag: 'model',
      ask: 'Folder or .gguf file of the model (nothing: a small one is trained first, on the sample)',
      fallback: () => '',
    },
    questions.data,
    questions.text,
    questions.format,
  ],
  copies: questions.sample,
  config(answers) {
    const { model, data, text } = answers;
    if (model === '' && data === questions.SAMPLE)
      return fromScratch(answers, ['text-data', { sources: [{ files: data }] }]);
    const columns = { ...(text === 'text' ? {} : { text }), label: null, group: null };
    const texts: PluginEntry = ['text-data', { sources: [{ files: data }], columns }];
    return adapted(model === '' ? { ...answers, model: './model' } : answers, texts);
  },
};
