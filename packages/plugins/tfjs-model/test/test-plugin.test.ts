import { onnxBackend } from '@anneal/backend-onnx';
import { tfjsBackend } from '@anneal/backend-tfjs/web';
import { testPlugin } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';

import { tfjsModel } from '../src/index.ts';

describe('tfjs model', () => {
  testPlugin(tfjsModel, {
    it,
    readme: new URL('../README.md', import.meta.url),
    backends: { onnx: () => onnxBackend({ threads: 1 }), tfjs: () => tfjsBackend({ device: 'cpu' }) },
    valid: [
      {
        name: 'a model of another plugin is written',
        options: { export: { quantization: 'float16' } },
        check: ({ files }) => expect(files.has('tfjs/model.json')).toBe(true),
      },
    ],
    invalid: [
      {
        options: { export: { shardBytes: 1 } },
        errors: [{ code: 'ANNEAL_E_OPTIONS', path: ['export', 'shardBytes'] }],
      },
      {
        options: { from: 'nowhere' },
        errors: [{ code: 'ANNEAL_E_MODEL', hook: 'setup', message: /^there is no model of TensorFlow.js/ }],
      },
    ],
  });
});
