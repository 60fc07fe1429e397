import { type Dataset, isAnnealError, type Row, type Task } from '@anneal/core';
import { evaluate, GraphBuilder, gradients, tensor } from '@anneal/graph';
import { setupPlugin, stepContext } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';

import { textClassification, type TextClassificationOptions } from '../src/index.ts';
import { fixture } from './fixtures.ts';

function datasetOf(train: readonly Row[], test: readonly Row[] = train): Dataset {
  return { splits: { train, validation: [], test }, report: { rowsIn: 0, dropped: {}, samples: [], splits: {} } };
}

const rows: readonly Row[] = [
  { id: 'a', text: 'x', label: 'spam' },
  { id: 'b', text: 'y', label: 'ham' },
  { id: 'c', text: 'z', label: 'ham' },
];

async function taskOf(options: TextClassificationOptions, dataset: Dataset = datasetOf(rows)): Promise<Task> {
  const plugin = await setupPlugin(textClassification(options));
  return (await plugin.tap('data', 'resolveTask')(dataset, plugin.phase)) as Task;
}

/** Code, message and fix of the error of a promise. */
async function failure(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (isAnnealError(error))
      return [error.code, error.message, ...(error.fix === undefined ? [] : [error.fix])].join('\n');
  }
  return 'no error';
}

describe('classes', () => {
  it('are those of the training rows, sorted', async () => {
    const task = await taskOf({});
    expect(task.kind).toBe('classification');
    expect(task.labels).toEqual(['ham', 'spam']);
    expect(task.targets).toEqual({ labels: { dtype: 'int64', shape: [] } });
    expect(task.monitor).toEqual({ metric: 'logLoss', mode: 'min' });
  });

  it('are in the given order, and may have more than the rows', async () => {
    const task = await taskOf({ labels: ['spam', 'ham', 'eggs'], monitor: 'f1' });
    expect(task.labels).toEqual(['spam', 'ham', 'eggs']);
    expect(task.monitor).toEqual({ metric: 'f1', mode: 'max' });
    expect(task.encode({ row: rows[0]!, features: { input_ids: [1] } }).features).toEqual({
      input_ids: [1],
      labels: 0,
    });
  });

  it('may be numbers and booleans in another column', async () => {
    const numbered = [{ stars: 1 }, { stars: 2 }, { stars: 10 }];
    expect((await taskOf({ labelColumn: 'stars' }, datasetOf(numbered))).labels).toEqual(['1', '10', '2']);
    const flagged = [{ ok: true }, { ok: false }];
    expect((await taskOf({ labelColumn: 'ok' }, datasetOf(flagged))).labels).toEqual(['false', 'true']);
  });

  it('leave a row to predict as it is', async () => {
    const sample = { row: { text: 'q' }, features: { input_ids: [1] } };
    expect((await taskOf({})).encode(sample)).toBe(sample);
  });
});

