import type { StepContext, Task, TrainPoint } from '@anneal/core';
import { GraphBuilder, inline, tensor } from '@anneal/graph';
import { describe, expect, it } from 'vitest';

import { HookRegistry } from '../../src/hooks/create.ts';
import { failure } from '../tiny/build.ts';
import { distance, type TrainOptions, trainTiny, weightsOf } from '../tiny/engine.ts';
import { mlp, mlpModel, points, task } from '../tiny/problem.ts';
import { bagModel, encodeSentence, sentences } from '../tiny/tokens.ts';

const initial = weightsOf(mlpModel());
const plain = { optimizer: 'sgd', learningRate: 0.5, lrScheduler: 'constant', maxGradNorm: 0, weightDecay: 0 } as const;

/** A registry with taps of a plugin. */
function tapped(tap: (hooks: ReturnType<HookRegistry['scoped']>) => void): HookRegistry {
  const registry = new HookRegistry();
  tap(registry.scoped('test'));
  return registry;
}

describe('training', () => {
  it.each(['adamw', 'muon', 'adafactor'])('brings the loss down with %s', async (optimizer) => {
    const learningRate = optimizer === 'adamw' ? 0.05 : 0.1;
    const config = { epochs: 20, batchSize: 6, learningRate, optimizer };
    const { report, weights } = await trainTiny({ config, validation: points(12, 5) });
    expect(report.curve).toHaveLength(60);
    expect(report.curve.at(-1)!.loss).toBeLessThan(0.4 * report.curve[0]!.loss);
    expect(report.validation.at(-1)!.metrics['accuracy']).toBe(1);
    expect(distance(weights, initial)).toBeGreaterThan(0.1);
  });

  it('reports what it did', async () => {
    const points_: TrainPoint[] = [];
    const { report } = await trainTiny({
      config: { epochs: 2, batchSize: 6 },
      validation: points(6, 5),
      onStep: (point) => void points_.push(point),
    });
    expect(report).toMatchObject({
      stage: 'main',
      steps: 6,
      epochs: 2,
      tokens: 36,
      trainableParameters: 4 * 6 + 6 + 6 * 3 + 3,
      totalParameters: 4 * 6 + 6 + 6 * 3 + 3,
      skippedSteps: 0,
      stoppedEarly: false,
    });
    expect(report.curve).toEqual(points_);
    expect(points_.map(({ step, epoch }) => [step, epoch])).toEqual([
      [0, 0],
      [1, 0],
      [2, 0],
      [3, 1],
      [4, 1],
      [5, 1],
    ]);
    expect(report.validation.map(({ step }) => step)).toEqual([3, 6]);
    expect(report.best).toEqual({ step: 6, metric: 'loss', value: report.validation[1]!.metrics['loss'] });
  });

  it.each([
    [{ epochs: 1.5 }, 5],
    [{ epochs: 0.1 }, 1],
    [{ epochs: 10, maxSteps: 4 }, 4],
  ])('%o takes %i steps', async (config, steps) => {
    expect((await trainTiny({ config: { batchSize: 6, ...config } })).report.steps).toBe(steps);
  });

  it('is the same to the last bit for the same seed, and another for another', async () => {
    const run = (seed: number) => trainTiny({ seed, model: mlpModel({ dropout: 0.3 }), config: { batchSize: 5 } });
    const [a, b, c] = [await run(1), await run(1), await run(2)];
    expect(a.weights).toEqual(b.weights);
    expect(a.report.curve).toEqual(b.report.curve);
    expect(distance(a.weights, c.weights)).toBeGreaterThan(1e-6);
  });

  it('leaves frozen parameters as they are', async () => {
    const { weights, report } = await trainTiny({ trainable: ['second.weight', 'first.bias'], config: { epochs: 2 } });
    expect(weights['first.weight']).toEqual(initial['first.weight']);
    expect(weights['second.bias']).toEqual(initial['second.bias']);
    expect(weights['second.weight']).not.toEqual(initial['second.weight']);
    expect(report.trainableParameters).toBe(6 * 3 + 6);
  });

  it('decays matrices only', async () => {
    // Without gradients, only decay moves weights.
    const registry = tapped(({ train }) => train.transformLoss.tap((loss, { ops }) => ops.mul(loss, 0)));
    const config = { ...plain, optimizer: 'adamw', weightDecay: 0.1, learningRate: 0.5, maxSteps: 1 };
    const { weights } = await trainTiny({ registry, config });
    weights['first.weight']!.forEach((value, i) => expect(value).toBeCloseTo(0.95 * initial['first.weight']![i]!, 6));
    expect(weights['first.bias']).toEqual(initial['first.bias']);
  });

  it('takes another loss, of what the model gives and what the hooks made of it', async () => {
    const registry = tapped(({ train }) => {
      train.transformTargets.tap((targets, { ops }) => ops.mul(targets, 0.5));
      // The task's own loss, of the targets as they came in: twice those that the tap above left.
      train.transformLoss.tap((_, step) => task.traceLoss(step.outputs, step.ops.mul(step.targets, 2), step));
    });
    const config = { ...plain, batchSize: 6, epochs: 2 };
    expect((await trainTiny({ registry, config })).weights).toEqual((await trainTiny({ config })).weights);
  });

  it('takes models whose inputs have any name', async () => {
    const graph = (() => {
      const g = new GraphBuilder();
      const renamed = { x: g.input('step', 'float32', ['batch', 4]) };
      for (const [name, value] of Object.entries(inline(g, mlp(), { inputs: renamed }))) g.output(name, value);
      return g.build();
    })();
    const encode = (row: { x?: unknown }) => ({ step: row.x as number[] });
    const config = { epochs: 1, batchSize: 6 };
    const { weights } = await trainTiny({ model: { ...mlpModel(), graph }, encode, config });
    expect(weights).toEqual((await trainTiny({ config })).weights);
  });

  it('keeps an average of the weights', async () => {
    const run = async (maxSteps: number, emaDecay?: number) =>
      (await trainTiny({ config: { ...plain, batchSize: 6, epochs: 9, maxSteps, emaDecay } })).weights;
    const path = [await run(1), await run(2), await run(3), await run(4)];
    const averaged = await run(4, 0.5);
    for (const [name, first] of Object.entries(initial)) {
      const wanted = path.reduce((mean, weights, t) => {
        const decay = Math.min(0.5, (2 + t) / (11 + t));
        return mean.map((value, i) => decay * value + (1 - decay) * weights[name]![i]!);
      }, first);
      wanted.forEach((value, i) => expect(averaged[name]![i]).toBeCloseTo(value, 6));
    }
    // What is evaluated is the average, too.
    const evaluated = await trainTiny({
      config: { ...plain, batchSize: 6, maxSteps: 4, emaDecay: 0.5 },
      validation: points(6, 5),
    });
    expect(evaluated.weights).toEqual(averaged);
    const last = await trainTiny({ config: { ...plain, batchSize: 6, maxSteps: 4 }, validation: points(6, 5) });
    expect(evaluated.report.validation[1]!.metrics['loss']).not.toBe(last.report.validation[1]!.metrics['loss']);
  });
});

