import { onnxBackend } from '@anneal/backend-onnx';
import { tfjsBackend } from '@anneal/backend-tfjs/web';
import { testPlugin } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';

import { quantize } from '../src/index.ts';

describe('quantize', () => {
  testPlugin(quantize, {
    it,
    readme: new URL('../README.md', import.meta.url),
    backends: { onnx: () => onnxBackend({ threads: 1 }), tfjs: () => tfjsBackend({ device: 'cpu' }) },
    valid: [
      {
        name: 'to int8',
        options: { minElements: 16 },
        check: ({ files }) => expect(files.has('onnx/model_quantized.onnx')).toBe(true),
      },
    ],
    invalid: [
      { options: { scheme: 'int9' }, errors: [{ code: 'ANNEAL_E_OPTIONS', path: ['scheme'] }] },
      {
        options: { minElements: 1_000_000 },
        errors: [
          { code: 'ANNEAL_E_NO_TARGET', hook: 'compress.transformModel', message: 'no weight can be quantized' },
        ],
      },
    ],
  });
});
