import type { Evaluator, Metric, PluginInput, Row, Sample, Task } from '@anneal/core';
import { bind, type Value } from '@anneal/graph';
import { describe, expect, it } from 'vitest';

import { rowsWithin } from '../../src/build/samples.ts';
import { failure, folder, inline, pipelineOf } from '../tiny/build.ts';
import { dataset, evaluator, mlpModel, mlpPlugin, task as plain } from '../tiny/problem.ts';

/** The loss of each row, from what was traced. */
function lossEvaluator(): Evaluator {
  let [rows, loss] = [0, 0];
  return {
    update: (batch, outputs) => {
      expect(Object.keys(outputs)).toEqual(['losses', 'label']);
      for (const output of Object.values(outputs)) expect(output.shape).toEqual([batch.length]);
      rows += batch.length;
      for (const value of outputs['losses']!.data) loss += Number(value);
    },
    result: () => ({ loss: { value: loss / rows } }),
  };
}

/** The tiny task with its outputs evaluated in the graph; a feature is passed on under its own name. */
const traced: Task = {
  ...plain,
  traceEvaluation: ({ logits }, { ops, features: { label } }) => {
    const targets = ops.oneHot(label as Value, 3);
    const losses = ops.neg(ops.sum(ops.mul(targets, ops.logSoftmax(logits as Value)), { axes: [1] }));
    return { losses, label: label as Value };
  },
  evaluator: lossEvaluator,
};

interface Seen {
  readonly maxLengths: Set<number>;
  readonly packed: (readonly [samples: number, maxLength: number])[];
}

function plugins(task: Task, seen: Seen = { maxLengths: new Set(), packed: [] }): PluginInput[] {
  const data = inline('rows', (api) => {
    api.hooks.data.resolveDataset.tap(() => dataset({ test: 7, validation: 5 }));
    api.hooks.data.transformSample.tap((sample, { maxLength }) => {
      seen.maxLengths.add(maxLength);
      return { ...sample, features: { x: sample.row['x'] as number[] } };
    });
  });
  const answers = inline('answers', (api) => {
    api.hooks.data.resolveTask.tap(() => task);
  });
  return [data({}), answers({}), mlpPlugin()];
}

async function build(task: Task, seen?: Seen): Promise<{ validation: number[]; test: number }> {
  await using pipeline = await pipelineOf(folder(), { plugins: plugins(task, seen) });
  const { report } = await pipeline.run();
  return {
    validation: report.train[0]!.validation.map(({ metrics }) => metrics['loss']!),
    test: (report.metrics.before!['loss'] as Metric).value,
  };
}

describe('a task that traces its evaluation', () => {
  it('measures what it would from the outputs, while training and after', async () => {
    const [wanted, actual] = [await build(plain), await build(traced)];
    expect(actual.validation).toHaveLength(2);
    expect(actual.validation.map((loss, i) => Math.abs(loss - wanted.validation[i]!) < 1e-6)).toEqual([true, true]);
    expect(Math.abs(actual.test - wanted.test)).toBeLessThan(1e-6);
  });

  it('measures an emitted folder, and predicts rows by what it evaluates', async () => {
    const root = folder();
    await using pipeline = await pipelineOf(root, { plugins: plugins(traced) });
    const { report } = await pipeline.run();
    const { metrics, predictions } = await pipeline.evaluate();
    expect(Math.abs(metrics!['loss']!.value - (report.metrics.before!['loss'] as Metric).value)).toBeLessThan(1e-6);
    expect(predictions).toHaveLength(7);
    const rows: readonly Row[] = [
      { x: [1, 0, 0, 0], label: 0 },
      { x: [0, 1, 0, 0], label: 1 },
    ];
    const predicted = await pipeline.evaluate({ rows });
    expect(predicted.metrics).toBeUndefined();
    expect(predicted.predictions.map(({ row }) => row)).toEqual(rows);
    expect(predicted.predictions.map(({ outputs }) => Object.keys(outputs))).toEqual(
      rows.map(() => ['losses', 'label']),
    );
    expect(predicted.predictions.map(({ outputs }) => outputs['label'])).toEqual([[0], [1]]);
  });

  it('must keep the batch', async () => {
    const summing: Task = { ...traced, traceEvaluation: ({ logits }, { ops }) => ({ sum: ops.sum(logits as Value) }) };
    await using pipeline = await pipelineOf(folder(), { plugins: plugins(summing) });
    const error = await failure(pipeline.run());
    expect([error.code, error.message]).toEqual([
      'ANNEAL_E_SHAPE',
      '`traceEvaluation` must keep the batch as the first axis, received "sum" of []',
    ]);
  });
});