describe('padding', () => {
  it('rows have no influence', async () => {
    const rows = points(4, 3);
    const config = { ...plain, epochs: 5 };
    const exact = await trainTiny({ rows, config: { ...config, batchSize: 4 } });
    const padded = await trainTiny({ rows, config: { ...config, batchSize: 32 } });
    expect(distance(exact.weights, padded.weights)).toBeLessThan(1e-6);
    expect(padded.report.curve.map(({ loss }) => loss.toFixed(6))).toEqual(
      exact.report.curve.map(({ loss }) => loss.toFixed(6)),
    );
  });

  it('positions have no influence', async () => {
    const common = { rows: sentences(9, 2), model: bagModel(), encode: encodeSentence };
    const run = (lengthBuckets: readonly number[]) =>
      trainTiny({ ...common, config: { ...plain, epochs: 3, batchSize: 9, lengthBuckets } });
    const [short, long] = [await run([20]), await run([50])];
    expect(distance(short.weights, long.weights)).toBeLessThan(1e-6);
  });

  it('buckets cut no row that `maxLength` keeps', async () => {
    const common = { rows: sentences(12, 2, 30), model: bagModel(), encode: encodeSentence };
    const total = common.rows.reduce((sum, { tokens }) => sum + (tokens as number[]).length, 0);
    const run = (lengthBuckets: readonly number[]) => trainTiny({ ...common, config: { epochs: 1, lengthBuckets } });
    expect((await run([4, 8])).report.tokens).toBe(total);
  });
});

