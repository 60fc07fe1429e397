import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { type CompressContext, type Dataset, type Model, STAGE, type Task, type UserConfig } from '@anneal/core';
import { type Backend, GraphBuilder, inline as into, referenceBackend, withParameters } from '@anneal/graph';
import { describe, expect, it } from 'vitest';

import {
  basePlugins,
  config,
  copying,
  failure,
  folder,
  inline,
  listener,
  pipelineOf,
  project,
  rounded,
  rounding,
} from '../tiny/build.ts';
import { dataset, mlpModel, mlpPlugin, points, pointsPlugin, task, taskPlugin } from '../tiny/problem.ts';

async function run(overrides: UserConfig = {}, root: string = project()) {
  const { onEvent, told } = listener();
  const pipeline = await pipelineOf(root, overrides);
  const result = await pipeline.run({ onEvent });
  return { ...result, ...told() };
}
const failing = (overrides: UserConfig) => failure(run(overrides));
const data = (made: unknown) => inline('data', ({ hooks }) => hooks.data.resolveDataset.tap(() => made as Dataset))({});
const report = { rowsIn: 0, dropped: {}, samples: [], splits: {} };
const row = { x: [1, 0, 0, 0], label: 0 };

describe('a build without', () => {
  it.each([
    ['data', [taskPlugin({}), mlpPlugin()], 'no plugin gives a dataset (`data.resolveDataset`)', 'add a data plugin'],
    [
      'a task',
      [pointsPlugin(), mlpPlugin()],
      'no plugin says what the model is for (`data.resolveTask`)',
      'add a task plugin',
    ],
    [
      'a model',
      [pointsPlugin(), taskPlugin({})],
      'no plugin gives a model (`model.resolveModel`)',
      'add a model plugin',
    ],
  ])('%s says which plugin is missing', async (_, plugins, message, fix) => {
    expect(await failing({ plugins })).toMatchObject({
      code: 'ANNEAL_E_UNANSWERED',
      message,
      fix: expect.stringContaining(fix),
    });
  });

  it.each([
    ['no rows', { train: 0 }, 'split "train" is empty'],
    ['an empty validation split', { validation: 0 }, 'split "validation" is empty'],
    ['no training split', { train: -1 }, 'the dataset has no split "train", received validation, test'],
    ['no test split', { test: -1 }, 'the dataset has no split "test" to evaluate on, received train, validation'],
  ])('%s is told before training', async (_, options, message) => {
    const { onEvent, told } = listener();
    const pipeline = await pipelineOf(project(), { plugins: [pointsPlugin(options), taskPlugin({}), mlpPlugin()] });
    expect(await failure(pipeline.run({ onEvent }))).toMatchObject({ code: 'ANNEAL_E_DATA', message });
    expect(told().events.some(({ type }) => type === 'step')).toBe(false);
  });

  it('a test split is fine where nothing is evaluated', async () => {
    const plugins = [pointsPlugin({ test: -1 }), taskPlugin({}), mlpPlugin()];
    expect((await run({ plugins, stages: { main: { evaluate: false } } })).outDir).toBeDefined();
  });

  it('a validation split trains all the same', async () => {
    const {
      report: { train },
    } = await run({ plugins: [pointsPlugin({ validation: -1 }), taskPlugin({}), mlpPlugin()] });
    expect(train[0]).toMatchObject({ steps: 6, validation: [], best: undefined });
  });
});

