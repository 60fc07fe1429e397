import { openBackend } from '@anneal/backend-onnx';
import { GraphBuilder, tensor } from '@anneal/graph';
import {
  runPipeline,
  setupPlugin,
  stepContext,
  testPlugin,
  tinyClassificationTask,
  tinyTextClassification,
} from '@anneal/testkit';
import { describe, expect, it } from 'vitest';

import { focalLoss } from '../src/index.ts';

const LOGITS = [
  [2, -1, 0.5],
  [0, 3, 1],
];
const CLASSES = [0, 2];

/** The loss by its definition. */
function focal(gamma: number): number {
  const rows = LOGITS.map((logits, i) => {
    const sum = logits.reduce((total, logit) => total + Math.exp(logit), 0);
    const p = Math.exp(logits[CLASSES[i]!]!) / sum;
    return -((1 - p) ** gamma) * Math.log(p);
  });
  return rows.reduce((total, row) => total + row, 0) / rows.length;
}

const step = {
  hook: 'transformLoss',
  value: tensor('float32', [], [focal(0)]),
  outputs: { logits: tensor('float32', [2, 3], LOGITS.flat()) },
  targets: tensor('float32', [2, 3], [1, 0, 0, 0, 0, 1]),
} as const;

describe('focal loss', () => {
  testPlugin(focalLoss, {
    it,
    readme: new URL('../README.md', import.meta.url),
    backends: { onnx: () => openBackend({ threads: 1 }) },
    valid: [{ name: 'a classification' }, { name: 'a sharper one', options: { gamma: 5 } }],
    traced: [
      ...[0.5, 1, 2].map((gamma) => ({
        ...step,
        name: `is the formula with γ ${gamma}`,
        options: { gamma },
        expect: tensor('float32', [], [focal(gamma)]),
      })),
      { ...step, name: 'is cross-entropy with γ 0', options: { gamma: 0 }, expect: 'same' },
      { ...step, name: 'leaves a regression alone', task: { kind: 'regression' }, expect: 'same' },
    ],
    invalid: [
      { options: { gamma: -1 }, errors: [{ code: 'ANNEAL_E_OPTIONS', path: ['gamma'], message: /must be >= 0/ }] },
    ],
  });

  it('needs logits', async () => {
    const g = new GraphBuilder();
    const tap = (await setupPlugin(focalLoss())).tap('train', 'transformLoss');
    const context = stepContext(g, { task: { ...tinyClassificationTask }, batchSize: 1, outputs: {} });
    expect(() => tap(g.ops.constant(tensor('float32', [], [1])), context)).toThrow(
      expect.objectContaining({ code: 'FOCAL_LOSS_E_LOGITS', plugin: 'focal-loss' }),
    );
  });

  it('trains another model than cross-entropy', async () => {
    const [with2, with0] = await Promise.all(
      [2, 0].map((gamma) => runPipeline({ plugins: [focalLoss({ gamma }), ...tinyTextClassification()] })),
    );
    expect(with2!.report.train[0]!.curve[0]!.loss).toBeLessThan(with0!.report.train[0]!.curve[0]!.loss);
  });
});