describe('unusable data and options', () => {
  it('no training rows', async () => {
    expect(await failure(taskOf({}, datasetOf([], rows)))).toMatchInlineSnapshot(`
      "ANNEAL_E_DATA
      the \`train\` split is empty, received 0 rows"
    `);
  });

  it('one class only', async () => {
    expect(await failure(taskOf({}, datasetOf(rows.slice(1))))).toMatchInlineSnapshot(`
      "ANNEAL_E_DATA
      all 2 training rows are of one class, received "ham"
      a classifier needs rows of at least two classes"
    `);
  });

  it('a column that is not there', async () => {
    expect(await failure(taskOf({ labelColumn: 'class' }))).toMatchInlineSnapshot(`
      "ANNEAL_E_DATA
      no row has a class in \`class\`, received the columns "id", "text", "label"
      name the column of the class in \`labelColumn\`"
    `);
  });

  it('a row without a class', async () => {
    expect(await failure(taskOf({}, datasetOf([...rows, { id: 'd', label: null }])))).toMatchInlineSnapshot(`
      "ANNEAL_E_DATA
      row 3 of split \`train\` (id "d") has no class in \`label\`, received null
      the classes are "ham", "spam"; map or drop other rows in the data"
    `);
  });

  it('an unknown class in any split', async () => {
    expect(await failure(taskOf({}, datasetOf(rows, [...rows, { id: 'e', label: 'eggs' }])))).toMatchInlineSnapshot(`
      "ANNEAL_E_DATA
      row 3 of split \`test\` (id "e") has an unknown class, received "eggs"
      the classes are "ham", "spam"; map or drop other rows in the data"
    `);
    const task = await taskOf({});
    const encode = async (): Promise<unknown> => task.encode({ row: { label: 'eggs' }, features: {} });
    expect(await failure(encode())).toMatchInlineSnapshot(`
      "ANNEAL_E_DATA
      a row has an unknown class, received "eggs"
      the classes are "ham", "spam"; map or drop other rows in the data"
    `);
  });

  it('a positive class that is not one', async () => {
    expect(await failure(taskOf({ positiveLabel: 'spma' }))).toMatchInlineSnapshot(`
      "ANNEAL_E_OPTIONS
      \`positiveLabel\` must be one of "ham", "spam", received "spma""
    `);
    expect(await failure(taskOf({ labels: ['a', 'b'], positiveLabel: 'c' }))).toMatchInlineSnapshot(`
      "ANNEAL_E_OPTIONS
      option \`positiveLabel\` must be one of "a", "b", received "c""
    `);
  });

  it('weights for a class that is not one', async () => {
    expect(await failure(taskOf({ classWeights: { spma: 2 } }))).toMatchInlineSnapshot(`
      "ANNEAL_E_OPTIONS
      \`classWeights\` names a class that is not one, received "spma"
      the classes are "ham", "spam""
    `);
  });

  it('repeated classes, an unknown option', async () => {
    expect(await failure(taskOf({ labels: ['a', 'a'] }))).toMatchInlineSnapshot(`
      "ANNEAL_E_OPTIONS
      option \`labels\` must not repeat a class, received ["a", "a"]"
    `);
    expect(await failure(taskOf({ lables: ['a', 'b'] } as TextClassificationOptions))).toMatchInlineSnapshot(`
      "ANNEAL_E_OPTIONS
      unknown option \`lables\`, did you mean \`labels\`?
      use \`labels\`"
    `);
    expect(await failure(taskOf({ monitor: 'acuracy' as 'accuracy' }))).toMatchInlineSnapshot(`
      "ANNEAL_E_OPTIONS
      option \`monitor\` must be ("accuracy" | "precision" | "recall" | "f1" | "auroc" | "ece" | "logLoss" | "brier"), received "acuracy""
    `);
  });
});

interface LossFixture {
  readonly cases: readonly {
    readonly logits: readonly (readonly number[])[];
    readonly labels: readonly number[];
    readonly rows: number;
    readonly weights: readonly number[] | null;
    readonly loss: number;
  }[];
}

