import * as questions from './questions.ts';
import type { ConfigTemplate } from './types.ts';

/** A BERT encoder from scratch, in int8. */
export const textClassifier: ConfigTemplate = {
  about: 'train a classifier of texts and compress it to int8',
  questions: [questions.name, questions.data, questions.text, questions.label, questions.format],
  copies: questions.sample,
  config: (answers) => ({
    name: answers.name,
    plugins: [
      ['text-data', questions.textData(answers)],
      ['tokenizer'],
      [
        'transformer',
        { architecture: 'bert', hiddenSize: 64, numHiddenLayers: 2, numAttentionHeads: 4, maxPositionEmbeddings: 256 },
      ],
      ['text-classification'],
      ['quantize'],
    ],
    train: { epochs: 5, batchSize: 16, learningRate: 2e-3, lrScheduler: 'cosine', warmupRatio: 0.1 },
    gates: { 'size.ratio': '<= 0.5' },
  }),
};