describe('evaluation', () => {
  /** A task whose evaluations return the given values, one after the other. */
  function scripted(values: readonly number[], mode: 'min' | 'max'): Task {
    let at = 0;
    return {
      ...task,
      monitor: { metric: 'score', mode },
      evaluator: () => ({ update: () => undefined, result: () => ({ score: { value: values[at++]! } }) }),
    };
  }
  const run = (values: readonly number[], mode: 'min' | 'max', config: TrainOptions['config'] = {}) =>
    trainTiny({
      config: { ...plain, epochs: values.length, ...config },
      task: scripted(values, mode),
      validation: points(3, 5),
    });

  it.each([
    ['the highest', [0.5, 0.9, 0.7], 'max', 2, {}],
    ['the lowest', [0.5, 0.3, 0.4], 'min', 2, {}],
    ['the first among equals', [0.5, 0.9, 0.9], 'max', 2, {}],
    ['not one that is not a number', [Number.NaN, 0.2, 0.1], 'max', 2, {}],
    ['the one with a gain that counts', [0.5, 0.9, 0.91], 'max', 2, { earlyStopping: { patience: 9, minDelta: 0.05 } }],
    ['the last, when no other is a number', [Number.NaN, Number.NaN, Number.NaN], 'max', 3, {}],
    ['the last, when asked for', [0.5, 0.9, 0.7], 'max', 3, { loadBestModel: false }],
  ] as const)('keeps %s', async (_, values, mode, best, config) => {
    const { weights } = await run(values, mode, config);
    // The same training, ended there.
    const there = await trainTiny({ config: { ...plain, epochs: best } });
    expect(weights).toEqual(there.weights);
  });

  it('stops when nothing is gained any more', async () => {
    const values = [0.5, 0.6, 0.55, 0.58, 0.59, 0.9];
    const { report } = await run(values, 'max', { earlyStopping: { patience: 2 } });
    expect(report).toMatchObject({ stoppedEarly: true, epochs: 4, best: { value: 0.6 } });
    expect((await run(values, 'max', { earlyStopping: { patience: 4 } })).report).toMatchObject({ epochs: 6 });
  });

  it('lets plugins stop, and go on', async () => {
    const stop = tapped(({ train }) => train.shouldStop.tap(({ loss }) => loss !== undefined));
    const validation = points(3, 5);
    expect((await trainTiny({ config: { epochs: 5 }, registry: stop, validation })).report.epochs).toBe(1);
    const goOn = tapped(({ train }) => train.shouldStop.tap(() => false));
    const config = { epochs: 5, learningRate: 1e-9, earlyStopping: { patience: 1, minDelta: 1 } };
    expect((await trainTiny({ config, validation })).report.epochs).toBe(2);
    expect((await trainTiny({ config, registry: goOn, validation })).report.epochs).toBe(5);
  });

  it('says that there is nothing to stop early by', async () => {
    const { logs, report } = await trainTiny({ config: { epochs: 2, earlyStopping: { patience: 1 } } });
    expect(report.epochs).toBe(2);
    expect(logs.filter(({ level }) => level === 'warn').map(({ message }) => message)).toEqual([
      '`earlyStopping` of stage main has no effect: the dataset has no split "validation"',
    ]);
  });

  it('needs the metric that it looks at', async () => {
    const other: Task = { ...task, monitor: { metric: 'f1', mode: 'max' } };
    const error = await failure(trainTiny({ config: { epochs: 1 }, task: other, validation: points(3, 5) }));
    expect(error).toMatchObject({
      code: 'ANNEAL_E_MODEL',
      message: expect.stringContaining('`f1` is not among accuracy, loss'),
    });
  });
});

