import { tensor } from '@anneal/graph';
import { onnxBackend } from '@anneal/backend-onnx';
import { tfjsBackend } from '@anneal/backend-tfjs/web';
import { testPlugin, tinyLanguageModeling } from '@anneal/testkit';
import { describe, it } from 'vitest';

import { labelSmoothing } from '../src/index.ts';

describe('label smoothing', () => {
  testPlugin(labelSmoothing, {
    it,
    readme: new URL('../README.md', import.meta.url),
    backends: { onnx: () => onnxBackend({ threads: 1 }), tfjs: () => tfjsBackend({ device: 'cpu' }) },
    valid: [{ name: 'a classification' }, { name: 'a classification with a larger ε', options: { epsilon: 0.3 } }],
    traced: [
      {
        name: 'spreads ε over four classes',
        hook: 'transformTargets',
        options: { epsilon: 0.1 },
        value: tensor('float32', [2, 4], [0, 0, 1, 0, 1, 0, 0, 0]),
        expect: tensor('float32', [2, 4], [0.025, 0.025, 0.925, 0.025, 0.925, 0.025, 0.025, 0.025]),
      },
      {
        name: 'a regression',
        hook: 'transformTargets',
        task: { kind: 'regression' },
        value: tensor('float32', [2, 1], [0.3, 2]),
        expect: 'same',
      },
    ],
    invalid: [
      { options: { epsilon: 1 }, errors: [{ code: 'ANNEAL_E_OPTIONS', path: ['epsilon'] }] },
      {
        name: 'targets that are numbers of tokens',
        plugins: tinyLanguageModeling(),
        errors: [{ code: 'ANNEAL_E_SHAPE', hook: 'train.transformTargets', message: /must be one-hot/ }],
      },
    ],
  });
});