describe('data', () => {
  it.each([
    ['nothing of the kind', 'rows', 'received "rows"'],
    ['splits that are no lists', { splits: { train: 3 }, report }, 'received { splits: { train: 3 }'],
    ['no splits', { report }, 'received { report:'],
    ['null', null, 'received null'],
  ])('that is %s is refused', async (_, made, message) => {
    expect(await failing({ plugins: [data(made), taskPlugin({}), mlpPlugin()] })).toMatchObject({
      code: 'ANNEAL_E_DATA',
      message: expect.stringContaining(message),
      fix: expect.stringContaining('return `{ splits:'),
    });
  });

  it('without the features that the model takes is told', async () => {
    const plugins = [data(dataset()), taskPlugin({}), mlpPlugin()];
    expect(await failing({ plugins })).toMatchObject({
      code: 'ANNEAL_E_DATA',
      message: 'a sample has no feature "x", received label',
      fix: expect.stringContaining('data.transformSample'),
    });
  });

  it('with a row that a plugin cannot take is told with the plugin', async () => {
    const splits = { train: [row, { label: 1 }], validation: [row], test: [row] };
    const reading = inline('reading', ({ hooks }) =>
      hooks.data.transformSample.tap((sample) => ({ ...sample, features: { x: [...(sample.row['x'] as number[])] } })),
    );
    expect(
      await failing({ plugins: [data({ splits, report }), reading({}), taskPlugin({}), mlpPlugin()] }),
    ).toMatchObject({
      code: 'ANNEAL_E_HOOK',
      plugin: 'reading',
      hook: 'data.transformSample',
    });
  });

  it('with a label that is none is told', async () => {
    const splits = { train: [row, { ...row, label: 'spam' }], validation: [row], test: [row] };
    const plugins = [data({ splits, report }), pointsPlugin({}), taskPlugin({}), mlpPlugin()];
    expect(await failing({ plugins })).toMatchObject({
      code: 'ANNEAL_E_DATA',
      message: 'feature "label" must hold integers (int64), received NaN',
    });
  });

  const stage = (where: Record<string, number | string>): UserConfig => ({ stages: { main: { data: { where } } } });
  it('of which a stage selects a column that is not there is told', async () => {
    expect(await failing(stage({ group: 'a' }))).toMatchObject({
      code: 'ANNEAL_E_DATA',
      path: ['stages', 'main', 'data', 'where', 'group'],
      message: 'no row of split "train" has the column `group`, received x, label',
    });
  });

  it('of which a stage selects nothing is told', async () => {
    expect(await failing(stage({ label: 9 }))).toMatchObject({
      code: 'ANNEAL_E_DATA',
      message: 'stage `main` has no training rows: {"label":9} matches none of 18',
    });
  });

  it('of which a stage selects some is trained on those', async () => {
    const stages = { main: { data: { where: { label: [0, 2] }, limit: 5 }, train: { batchSize: 1, epochs: 1 } } };
    expect((await run({ stages })).report.train[0]).toMatchObject({ steps: 5 });
  });
});

describe('training', () => {
  it('on what is not a number fails, and says where', async () => {
    const splits = { ...dataset().splits, train: points(9, 1).map((each) => ({ ...each, x: [Number.NaN, 0, 0, 0] })) };
    // JSON has no NaN: a plugin makes it of what stands there.
    const nan = inline('nan', ({ hooks }) =>
      hooks.data.transformSample.tap((sample) => ({
        ...sample,
        features: { x: (sample.row['x'] as (number | null)[]).map((value) => value ?? Number.NaN) },
      })),
    );
    const error = await failing({
      plugins: [data({ splits, report }), nan({}), taskPlugin({}), mlpPlugin()],
      train: { epochs: 9, maxNonFiniteSteps: 3 },
    });
    expect(error).toMatchObject({
      code: 'ANNEAL_E_TRAIN',
      message: expect.stringContaining(
        'not finite 3 steps in a row, received loss NaN at step 2; the first value that is not finite is of MatMul in first; of 4 gradients 4',
      ),
      fix: expect.stringContaining('learningRate'),
    });
  });

  it('of nothing is refused', async () => {
    const frozen = inline('frozen', ({ hooks }) => hooks.train.shouldTrain.tap(() => false));
    expect(await failing({ plugins: [...basePlugins(), frozen({})] })).toMatchObject({
      code: 'ANNEAL_E_TRAIN',
      message: 'nothing is trainable in stage `main`',
      fix: 'add an adapter plugin, or set `train: false`',
    });
  });

  it('can be left out', async () => {
    const { report: made, phases } = await run({ stages: { main: { train: false } } });
    expect(made.train).toEqual([]);
    expect(phases).toContain('main.train');
  });

  it.each([
    [{ optimizer: 'adamm' }, 'unknown optimizer "adamm"', 'use one of adamw, adam, sgd'],
    [{ optimizer: { name: 'adamw', momentum: 1 } }, 'has no option `momentum`', 'use beta1, beta2, epsilon'],
  ])('with %o is refused', async (train, message, fix) => {
    expect(await failing({ train })).toMatchObject({
      code: 'ANNEAL_E_CONFIG',
      message: expect.stringContaining(message),
      fix: expect.stringContaining(fix),
    });
  });

  it('takes the optimizer of a plugin', async () => {
    const still = inline('still', ({ hooks }) =>
      hooks.train.resolveOptimizer.tap((name) =>
        name === 'still' ? { name, state: () => ({}), update: (parameter) => ({ parameter, state: {} }) } : undefined,
      ),
    );
    const root = project();
    await run({ plugins: [...basePlugins(), still({})], train: { optimizer: 'still' } }, root);
    const { report: made } = await run({ train: { learningRate: 1e-12, optimizer: 'sgd' } });
    expect(made.metrics.before!['accuracy']).toBeDefined();
  });

  it('needs the metric that the task monitors', async () => {
    const other: Task = { ...task, monitor: { metric: 'f1', mode: 'max' } };
    const naming = inline('naming', ({ hooks }) => hooks.data.resolveTask.tap(() => other));
    expect(await failing({ plugins: [pointsPlugin(), naming({}), mlpPlugin()] })).toMatchObject({
      code: 'ANNEAL_E_MODEL',
    });
  });
});

