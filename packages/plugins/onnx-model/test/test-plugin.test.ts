import { onnxBackend } from '@anneal/backend-onnx';
import { tfjsBackend } from '@anneal/backend-tfjs/web';
import { testPlugin, tinyClassification, tinyOnnx, tinyTexts, tinyWords } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';

import { onnxModel } from '../src/index.ts';

const plugins = [tinyTexts(), tinyWords(), tinyClassification()];
const files = { 'models/tiny.onnx': await tinyOnnx() };

describe('onnx model', () => {
  testPlugin(onnxModel, {
    it,
    readme: new URL('../README.md', import.meta.url),
    backends: { onnx: () => onnxBackend({ threads: 1 }), tfjs: () => tfjsBackend({ device: 'cpu' }) },
    valid: [
      {
        name: 'a file that is trained further',
        options: { from: 'models/tiny.onnx' },
        plugins,
        files,
        check: ({ report }) => expect(report.train[0]!.steps).toBe(2),
      },
    ],
    invalid: [
      { options: { from: '' }, errors: [{ code: 'ANNEAL_E_OPTIONS', path: ['from'] }] },
      { options: { from: 'none.onnx' }, plugins, errors: [{ code: 'ANNEAL_E_MODEL' }] },
    ],
  });
});
