import { onnxBackend } from '@anneal/backend-onnx';
import { tfjsBackend } from '@anneal/backend-tfjs/web';
import { testPlugin, tinyClassification, tinyClassifier, tinyTexts } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';

import { tokenizer } from '../src/index.ts';

describe('tokenizer', () => {
  testPlugin(tokenizer, {
    it,
    readme: new URL('../README.md', import.meta.url),
    backends: { onnx: () => onnxBackend({ threads: 1 }), tfjs: () => tfjsBackend({ device: 'cpu' }) },
    valid: [
      {
        name: 'trained on the texts',
        options: { vocabSize: 280, roles: { pad: '<pad>', unk: '<unk>', cls: '<s>' }, template: '<s> $A' },
        plugins: [tinyTexts(), tinyClassification(), tinyClassifier()],
        check: ({ files, artifacts }) => {
          expect(files.has('tokenizer.json')).toBe(true);
          expect(artifacts.has('tokenizer/summary.json')).toBe(true);
        },
      },
    ],
    invalid: [
      { options: { vocabSize: 0 }, errors: [{ code: 'ANNEAL_E_OPTIONS', path: ['vocabSize'] }] },
      { options: { from: 'x', lowercase: true }, errors: [{ code: 'ANNEAL_E_OPTIONS', message: /beside `from`/ }] },
    ],
  });
});