describe('a model', () => {
  const of = (graph: Model['graph']) =>
    inline('model', ({ hooks }) => hooks.model.resolveModel.tap(() => ({ ...mlpModel(), graph })));

  it('whose input does not begin with the batch is refused', async () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', ['rows', 4]);
    for (const [name, value] of Object.entries(into(g, mlpModel().graph, { inputs: { x } }))) g.output(name, value);
    expect(await failing({ plugins: [pointsPlugin(), taskPlugin({}), of(g.build())({})] })).toMatchObject({
      code: 'ANNEAL_E_MODEL',
      message: 'the first axis of the input "x" must be `batch`, received [rows, 4]',
    });
  });
});

describe('compression', () => {
  const transform = (stage: number, change: (model: Model, ctx: CompressContext) => Model) =>
    inline('changing', ({ hooks }) => hooks.compress.transformModel.tap(change, { stage }))({});
  const lossy = (model: Model): Model => rounded(model, 2);

  it.each([STAGE.FOLD, STAGE.SIMPLIFY, STAGE.SIMPLIFY + 500, STAGE.PRUNE - 1])(
    'that changes the model at stage %i is refused',
    async (stage) => {
      const error = await failing({ plugins: [...basePlugins(), transform(stage, lossy)] });
      expect(error).toMatchObject({
        code: 'ANNEAL_E_EQUIVALENCE',
        message: expect.stringMatching(/^folding changed the model: largest change of an output \d/),
        fix: expect.stringContaining('before `STAGE.PRUNE` must not change outputs'),
      });
    },
  );

  it.each([STAGE.PRUNE, STAGE.DEFAULT, STAGE.QUANTIZE])(
    'may change it at stage %i, and says by how much',
    async (stage) => {
      const { report: made } = await run({ plugins: [...basePlugins(), transform(stage, lossy)] });
      expect(made.checks[0]).toMatchObject({ name: 'compressed model against full precision', passed: true });
      expect(made.metrics.after).toBeDefined();
    },
  );

  it('that makes it NaN is refused where it must be lossless, and said elsewhere', async () => {
    const nan = (model: Model): Model => ({
      ...model,
      graph: withParameters(model.graph, (_, { data: values }) =>
        'data' in values
          ? { data: { ...values, data: new Float32Array(values.data.length).fill(Number.NaN) } }
          : undefined,
      ),
    });
    expect(await failing({ plugins: [...basePlugins(), transform(STAGE.FOLD, nan)] })).toMatchObject({
      code: 'ANNEAL_E_EQUIVALENCE',
      message: expect.stringContaining('largest change of an output Infinity'),
    });
    const { report: made } = await run({ plugins: [...basePlugins(), transform(STAGE.QUANTIZE, nan)] });
    expect(made.checks[0]).toMatchObject({ passed: false });
    expect(made.warnings.some((warning) => warning.includes('Infinity'))).toBe(true);
  });

  it('that is lossless is checked, and is no compression', async () => {
    const { report: made } = await run({ plugins: [...basePlugins(), copying({})] });
    expect(made.checks).toMatchObject([{ name: 'folding is lossless', passed: true }]);
    expect(made.metrics.after).toBeUndefined();
  });

  it('may ask what it must leave alone', async () => {
    const answers: boolean[] = [];
    const asking = transform(STAGE.DEFAULT, (model, { mayCompress }) => {
      for (const [name, parameter] of model.graph.parameters) answers.push(mayCompress(name, parameter));
      return model;
    });
    const refusing = inline('refusing', ({ hooks }) =>
      hooks.compress.shouldCompress.tap((name) => (name.startsWith('second') ? false : undefined)),
    );
    await run({ plugins: [...basePlugins(), asking, refusing({})] });
    expect(answers).toEqual([true, true, false, false]);
  });

  it('calibrates on training rows', async () => {
    let rows = 0;
    let first: readonly number[] = [];
    const calibrating = inline('calibrating', ({ hooks }) =>
      hooks.compress.beforeCompress.tap(async (model, { predict, dataset: { splits } }) => {
        rows = (await predict(model)).length;
        const [one] = await predict(model, [splits['test']![0]!]);
        first = Array.from(one!['logits']!.data, Number);
      }),
    );
    await run({ plugins: [...basePlugins(), calibrating({}), rounding()] });
    expect(rows).toBe(18);
    expect(first).toHaveLength(3);
  });
});