describe('what is not finite', () => {
  const { NaN: none, POSITIVE_INFINITY: infinite } = Number;
  /** A scalar that is `value` at the given steps, else `normal`. */
  const at = (steps: readonly number[], value: number, normal: number) => (progress: { step: number }) =>
    steps.includes(progress.step) ? value : normal;
  const poison = (step: StepContext, steps: readonly number[], value: number, normal: number) =>
    step.scalar('poison', at(steps, value, normal));

  const kinds = [
    [
      'loss and gradients',
      (steps: readonly number[], value: number) =>
        tapped(({ train }) =>
          train.transformLoss.tap((loss, step) => step.ops.mul(loss, poison(step, steps, value, 1))),
        ),
    ],
    [
      'the loss alone',
      (steps: readonly number[], value: number) =>
        tapped(({ train }) =>
          train.transformLoss.tap((loss, step) => step.ops.add(loss, poison(step, steps, value, 0))),
        ),
    ],
    [
      'one gradient',
      (steps: readonly number[], value: number) =>
        tapped(({ train }) =>
          train.transformGradients.tap((gradients, step) => {
            const name = 'second.weight';
            return new Map([...gradients, [name, step.ops.mul(gradients.get(name)!, poison(step, steps, value, 1))]]);
          }),
        ),
    ],
  ] as const;
  const modes = [1, 3] as const;
  const cases = kinds.flatMap(([what, make]) =>
    modes.flatMap((gradientAccumulationSteps) =>
      [none, infinite].map((value) => [what, value, gradientAccumulationSteps, make] as const),
    ),
  );

  it.each(cases)('%s, %f, accumulation %i: the step is skipped', async (_, value, gradientAccumulationSteps, make) => {
    const config = { ...plain, optimizer: 'adam', learningRate: 0.05, batchSize: 6, gradientAccumulationSteps };
    const steps = gradientAccumulationSteps === 1 ? 6 : 2;
    const { report, weights, logs } = await trainTiny({
      registry: make([steps - 1], value),
      config: { ...config, epochs: 2 },
    });
    // Skipping the last step leaves what the step before left.
    const without = await trainTiny({ config: { ...config, epochs: 2, maxSteps: steps - 1 } });
    expect(weights).toEqual(without.weights);
    expect(report).toMatchObject({ steps, skippedSteps: 1 });
    expect(report.curve.map(({ step }) => step)).toEqual(Array.from({ length: steps - 1 }, (__, i) => i));
    expect(logs.filter(({ level }) => level === 'warn')).toHaveLength(1);
  });

  it.each(modes)('does not count in the bias correction: accumulation %i', async (gradientAccumulationSteps) => {
    // All rows in one step, so that every step sees the same rows: with the first skipped, the next is the first.
    const batchSize = gradientAccumulationSteps === 1 ? 18 : 6;
    const config = { ...plain, optimizer: 'adam', learningRate: 0.05, batchSize, gradientAccumulationSteps };
    const skipped = await trainTiny({ registry: kinds[0][1]([0], none), config: { ...config, epochs: 4 } });
    const fewer = await trainTiny({ config: { ...config, epochs: 3 } });
    expect(distance(skipped.weights, fewer.weights)).toBeLessThan(1e-6);
  });

  it('in one of several batches skips them all, and leaves nothing behind', async () => {
    const rows = points(18, 1);
    const [largest, second] = rows.map(({ x }) => Math.max(...(x as number[]))).toSorted((a, b) => b - a);
    // The row with the largest number is poisoned in the first step.
    const registry = tapped(({ train }) =>
      train.transformInputs.tap(({ x }, step) => {
        const { ops } = step;
        const factor = ops.where(ops.greater(x!, (largest! + second!) / 2), poison(step, [0], none, 1), 1);
        return { x: ops.mul(x!, factor) };
      }),
    );
    const config = { ...plain, optimizer: 'adam', learningRate: 0.05, batchSize: 6, gradientAccumulationSteps: 3 };
    const skipped = await trainTiny({ rows, registry, config: { ...config, epochs: 4 } });
    const fewer = await trainTiny({ rows, config: { ...config, epochs: 3 } });
    expect(skipped.report).toMatchObject({ steps: 4, skippedSteps: 1 });
    expect(distance(skipped.weights, fewer.weights)).toBeLessThan(1e-6);
  });

  const second = 'the forward pass is finite; of 4 gradients 1 are not finite, the first that of "second.weight"';
  it.each([
    [
      'the loss and all gradients',
      kinds[0][1],
      1,
      'the first value that is not finite is of Mul; of 4 gradients 4 are not finite, the first that of "first.weight"',
    ],
    ['the loss alone', kinds[1][1], 1, 'the first value that is not finite is of Add; all gradients are finite'],
    ['one gradient', kinds[2][1], 1, second],
    ['one gradient of several batches', kinds[2][1], 3, second],
  ] as const)('fails after so many in a row: %s', async (_, make, gradientAccumulationSteps, message) => {
    const registry = make([0, 2, 3, 4, 5], none);
    const config = { batchSize: 6, epochs: 30, maxNonFiniteSteps: 3, gradientAccumulationSteps };
    const error = await failure(trainTiny({ registry, config }));
    expect(error).toMatchObject({
      code: 'ANNEAL_E_TRAIN',
      message: expect.stringContaining('not finite 3 steps in a row'),
      path: ['stages', 'main', 'train'],
      fix: expect.stringContaining('lower `train.learningRate`'),
    });
    expect(error.message).toContain('at step 4');
    expect(error.message).toContain(message);
  });

  it('may be the norm alone', async () => {
    const rows = points(6, 1).map((row) => ({ ...row, x: (row['x'] as number[]).map((value) => value * 1e38) }));
    const registry = tapped(({ train }) => train.transformLoss.tap((loss, { ops }) => ops.mul(loss, 1e38)));
    const error = await failure(trainTiny({ rows, registry, config: { epochs: 10, maxNonFiniteSteps: 2 } }));
    expect(error.code).toBe('ANNEAL_E_TRAIN');
    expect(error.message).toContain('all values and gradients are finite, but the norm of the gradients overflows');
  });

  it('is looked for in forward order, whatever the order of the parameters; minus infinity may be a mask', async () => {
    const g = new GraphBuilder();
    const { ops } = g;
    const weight = (name: string) =>
      g.parameter(name, tensor('float32', [4, 4], Array<number>(16).fill(1)), { trainable: true });
    const [late, early] = [weight('a.late'), weight('b.early')];
    const x = g.input('x', 'float32', ['batch', 4]);
    const masked = g.scope('mask', () => ops.sub(x, ops.constant(tensor('float32', [4], [0, 0, 0, Infinity]))));
    const h = g.scope('lower', () => ops.matmul(ops.softmax(masked), early));
    const broken = g.scope('upper', () => ops.log(ops.sub(ops.matmul(h, late), 1e3)));
    g.output('logits', ops.take(broken, ops.constant(tensor('int64', [3], [0n, 1n, 2n])), { axis: 1 }));
    const model = { ...mlpModel(), graph: g.build() };
    const error = await failure(trainTiny({ model, config: { epochs: 10, maxNonFiniteSteps: 2 } }));
    expect(error.message).toContain('is of Log in upper; of 2 gradients 2 are not finite, the first that of "b.early"');
  });
});

