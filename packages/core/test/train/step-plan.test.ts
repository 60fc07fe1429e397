import type { Sample, TrainConfig } from '@anneal/core';
import { seededRandom } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';

import type { FeatureSpec } from '../../src/data/batches.ts';
import { StepPlans } from '../../src/train/step-plan.ts';
import { failure } from '../tiny/build.ts';
import { distance, trainTiny, weightsOf } from '../tiny/engine.ts';
import { encodeSentence, sentences, taggerModel, tagging } from '../tiny/tokens.ts';

const specs: readonly FeatureSpec[] = [{ name: 'input_ids', dtype: 'int64', shape: ['sequence'], pad: 0 }];
const ofLength = (length: number): Sample => ({ row: {}, features: { input_ids: new Int32Array(length) } });

function plansOf(
  lengths: readonly number[],
  config: TrainConfig,
  seed: number = 0,
  microBatchSize?: number,
): StepPlans {
  const ctx = { config, seed, stage: 'main' };
  return new StepPlans({ ctx, specs, samples: lengths.map(ofLength), maxLength: 64, microBatchSize });
}

describe('the steps of an epoch', () => {
  it('have every row once, within the budget, the same for the same seed', () => {
    const next = seededRandom(5);
    const upTo = (most: number): number => 1 + Math.floor(next() * most);
    for (let round = 0; round < 200; round++) {
      const lengths = Array.from({ length: upTo(60) }, () => upTo(80));
      const maxTokensPerBatch = upTo(400);
      const batchSize = round % 2 === 0 ? undefined : upTo(20);
      const gradientAccumulationSteps = upTo(3);
      const config = { maxTokensPerBatch, batchSize, gradientAccumulationSteps };
      const micro = round % 3 === 0 ? upTo(6) : undefined;
      const plans = plansOf(lengths, config, round, micro);
      const epochs = [plans.epoch(0), plans.epoch(1)];
      for (const epoch of epochs) {
        expect(epoch).toHaveLength(plans.stepsPerEpoch);
        const batches = epoch.flat();
        expect(batches.flatMap(({ indices }) => indices).toSorted((a, b) => a - b)).toEqual(lengths.map((_, i) => i));
        for (const { indices, size, length } of batches) {
          expect(indices.length).toBeGreaterThan(0);
          expect(indices.length).toBeLessThanOrEqual(size);
          expect(size).toBeLessThanOrEqual(Math.min(batchSize ?? lengths.length, micro ?? Infinity));
          if (size > 1) expect(size * length!).toBeLessThanOrEqual(maxTokensPerBatch);
          for (const i of indices) expect(Math.min(lengths[i]!, 64)).toBeLessThanOrEqual(length!);
        }
        if (!plans.accumulate) expect(Math.max(...epoch.map((step) => step.length))).toBe(1);
        // Programs are compiled per shape: there are no more than buckets.
        expect(new Set(batches.map(({ size, length }) => `${size} ${length}`)).size).toBeLessThanOrEqual(4);
      }
      expect(plansOf(lengths, config, round, micro).epoch(1)).toEqual(epochs[1]);
    }
  });

  it('have as many rows as fit, short ones more', () => {
    const lengths = [...Array<number>(40).fill(8), ...Array<number>(12).fill(32)];
    const sizes = (config: TrainConfig): readonly string[] => {
      const batches = plansOf(lengths, { lengthBuckets: [8, 32], ...config })
        .epoch(0)
        .flat();
      return [...new Set(batches.map(({ size, length }) => `${size} × ${length}`))].toSorted();
    };
    expect(sizes({ maxTokensPerBatch: 128 })).toEqual(['16 × 8', '4 × 32']);
    expect(sizes({ maxTokensPerBatch: 128, batchSize: 10 })).toEqual(['10 × 8', '4 × 32']);
    expect(sizes({ maxTokensPerBatch: 20 })).toEqual(['1 × 32', '2 × 8']);
    expect(sizes({})).toEqual(['32 × 32', '32 × 8']);
  });

  it('split batches that a program does not take at once', () => {
    const plans = plansOf(Array<number>(19).fill(8), { batchSize: 8 }, 0, 3);
    const shapes = plans.epoch(0).map((step) => step.map(({ indices, size }) => [indices.length, size]));
    expect(shapes.toSorted((a, b) => b.length - a.length)).toEqual([
      [
        [3, 3],
        [3, 3],
        [2, 3],
      ],
      [
        [3, 3],
        [3, 3],
        [2, 3],
      ],
      [[3, 3]],
    ]);
    expect(plans.accumulate).toBe(true);
    expect(plansOf([8, 8], { batchSize: 8 }, 0, 8).accumulate).toBe(false);
  });
});

describe('a budget of tokens', () => {
  const tokens = { rows: sentences(24, 2), model: taggerModel(), task: tagging, encode: encodeSentence } as const;
  const plain = { optimizer: 'sgd', learningRate: 0.5, lrScheduler: 'constant', weightDecay: 0, epochs: 3 } as const;

  it('gives the same step as one large batch', async () => {
    const large = await trainTiny({ ...tokens, config: { ...plain, batchSize: 24, lengthBuckets: [20] } });
    const config = { ...plain, maxTokensPerBatch: 60, lengthBuckets: [4, 8, 20], gradientAccumulationSteps: 30 };
    const small = await trainTiny({ ...tokens, config });
    expect(small.report.steps).toBe(3);
    expect(distance(large.weights, small.weights)).toBeLessThan(1e-6);
    expect(distance(large.weights, weightsOf(tokens.model))).toBeGreaterThan(1e-3);
  });

  it('needs lengths', async () => {
    expect(await failure(trainTiny({ config: { maxTokensPerBatch: 100 } }))).toMatchObject({
      code: 'ANNEAL_E_CONFIG',
      message: '`maxTokensPerBatch` counts padded positions, and the features have no sequence axis',
      path: ['stages', 'main', 'train', 'maxTokensPerBatch'],
      fix: 'use `batchSize`',
    });
  });
});
