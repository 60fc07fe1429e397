import { readFileSync } from 'node:fs';

import { isAnnealError, type StepContext, type Task, type TrainContext } from '@anneal/core';
import { evaluate, GraphBuilder, gradients, tensor, type Value } from '@anneal/graph';
import { seededRandom, setupPlugin, stepContext } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';

import { labelSmoothing, type LabelSmoothingOptions } from '../src/index.ts';

interface Golden {
  readonly shape: readonly number[];
  readonly epsilon: number;
  readonly logits: readonly number[];
  readonly labels: readonly number[];
  readonly loss: number;
  readonly gradient: readonly number[];
}

const goldens = JSON.parse(readFileSync(new URL('./fixtures/torch.json', import.meta.url), 'utf8')) as {
  readonly cases: readonly Golden[];
};

const taskOf = (kind: string): Task => ({ kind }) as Task;

/** The targets as the plugin leaves them. */
async function smoothed(
  g: GraphBuilder,
  targets: Value,
  options: LabelSmoothingOptions = {},
  context: Partial<StepContext> = {},
): Promise<Value> {
  const tap = (await setupPlugin(labelSmoothing(options))).tap('train', 'transformTargets');
  const step = stepContext(g, { task: taskOf('classification'), batchSize: 1, ...context });
  return tap(targets, step) ?? targets;
}

/** One-hot rows; zeros where the label is -1. */
function oneHot(labels: readonly number[], classes: number): number[] {
  return labels.flatMap((label) => Array.from({ length: classes }, (_, k) => Number(k === label)));
}

describe('label smoothing', () => {
  it.each(goldens.cases)('with ε $epsilon and targets $shape is what PyTorch computes', async (golden) => {
    const { shape, epsilon, labels } = golden;
    const kind = shape.length === 2 ? 'classification' : 'language-modeling';
    const g = new GraphBuilder();
    const { ops } = g;
    const logits = g.input('logits', 'float64', shape);
    const targets = await smoothed(g, g.input('targets', 'float64', shape), { epsilon }, { task: taskOf(kind) });
    const total = ops.neg(ops.sum(ops.mul(targets, ops.logSoftmax(logits))));
    const loss = ops.div(total, labels.filter((label) => label >= 0).length);
    g.output('loss', loss);
    g.output('gradient', gradients(g, loss, [logits]).get(logits)!);
    const feeds = {
      logits: tensor('float64', shape, golden.logits),
      targets: tensor('float64', shape, oneHot(labels, shape.at(-1)!)),
    };
    const found = evaluate(g.build(), feeds);
    expect(Number(found['loss']!.data[0])).toBeCloseTo(golden.loss, 12);
    golden.gradient.forEach((value, i) => expect(Number(found['gradient']!.data[i])).toBeCloseTo(value, 12));
  });

  it('takes ε from the true class and spreads it over all', async () => {
    const g = new GraphBuilder();
    g.output('y', await smoothed(g, g.constant(tensor('float32', [1, 4], [0, 0, 1, 0])), { epsilon: 0.1 }));
    const wanted = [0.025, 0.025, 0.925, 0.025];
    evaluate(g.build(), {})['y']!.data.forEach((value, k) => expect(Number(value)).toBeCloseTo(wanted[k]!, 6));
  });

  it('keeps the mass of any distribution, and 0 where there is none', async () => {
    const next = seededRandom(7);
    for (let round = 0; round < 20; round++) {
      const [rows, classes] = [1 + Math.floor(next() * 4), 2 + Math.floor(next() * 5)];
      const epsilon = next() * 0.9;
      const values = Array.from({ length: rows }, (_, r) =>
        Array.from({ length: classes }, () => (r === 0 ? 0 : next())),
      );
      const g = new GraphBuilder();
      g.output('y', await smoothed(g, g.constant(tensor('float32', [rows, classes], values.flat())), { epsilon }));
      const { y } = evaluate(g.build(), {}, { precision: 'float64' });
      values.forEach((row, r) => {
        const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);
        const found = Array.from(y!.data.slice(r * classes, (r + 1) * classes), Number);
        expect(sum(found)).toBeCloseTo(sum(row), 5);
      });
    }
  });

  it('is 0.1 unless told otherwise', async () => {
    const g = new GraphBuilder();
    g.output('y', await smoothed(g, g.constant(tensor('float32', [1, 2], [1, 0]))));
    expect(Number(evaluate(g.build(), {})['y']!.data[0])).toBeCloseTo(0.95, 6);
  });

  it('with ε 0, or a task without classes, adds nothing to the graph', async () => {
    const g = new GraphBuilder();
    const targets = g.input('targets', 'float32', [2, 3]);
    expect(await smoothed(g, targets, { epsilon: 0 })).toBe(targets);
    expect(await smoothed(g, targets, {}, { task: taskOf('regression') })).toBe(targets);
    expect(g.nodes).toHaveLength(0);
  });

  it('says once that a task has no classes', async () => {
    const plugin = await setupPlugin(labelSmoothing());
    const beforeTrain = plugin.tap('train', 'beforeTrain');
    await beforeTrain({ task: taskOf('classification') } as TrainContext);
    expect(plugin.logs).toEqual([]);
    await beforeTrain({ task: taskOf('regression') } as TrainContext);
    expect(plugin.logs).toEqual([
      {
        level: 'warn',
        tag: 'label-smoothing',
        message: 'A task of kind "regression" has no classes: nothing is smoothed',
      },
    ]);
  });
});

describe('errors', () => {
  async function failure(promise: Promise<unknown>): Promise<string> {
    try {
      await promise;
    } catch (error) {
      if (isAnnealError(error)) return `${error.code} ${error.plugin}: ${error.message}`;
    }
    return 'no error';
  }

  it('targets that are no distributions', async () => {
    const g = new GraphBuilder();
    expect(await failure(smoothed(g, g.input('ids', 'int64', [3])))).toMatchInlineSnapshot(
      `"ANNEAL_E_SHAPE label-smoothing: targets must be one-hot floats [..., classes], received int64[3]"`,
    );
    expect(await failure(smoothed(g, g.input('one', 'float32', [3, 1])))).toMatchInlineSnapshot(
      `"ANNEAL_E_SHAPE label-smoothing: targets must be one-hot floats [..., classes], received float32[3, 1]"`,
    );
    expect(await failure(smoothed(g, g.input('any', 'float32', [3, 'classes'])))).toMatchInlineSnapshot(
      `"ANNEAL_E_SHAPE label-smoothing: targets must be one-hot floats [..., classes], received float32[3, classes]"`,
    );
  });

  it('options out of range or unknown', async () => {
    expect(await failure(setupPlugin(labelSmoothing({ epsilon: 1 })))).toMatchInlineSnapshot(
      `"ANNEAL_E_OPTIONS label-smoothing: option \`epsilon\` must be <1, received 1"`,
    );
    expect(await failure(setupPlugin(labelSmoothing({ epsilon: -0.1 })))).toMatchInlineSnapshot(
      `"ANNEAL_E_OPTIONS label-smoothing: option \`epsilon\` must be >=0, received -0.1"`,
    );
    expect(await failure(setupPlugin(labelSmoothing({ epsilno: 0.1 } as LabelSmoothingOptions)))).toMatchInlineSnapshot(
      `"ANNEAL_E_OPTIONS label-smoothing: unknown option \`epsilno\`, did you mean \`epsilon\`?"`,
    );
  });
});