describe('the loss', () => {
  const names = ['class 0', 'class 1', 'class 2'];

  async function lossOf(
    options: TextClassificationOptions,
    golden: Pick<LossFixture['cases'][number], 'logits' | 'labels' | 'rows'>,
    train: readonly Row[] = names.map((label) => ({ label })),
  ): Promise<{ loss: number; weight: number; gradient: number[] }> {
    const task = await taskOf({ labels: names, ...options }, datasetOf(train));
    const { logits, labels, rows: count } = golden;
    const batchSize = labels.length;
    const g = new GraphBuilder();
    const features = { labels: g.input('labels', 'int64', [batchSize]) };
    const step = stepContext(g, { task, batchSize, features });
    const output = g.input('logits', 'float32', [batchSize, 3]);
    const targets = task.traceTargets(features, step);
    const loss = task.traceLoss({ logits: output }, targets, step);
    g.output('loss', loss);
    g.output('weight', task.traceWeight!(features, step, targets));
    g.output('gradient', gradients(g, loss, [output]).get(output)!);
    const found = evaluate(
      g.build(),
      {
        labels: tensor('int64', [batchSize], labels),
        logits: tensor('float64', [batchSize, 3], logits.flat()),
        sample_weights: tensor(
          'float32',
          [batchSize],
          labels.map((_, i) => Number(i < count)),
        ),
      },
      { precision: 'float64' },
    );
    const [loss_, weight] = [found['loss'], found['weight']].map((value) => Number(value!.data[0])) as [number, number];
    return { loss: loss_, weight, gradient: Array.from(found['gradient']!.data, Number) };
  }

  const { cases } = fixture<LossFixture>('loss.json');

  it.each(cases)('is what PyTorch computes, with weights $weights', async (golden) => {
    const weights = golden.weights ?? undefined;
    const classWeights = weights && Object.fromEntries(weights.map((weight, k) => [names[k]!, weight]));
    const { loss, gradient } = await lossOf({ classWeights }, golden);
    expect(loss).toBeCloseTo(golden.loss, 12);
    // Padding rows have no gradient.
    expect(gradient.slice(golden.rows * 3).every((value) => value === 0)).toBe(true);
    expect(gradient.slice(0, golden.rows * 3).every((value) => value !== 0)).toBe(true);
  });

  it.each(cases)('of parts, by their weight, is that of the whole, with weights $weights', async (golden) => {
    const classWeights = golden.weights
      ? Object.fromEntries(golden.weights.map((weight, k) => [names[k]!, weight]))
      : undefined;
    const part = (from: number, to: number) =>
      lossOf(
        { classWeights },
        {
          logits: golden.logits.slice(from, to),
          labels: golden.labels.slice(from, to),
          rows: Math.min(golden.rows, to) - from,
        },
      );
    const [first, rest] = [await part(0, 1), await part(1, golden.labels.length)];
    const sum = first.weight * first.loss + rest.weight * rest.loss;
    expect(sum / (first.weight + rest.weight)).toBeCloseTo(golden.loss, 6);
  });

  it('balanced weights are the inverse frequencies of the training rows', async () => {
    const train = [0, 0, 0, 1, 1, 2].map((k) => ({ label: names[k]! }));
    const [golden] = cases;
    const balanced = await lossOf({ classWeights: 'balanced' }, golden!, train);
    const byHand = { 'class 0': 6 / 9, 'class 1': 1, 'class 2': 2 };
    expect(balanced.loss).toBeCloseTo((await lossOf({ classWeights: byHand }, golden!)).loss, 6);
  });

  it('stays finite for extreme logits', async () => {
    const { loss, gradient } = await lossOf({}, { logits: [[5000, -5000, 0]], labels: [1], rows: 1 });
    expect(loss).toBe(10_000);
    expect(gradient).toEqual([1, -1, 0]);
  });

  it('says what is wrong with outputs and targets', async () => {
    const task = await taskOf({});
    const g = new GraphBuilder();
    const labels = g.input('labels', 'int64', [2]);
    const step = stepContext(g, { task, batchSize: 2, features: { labels } });
    const trace = async (fn: () => unknown): Promise<unknown> => fn();
    const targets = task.traceTargets({ labels }, step);
    expect(await failure(trace(() => task.traceTargets({}, step)))).toMatchInlineSnapshot(`
      "ANNEAL_E_DATA
      the batch has no \`labels\`, so there is nothing to train towards
      every training row needs a class"
    `);
    expect(await failure(trace(() => task.traceLoss({ hidden: targets }, targets, step)))).toMatchInlineSnapshot(`
      "ANNEAL_E_MODEL
      the model has no output \`logits\`, received hidden"
    `);
    const wide = g.input('logits', 'float32', [2, 3]);
    expect(await failure(trace(() => task.traceLoss({ logits: wide }, targets, step)))).toMatchInlineSnapshot(`
      "ANNEAL_E_SHAPE
      \`logits\` and targets differ in shape, received [2,3] and [2,2]
      the model must have one output per class"
    `);
  });
});

describe('the baseline', () => {
  const train = Array.from({ length: 30 }, (_, i) => ({
    text: i % 2 === 0 ? 'lunch meeting agenda' : 'win money now',
    label: i % 2 === 0 ? 'ham' : 'spam',
  }));

  async function baselineOf(options: TextClassificationOptions, signal?: AbortSignal): Promise<unknown> {
    const plugin = await setupPlugin(textClassification(options), { signal });
    const dataset = datasetOf(train);
    const task = (await plugin.tap('data', 'resolveTask')(dataset, plugin.phase)) as Task;
    const model = undefined as never;
    const ctx = { ...plugin.phase, dataset, task, split: train, model, reference: model, predict: model };
    return plugin.tap('evaluate', 'resolveBaseline')(ctx);
  }

  it('is measured on the split', async () => {
    expect(await baselineOf({ bootstrapSamples: 100 })).toMatchObject({ 'tfidf-logreg': { accuracy: { value: 1 } } });
  });

  it('can be left out', async () => {
    expect(await baselineOf({ baseline: false })).toBeUndefined();
  });

  it('stops when the run is stopped', async () => {
    await expect(baselineOf({}, AbortSignal.abort(new Error('stopped')))).rejects.toThrow('stopped');
  });
});
