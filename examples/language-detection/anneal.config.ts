import { defineConfig } from '@anneal/core';
import { quantize } from '@anneal/plugin-quantize';
import { textClassification } from '@anneal/plugin-text-classification';
import { textData } from '@anneal/plugin-text-data';
import { tfjsModel } from '@anneal/plugin-tfjs-model';

import { corpus } from './corpus.ts';

export default defineConfig({
  name: 'language-detection',
  seed: 7,
  plugins: [
    textData({
      sources: [{ rows: corpus() }],
      // Source code stays as it is; the model reads the first 10,000 bytes.
      clean: { rules: ['line-breaks'], maxLength: 10_000 },
      split: { ratios: { train: 0.5, test: 0.5 } },
    }),
    // The model knows 54 languages; its columns for those of the data are taken.
    tfjsModel({ from: '@vscode/vscode-languagedetection/model', export: { quantization: 'uint8' } }),
    textClassification({ baseline: false }),
    quantize({ scheme: 'int4' }),
  ],
  train: { epochs: 10, batchSize: 16, learningRate: 1e-3 },
  gates: { accuracy: '>= 0.95', 'accuracy.drop': '<= 0.02', 'size.ratio': '<= 0.2' },
});
