import * as questions from './questions.ts';
import type { ConfigTemplate } from './types.ts';

const MODEL = './model';
const FILES = ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'onnx/model.onnx'];

/** A classifier that exists as an ONNX file, in int8, measured on data. */
export const compressOnnx: ConfigTemplate = {
  about: 'compress a classifier that exists as an ONNX file, and measure what that costs',
  questions: [
    questions.name,
    {
      flag: 'model',
      ask: `Folder with the ONNX file, config.json and tokenizer.json (${MODEL}: a small one to start with)`,
      fallback: () => MODEL,
    },
    questions.data,
    questions.text,
    questions.label,
    questions.format,
  ],
  copies: (answers) => ({
    ...questions.sample(answers),
    ...(answers.model === MODEL
      ? Object.fromEntries(FILES.map((file) => [`model/${file}`, `compress-onnx/model/${file}`]))
      : {}),
  }),
  config: (answers) => ({
    name: answers.name,
    plugins: [
      ['text-data', questions.textData(answers)],
      ['tokenizer', { from: answers.model }],
      ['onnx-model', { from: answers.model }],
      ['text-classification'],
      ['quantize'],
    ],
    stages: { main: { train: false } },
    gates: { 'size.ratio': '<= 0.6', 'accuracy.drop': '<= 0.02' },
  }),
};
