import { onnxBackend } from '@anneal/backend-onnx';
import { tfjsBackend } from '@anneal/backend-tfjs/web';
import { testPlugin, tinyClassifier, tinyDecoder, tinyTexts, tinyWords } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';

import { languageModeling } from '../src/index.ts';

const around = [tinyTexts(), tinyWords(), tinyDecoder()];

describe('language modeling', () => {
  testPlugin(languageModeling, {
    it,
    readme: new URL('../README.md', import.meta.url),
    backends: { onnx: () => onnxBackend({ threads: 1 }), tfjs: () => tfjsBackend({ device: 'cpu' }) },
    valid: [
      {
        name: 'packed',
        options: { blockSize: 8, bootstrapSamples: 100 },
        plugins: around,
        check: ({ report }) => expect(report.metrics.before).toHaveProperty('perplexity'),
      },
    ],
    invalid: [
      { options: { blockSize: 1 }, errors: [{ code: 'ANNEAL_E_OPTIONS', path: ['blockSize'] }] },
      {
        name: 'rows without tokens',
        plugins: [tinyTexts(), tinyDecoder()],
        errors: [{ code: 'ANNEAL_E_REQUIRES', message: /^needs `tokenizer`/ }],
      },
      {
        name: 'a classifier',
        plugins: [tinyTexts(), tinyWords(), tinyClassifier()],
        errors: [{ code: 'ANNEAL_E_MODEL', message: /must have an output `logits`/ }],
      },
    ],
  });
});
