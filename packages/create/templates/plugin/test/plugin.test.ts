import { openBackend } from '@anneal/backend-onnx';
import { tensor } from '@anneal/graph';
import { testPlugin } from '@anneal/testkit';
import { describe, it } from 'vitest';

import { clipValue } from '../src/index.ts';

describe('clip-value', () => {
  testPlugin(clipValue, {
    it,
    readme: new URL('../README.md', import.meta.url),
    backends: { onnx: () => openBackend({ threads: 1 }) },
    // Builds that must succeed; each is run several times, on the reference interpreter and on ONNX Runtime.
    valid: [{ name: 'as it comes' }, { name: 'with a small limit', options: { limit: 0.001 } }],
    // One hook of the training step, on tensors.
    traced: [
      {
        name: 'clips large elements and leaves small ones',
        options: { limit: 0.5 },
        hook: 'transformGradients',
        value: { w: tensor('float32', [4], [-2, -0.25, 0.4, 3]) },
        expect: { w: tensor('float32', [4], [-0.5, -0.25, 0.4, 0.5]) },
      },
    ],
    // Options that are refused.
    invalid: [
      { options: { limit: 0 }, errors: [{ code: 'ANNEAL_E_OPTIONS', path: ['limit'], message: /must be > 0/ }] },
    ],
  });
});