describe('traced hooks', () => {
  it.each([
    ['loses a gradient', new Map(), 'received none'],
    ['gives one of another shape', 'reshaped', 'received float32[3, 6]'],
  ])('are told when a tap %s', async (_, result, message) => {
    const registry = tapped(({ train }) =>
      train.transformGradients.tap((gradients, { ops }) => {
        if (typeof result !== 'string') return result as typeof gradients;
        return new Map([...gradients, ['second.weight', ops.transpose(gradients.get('second.weight')!)]]);
      }),
    );
    for (const gradientAccumulationSteps of [1, 2]) {
      const error = await failure(trainTiny({ registry, config: { batchSize: 6, gradientAccumulationSteps } }));
      expect(error).toMatchObject({ code: 'ANNEAL_E_TRAIN', message: expect.stringContaining(message) });
    }
  });

  it('must leave the loss a scalar', async () => {
    const registry = tapped(({ train }) => train.transformLoss.tap((loss, { ops }) => ops.reshape(loss, [1])));
    expect(await failure(trainTiny({ registry }))).toMatchObject({
      code: 'ANNEAL_E_SHAPE',
      message: expect.stringContaining('received float32[1]'),
    });
  });

  it('see schedules step by step, and two of one name apart', async () => {
    const seen: [string, number, number][] = [];
    const schedule = (name: string) => (progress: { step: number; totalSteps: number }) => {
      seen.push([name, progress.step, progress.totalSteps]);
      return 1;
    };
    const registry = tapped(({ train }) => {
      train.transformLoss.tap((loss, { ops, scalar }) => ops.mul(loss, scalar('weight', schedule('a'))));
      train.transformLoss.tap((loss, { ops, scalar }) => ops.mul(loss, scalar('weight', schedule('b'))));
    });
    await trainTiny({ registry, config: { batchSize: 9, epochs: 1 } });
    expect(seen).toEqual([
      ['a', 0, 2],
      ['b', 0, 2],
      ['a', 1, 2],
      ['b', 1, 2],
    ]);
  });

  it('change inputs, outputs and targets', async () => {
    // Negated twice, on the way in and by the weights' sign, is as if nothing was: checked on the loss of the first step.
    const config = { maxSteps: 1, batchSize: 18 };
    const loss = async (registry?: HookRegistry) => (await trainTiny({ registry, config })).report.curve[0]!.loss;
    const swapped = tapped(({ train }) => {
      train.transformOutputs.tap((outputs, { ops }) => ({
        logits: ops.take(outputs['logits']!, indices(ops), { axis: 1 }),
      }));
      train.transformTargets.tap((targets, { ops }) => ops.take(targets, indices(ops), { axis: 1 }));
    });
    const indices = (ops: StepContext['ops']) => ops.constant(tensor('int64', [3], [2n, 0n, 1n]));
    expect(await loss(swapped)).toBeCloseTo(await loss(), 6);
    const zeroed = tapped(({ train }) => train.transformInputs.tap(({ x }, { ops }) => ({ x: ops.mul(x!, 0) })));
    expect(await loss(zeroed)).toBeCloseTo(Math.log(3), 6);
  });
});
