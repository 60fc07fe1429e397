import type { TensorData } from '@anneal/graph';
import { describe, expect, it } from 'vitest';

import { HookRegistry } from '../../src/hooks/create.ts';
import { draw } from '../../src/train/draw.ts';
import { type KeepMask, type StepSource, traceStep } from '../../src/train/step-graph.ts';
import { builtinOptimizer } from '../../src/train/optimizers.ts';
import { distance, trainTiny, weightsOf } from '../tiny/engine.ts';
import { featureSpecs } from '../../src/data/batches.ts';
import { mlpModel, points, task } from '../tiny/problem.ts';

const SIZE = 40_000;
const mean = ({ data }: TensorData): number => Array.from(data, Number).reduce((a, b) => a + b, 0) / data.length;
const keep = (dropped: number, ...keys: (string | number)[]): TensorData =>
  draw({ shape: [SIZE], distribution: { kind: 'keep-mask', dropped } }, 1, keys);
/** Four standard errors of the mean of `n` draws that are 1 with probability `p`. */
const room = (p: number, n: number): number => 4 * Math.sqrt((p * (1 - p)) / n);

function program(dropout: number) {
  const model = mlpModel({ dropout });
  const source: StepSource = {
    stage: 'main',
    model,
    task,
    hooks: new HookRegistry().hooks,
    specs: featureSpecs(model, task),
    trainable: new Set(model.graph.parameters.keys()),
    optimizer: builtinOptimizer('sgd')!,
    weightDecay: 0,
    maxGradNorm: 0,
  };
  return traceStep(source, 8, undefined);
}

describe('masks', () => {
  it.each([1, 26, 128, 255])('drop %i of 256 elements', (dropped) => {
    const kept = 1 - dropped / 256;
    expect(Math.abs(mean(keep(dropped, 'a')) - kept)).toBeLessThan(room(kept, SIZE));
  });

  it('have neighbours, steps and names that say nothing of each other', () => {
    const of = (...keys: (string | number)[]): number[] => Array.from(keep(128, ...keys).data, Number);
    const a = of('step', 'main', 3, 0, 'dropout:x');
    expect(of('step', 'main', 3, 0, 'dropout:x')).toEqual(a);
    const others = [
      a.with(0, a.at(-1)!).map((_, i) => a[(i + 1) % SIZE]!),
      of('step', 'main', 4, 0, 'dropout:x'),
      of('step', 'main', 3, 1, 'dropout:x'),
      of('step', 'main', 3, 0, 'dropout:y'),
      of('step', 'other', 3, 0, 'dropout:x'),
    ];
    for (const other of others) {
      const same = a.filter((value, i) => value === other[i]).length / SIZE;
      expect(Math.abs(same - 0.5)).toBeLessThan(room(0.5, SIZE));
    }
  });

  it.each([
    [0, 0, undefined],
    [0.001, 0, undefined],
    [0.1, 1, 26],
    [0.5, 1, 128],
    // Nothing is left, and nothing to draw.
    [0.999, 0, undefined],
  ])('of rate %d are %i inputs', (rate, count, dropped) => {
    const { randoms } = program(rate);
    const drawn = [...randoms.values()];
    expect(drawn).toHaveLength(count);
    if (count > 0) expect(drawn[0]).toEqual({ shape: [8, 6], distribution: { kind: 'keep-mask', dropped } });
  });

  it('are unbiased with the scale that the graph has', () => {
    const rates = [0.1, 0.25, 0.5, 0.9];
    for (const rate of rates) {
      const [input] = program(rate).randoms.values();
      const { dropped } = input!.distribution as KeepMask;
      const scale = 256 / (256 - dropped);
      expect(Math.abs(mean(keep(dropped, 'b')) * scale - 1)).toBeLessThan(scale * room(1 - dropped / 256, SIZE));
      expect(Math.abs(dropped / 256 - rate)).toBeLessThanOrEqual(1 / 512);
    }
  });
});

describe('random tensors of plugins', () => {
  const of = (distribution: Parameters<typeof draw>[0]['distribution']): number[] =>
    Array.from(draw({ shape: [SIZE / 4, 4], distribution }, 5, ['k']).data, Number);

  it.each([
    ['uniform', { kind: 'uniform', min: -1, max: 3 }, 1, 16 / 12, -1, 3],
    ['normal', { kind: 'normal', mean: 2, std: 0.5 }, 2, 0.25, -1, 5],
    ['bernoulli', { kind: 'bernoulli', rate: 0.3 }, 0.3, 0.21, 0, 1],
    ['dropout', { kind: 'dropout', rate: 0.2 }, 1, 0.25, 0, 1.25],
  ] as const)('%s have their mean and variance', (_, distribution, mu, variance, min, max) => {
    const values = of(distribution);
    const average = values.reduce((a, b) => a + b, 0) / SIZE;
    expect(Math.abs(average - mu)).toBeLessThan(4 * Math.sqrt(variance / SIZE));
    const spread = values.reduce((sum, value) => sum + (value - average) ** 2, 0) / SIZE;
    expect(Math.abs(spread / variance - 1)).toBeLessThan(0.05);
    expect(values.every((value) => value >= min && value <= max)).toBe(true);
  });
});

describe('dropout', () => {
  it('of almost everything trains what is behind it, with finite weights', async () => {
    const model = mlpModel({ dropout: 0.999 });
    const config = { epochs: 2, batchSize: 6, weightDecay: 0 };
    const { weights } = await trainTiny({ model, config });
    const before = weightsOf(model);
    expect(Object.values(weights).flat().every(Number.isFinite)).toBe(true);
    expect(weights['first.weight']).toEqual(before['first.weight']);
    expect(weights['second.bias']).not.toEqual(before['second.bias']);
  });

  it('is off when the model is evaluated', async () => {
    // With a learning rate of almost nothing, the loss on the training rows is that of the model without dropout.
    const rows = points(6, 1);
    const config = { epochs: 1, learningRate: 1e-12 };
    const losses = async (dropout: number) =>
      (await trainTiny({ model: mlpModel({ dropout }), rows, validation: rows, config })).report;
    const [with_, without] = [await losses(0.5), await losses(0)];
    expect(with_.validation[0]!.metrics['loss']).toBeCloseTo(without.validation[0]!.metrics['loss']!, 6);
    expect(with_.curve[0]!.loss).not.toBeCloseTo(without.curve[0]!.loss, 4);
  });

  it('of rate 0 is nothing', async () => {
    const run = (dropout: number) => trainTiny({ model: mlpModel({ dropout }), config: { epochs: 2 } });
    expect(distance((await run(0)).weights, (await run(0.001)).weights)).toBe(0);
  });
});