describe('a task that packs', () => {
  /** Every sample but the last of a split: whatever it makes of them is trained and evaluated. */
  const packing = (seen: Seen, base: Task): Task => ({
    ...base,
    pack: (samples: readonly Sample[], maxLength) => {
      seen.packed.push([samples.length, maxLength]);
      return samples.slice(0, -1);
    },
  });

  it('gets all samples of a split, made of rows that are not cut', async () => {
    const seen: Seen = { maxLengths: new Set(), packed: [] };
    const root = folder();
    await using pipeline = await pipelineOf(root, { plugins: plugins(packing(seen, traced), seen) });
    await pipeline.run();
    expect(seen.packed).toEqual([
      [18, 64],
      [5, 64],
      [7, 64],
    ]);
    // Rows that are only predicted, for latencies, are cut.
    expect([...seen.maxLengths]).toEqual([Infinity, 64]);
    expect((await pipeline.evaluate()).predictions).toHaveLength(6);
    const count = seen.packed.length;
    expect((await pipeline.evaluate({ rows: dataset().splits['test']! })).predictions).toHaveLength(6);
    expect(seen.packed).toHaveLength(count);
  });

  it('need not trace its evaluation', async () => {
    const seen: Seen = { maxLengths: new Set(), packed: [] };
    const rows: number[] = [];
    const counting = (): Evaluator => {
      const inner = evaluator();
      return { ...inner, update: (batch, outputs) => (rows.push(batch.length), inner.update(batch, outputs)) };
    };
    await build(packing(seen, { ...plain, evaluator: counting }), seen);
    // Two evaluations while training of the four samples that are left, and all seven rows at the end.
    expect(rows.reduce((a, b) => a + b)).toBe(4 + 4 + 7);
  });
});

it('a parameter that a stage does not train is frozen for its loss', async () => {
  const seen: Record<string, boolean | undefined> = {};
  const looking: Task = {
    ...plain,
    traceLoss: (outputs, targets, step) => {
      for (const name of ['first.weight', 'second.weight']) seen[name] = step.ops.graph.findParameter(name)?.trainable;
      return plain.traceLoss(outputs, targets, step);
    },
  };
  const freezing = inline('freezing', (api) => {
    api.hooks.train.shouldTrain.tap((name) => name.startsWith('second'));
  });
  await using pipeline = await pipelineOf(folder(), { plugins: [...plugins(looking), freezing({})] });
  await pipeline.run();
  expect(seen).toEqual({ 'first.weight': false, 'second.weight': undefined });
});

it('keeps outputs of as many rows as fit, and of one at least', () => {
  const model = mlpModel();
  expect(rowsWithin(model, 64, 100)).toBe(100);
  const wide = { ...model, graph: bind(model.graph, {}) };
  const output = wide.graph.outputs.get('logits')!;
  const shapes = (shape: readonly (number | string)[]): typeof wide => ({
    ...wide,
    graph: { ...wide.graph, outputs: new Map([['logits', { ...output, shape } as Value]]) },
  });
  expect(rowsWithin(shapes(['batch', 'sequence', 4096]), 256, 100)).toBe(16);
  expect(rowsWithin(shapes(['batch', 'sequence', 49_152]), 8192, 100)).toBe(1);
});
