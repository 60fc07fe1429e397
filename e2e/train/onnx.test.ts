import { onnxBackend } from '@anneal/backend-onnx';
import type { TrainConfig } from '@anneal/core';
import type { Backend } from '@anneal/graph';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { distance, type Trained, trainTiny } from '../../packages/core/test/tiny/engine.ts';
import { encodeSentence, sentences, taggerModel, tagging } from '../../packages/core/test/tiny/tokens.ts';

/** What the engine's unit tests show with the reference backend, on ONNX Runtime. */
let backend: Backend;
beforeAll(async () => {
  backend = await onnxBackend({ threads: 2 });
});
afterAll(() => backend.close());

const plain = { optimizer: 'sgd', learningRate: 0.5, lrScheduler: 'constant', maxGradNorm: 0.5, epochs: 4 } as const;

function train(config: TrainConfig, more: { dropout?: number; microBatchSize?: number } = {}): Promise<Trained> {
  const model = taggerModel({ layers: 3, dropout: more.dropout });
  const { microBatchSize } = more;
  const rows = sentences(21, 2);
  return trainTiny({ rows, model, task: tagging, encode: encodeSentence, config, backend, microBatchSize });
}

describe('on ONNX Runtime', () => {
  it('micro-batches of different lengths are one large batch', async () => {
    const large = await train({ ...plain, batchSize: 21, lengthBuckets: [20] });
    const small = await train({ ...plain, batchSize: 4, lengthBuckets: [4, 8, 20], gradientAccumulationSteps: 10 });
    const split = await train({ ...plain, batchSize: 21, lengthBuckets: [20] }, { microBatchSize: 4 });
    for (const { report, weights } of [small, split]) {
      expect(report.steps).toBe(4);
      expect(distance(large.weights, weights)).toBeLessThan(1e-6);
      large.report.curve.forEach(({ loss, gradNorm }, i) => {
        expect(report.curve[i]!.loss).toBeCloseTo(loss, 5);
        expect(report.curve[i]!.gradNorm).toBeCloseTo(gradNorm, 5);
      });
    }
  });

  it('recomputed blocks give the same bits', async () => {
    const config = { epochs: 3, batchSize: 4, learningRate: 0.05, lengthBuckets: [20] };
    const kept = await train(config, { dropout: 0.3 });
    const computed = await train({ ...config, gradientCheckpointing: true }, { dropout: 0.3 });
    expect(computed.weights).toEqual(kept.weights);
    expect(computed.report.curve).toEqual(kept.report.curve);
  });
});
