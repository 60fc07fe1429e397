import type { ParameterGroup, TrainConfig } from '@anneal/core';
import { tensor, withParameters } from '@anneal/graph';
import { describe, expect, it } from 'vitest';

import { HookRegistry } from '../../src/hooks/create.ts';
import { failure } from '../tiny/build.ts';
import { type TrainOptions, trainTiny, weightsOf } from '../tiny/engine.ts';
import { mlpModel } from '../tiny/problem.ts';

const initial = weightsOf(mlpModel());
const plain = { optimizer: 'sgd', learningRate: 0.5, lrScheduler: 'linear', maxGradNorm: 0, weightDecay: 0 } as const;
const train = (parameterGroups: readonly ParameterGroup[], config: TrainConfig = {}, more: TrainOptions = {}) =>
  trainTiny({ ...more, config: { ...plain, batchSize: 18, maxSteps: 1, ...config, parameterGroups } });
/** How far the first step moved each parameter. */
const moves = (weights: Readonly<Record<string, readonly number[]>>): Record<string, readonly number[]> =>
  Object.fromEntries(
    Object.entries(weights).map(([name, values]) => [name, values.map((value, i) => value - initial[name]![i]!)]),
  );

describe('parameter groups', () => {
  it('have learning rates of their own, as LoRA+ wants, that follow the schedule', async () => {
    const groups = [{ params: 'second.*', learningRate: 8 }];
    const [all, scaled] = [await train([]), await train(groups)].map(({ weights }) => moves(weights));
    for (const [name, values] of Object.entries(all!)) {
      const ratio = name.startsWith('second.') ? 16 : 1;
      values.forEach((value, i) => expect(scaled![name]![i]).toBeCloseTo(ratio * value, 5));
    }
    // In the last of two steps the rate is half as high, for all.
    const registry = new HookRegistry();
    registry
      .scoped('test')
      .train.transformGradients.tap(
        (found, { ops }) => new Map([...found].map(([name, value]) => [name, ops.add(ops.mul(value, 0), 1)])),
      );
    const { weights } = await train(groups, { epochs: 2, maxSteps: 2 }, { registry });
    expect(moves(weights)['first.bias']![0]).toBeCloseTo(-0.5 - 0.25, 5);
    expect(moves(weights)['second.bias']![0]).toBeCloseTo(-8 - 4, 5);
  });

  it('are decayed as they say, biases too', async () => {
    const { graph, ...rest } = mlpModel();
    const biased = withParameters(graph, (name, { data: { shape } }) =>
      name.endsWith('.bias') ? { data: tensor('float32', shape, Array<number>(shape[0]!).fill(0.5)) } : undefined,
    );
    const model = { ...rest, graph: biased };
    const start = weightsOf(model);
    // Without gradients, only decay moves weights: by learning rate times decay.
    const registry = new HookRegistry();
    registry.scoped('test').train.transformLoss.tap((loss, { ops }) => ops.mul(loss, 0));
    const config = { optimizer: 'adamw', weightDecay: 0.1 };
    const groups = [
      { params: ['second.weight', 'second.bias'], weightDecay: 0.4 },
      { params: 'first.*', learningRate: 1 },
    ];
    const { weights } = await train(groups, config, { registry, model });
    const factors = { 'first.weight': 0.9, 'first.bias': 1, 'second.weight': 0.8, 'second.bias': 0.8 };
    for (const [name, factor] of Object.entries(factors)) {
      weights[name]!.forEach((value, i) => expect(value).toBeCloseTo(factor * start[name]![i]!, 6));
    }
  });

  it('are the first that match', async () => {
    const groups = [
      { params: '*.bias', learningRate: 1 },
      { params: 'second.*', learningRate: 2 },
    ];
    const [all, scaled] = [await train([]), await train(groups)].map(({ weights }) => moves(weights));
    const ratios = { 'first.weight': 1, 'first.bias': 2, 'second.weight': 4, 'second.bias': 2 };
    for (const [name, ratio] of Object.entries(ratios)) {
      all![name]!.forEach((value, i) => expect(scaled![name]![i]).toBeCloseTo(ratio * value, 5));
    }
  });

  it('may be frozen, whatever plugins say', async () => {
    const registry = new HookRegistry();
    registry.scoped('test').train.shouldTrain.tap(() => true);
    const { weights, report } = await train([{ params: 'first.*', frozen: true }], {}, { registry });
    expect(weights['first.weight']).toEqual(initial['first.weight']);
    expect(weights['second.weight']).not.toEqual(initial['second.weight']);
    expect(report.trainableParameters).toBe(6 * 3 + 3);
    expect(await failure(train([{ params: '*', frozen: true }]))).toMatchObject({
      code: 'ANNEAL_E_TRAIN',
      message: 'nothing is trainable in stage `main`',
    });
  });

  it.each([
    ['second.wieght', 'no trained parameter matches "second.wieght"', 'near is "second.weight"'],
    ['*.Bias*x', 'no trained parameter matches "*.Bias*x"', 'near names are "first.bias", "second.bias"'],
    ['secnd.*', 'no trained parameter matches "secnd.*"', 'near names are "second.weight", "second.bias"'],
    [
      ['*lora_B*', 'x'],
      'no trained parameter matches "*lora_B*", "x"',
      'near names are "first.weight", "first.bias", "second.weight"',
    ],
  ])('must not be empty: %j', async (params, message, fix) => {
    expect(await failure(train([{ params: '*.bias' }, { params }]))).toMatchObject({
      code: 'ANNEAL_E_CONFIG',
      message,
      fix,
      path: ['stages', 'main', 'train', 'parameterGroups', 1, 'params'],
    });
  });

  it('must not come too late, or be of what is not trained', async () => {
    expect(await failure(train([{ params: '*' }, { params: '*.bias' }]))).toMatchObject({
      code: 'ANNEAL_E_CONFIG',
      message: 'all parameters that match "*.bias" are in groups before, e.g. "first.bias"',
      fix: expect.stringContaining('put the more special one first'),
    });
    const registry = new HookRegistry();
    registry.scoped('test').train.shouldTrain.tap((name) => !name.startsWith('first.'));
    expect(await failure(train([{ params: 'first.*', learningRate: 1 }], {}, { registry }))).toMatchObject({
      code: 'ANNEAL_E_CONFIG',
      message: 'only parameters that are not trained match "first.*", e.g. "first.weight"',
    });
  });
});