describe('a backend', () => {
  const open = (backend: UserConfig['backend']) => failing({ backend });

  it('that is not installed is told with the command', async () => {
    expect(await open('nowhere')).toMatchObject({
      code: 'ANNEAL_E_BACKEND',
      path: ['backend'],
      message: 'backend `nowhere` is not installed: no package @anneal/backend-nowhere',
      fix: 'npm install @anneal/backend-nowhere',
    });
  });

  it('that is none, or does not open, is told', async () => {
    const root = project();
    const make = (name: string, code: string): void => {
      const at = join(root, 'node_modules', '@made', name);
      mkdirSync(at, { recursive: true });
      writeFileSync(join(at, 'package.json'), '{"type":"module","exports":"./index.js"}');
      writeFileSync(join(at, 'index.js'), code);
    };
    make('empty', 'export const nothing = 1;');
    make('broken', 'throw new Error("no such library");');
    const opening = (backend: string) => failure(run({ backend }, root));
    expect(await opening('@made/empty')).toMatchObject({
      code: 'ANNEAL_E_BACKEND',
      message: '@made/empty exports no `openBackend`',
    });
    expect(await opening('@made/broken')).toMatchObject({
      code: 'ANNEAL_E_BACKEND',
      message: '@made/broken opens no backend: no such library',
    });
    expect(await open(() => Promise.reject(new Error('no device')))).toMatchObject({
      code: 'ANNEAL_E_BACKEND',
      message: 'the function that the config gives opens no backend: no device',
    });
  });

  it('is closed after the run, also one that fails', async () => {
    for (const overrides of [{}, { train: { optimizer: 'adamm' } }]) {
      let open_ = 0;
      const counted = (): Promise<Backend> => {
        const inner = referenceBackend();
        open_++;
        const close = async (): Promise<void> => {
          open_--;
          await inner.close();
        };
        return Promise.resolve(
          new Proxy(inner, {
            get: (target, name) => {
              const value = Reflect.get(target, name, target) as unknown;
              return name === 'close' ? close : typeof value === 'function' ? (value.bind(target) as unknown) : value;
            },
          }),
        );
      };
      await run({ ...overrides, backend: counted }).catch(() => undefined);
      expect(open_).toBe(0);
    }
  });
});

describe('an emitted folder', () => {
  it('is evaluated, on the test split or on given rows', async () => {
    const root = project();
    const pipeline = await pipelineOf(root, { plugins: [...basePlugins(), rounding()] });
    const { report: made } = await pipeline.run();
    const { metrics, predictions } = await pipeline.evaluate();
    const before = made.metrics.before!['accuracy'] as { value: number };
    expect(metrics!['accuracy']!.value).toBe(before.value);
    expect(predictions).toHaveLength(6);
    expect(predictions[0]!.outputs['logits']).toHaveLength(3);
    const rounded_ = await pipeline.evaluate({ variant: 'model_rounded', rows: [row] });
    expect(rounded_.metrics).toBeUndefined();
    expect(rounded_.predictions).toMatchObject([{ row }]);
    await pipeline.close();
  });

  it('that is not there, or holds no such model, is told', async () => {
    const root = project();
    const pipeline = await pipelineOf(root);
    const missing = (options: { dir?: string; variant?: string }) => failure(pipeline.evaluate(options));
    expect(await missing({})).toMatchObject({
      code: 'ANNEAL_E_MODEL',
      file: join(root, 'dist', 'onnx', 'model.onnx'),
      fix: 'build first, or give the folder of a build: `anneal eval <folder>`',
    });
    await pipeline.run();
    expect(await missing({ variant: 'model_q4' })).toMatchObject({ code: 'ANNEAL_E_MODEL' });
    expect(await missing({ dir: folder() })).toMatchObject({ code: 'ANNEAL_E_MODEL' });
    rmSync(join(root, 'dist', 'config.json'));
    expect(await missing({})).toMatchObject({ code: 'ANNEAL_E_MODEL' });
  });

  it('needs a test split when no rows are given', async () => {
    const plugins = [pointsPlugin({ test: -1 }), taskPlugin({}), mlpPlugin()];
    const pipeline = await pipelineOf(project(), { plugins, stages: { main: { evaluate: false } } });
    await pipeline.run();
    expect(await failure(pipeline.evaluate())).toMatchObject({ code: 'ANNEAL_E_DATA' });
    expect((await pipeline.evaluate({ rows: [row] })).predictions).toHaveLength(1);
  });
});

describe('a stage', () => {
  it('that is not there is told with those that are', async () => {
    const pipeline = await pipelineOf(project(), { stages: { one: {}, two: { from: 'one' } } });
    expect(await failure(pipeline.run({ stages: ['three'] }))).toMatchObject({
      code: 'ANNEAL_E_CONFIG',
      message: 'there is no stage `three`',
      fix: 'use one of one, two',
    });
    expect(await failure(pipeline.plan({ stages: ['three'] }))).toMatchObject({ code: 'ANNEAL_E_CONFIG' });
    expect(config({}).name).toBe('tiny');
  });
});
