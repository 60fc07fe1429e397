import { readdirSync } from 'node:fs';
import { join } from 'node:path';

import { createPipeline, type Pipeline, type Report, type Run, type RunEvent, type UserConfig } from '@anneal/core';
import { describe, expect, it } from 'vitest';

import {
  basePlugins,
  config,
  copying,
  failure,
  filesOf,
  folder,
  inline,
  listener,
  pipelineOf,
  project,
  rounding,
} from './tiny/build.ts';

const full = (): UserConfig => ({ plugins: [...basePlugins(), copying({}), rounding()] });
const stages = { base: {}, adapt: { from: 'base', train: { epochs: 1 } }, other: { from: 'base', emit: false } };

describe('events', () => {
  it('come in order, every phase and bar that begins also ends', async () => {
    const pipeline = await pipelineOf(project(), full());
    const { onEvent, told } = listener();
    await pipeline.run({ onEvent });
    const { events } = told();
    let phase: string | undefined;
    const bars = new Map<number, { done: number; finished: boolean }>();
    for (const event of events) {
      switch (event.type) {
        case 'phase-start':
          expect(phase).toBeUndefined();
          phase = `${event.stage}.${event.phase}`;
          break;
        case 'phase-end':
          expect(phase).toBe(`${event.stage}.${event.phase}`);
          expect(event.seconds).toBeGreaterThanOrEqual(0);
          expect(event.cached).toBe(false);
          phase = undefined;
          break;
        case 'step':
        case 'metrics':
          expect(phase).toBe('main.train');
          break;
        case 'progress': {
          const bar = bars.get(event.id) ?? { done: 0, finished: false };
          expect(bar.finished).toBe(false);
          expect(event.done).toBeGreaterThanOrEqual(bar.done);
          expect(event.done).toBeLessThanOrEqual(event.total!);
          bars.set(event.id, { done: event.done, finished: event.finished });
          break;
        }
        case 'log':
          expect(event.entry.level).toMatch(/^(debug|info)$/);
      }
    }
    expect(phase).toBeUndefined();
    expect([...bars.values()].every(({ finished }) => finished)).toBe(true);
    const of = (type: RunEvent['type']) => events.filter((event) => event.type === type);
    expect(of('step').map((event) => event.type === 'step' && event.point.step)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(of('metrics')).toHaveLength(2);
    expect(of('metrics')[0]).toMatchObject({
      stage: 'main',
      split: 'validation',
      metrics: { loss: { value: expect.any(Number) } },
    });
  });

  it('survive JSON, as one line each', async () => {
    const pipeline = await pipelineOf(project(), full());
    const { onEvent, told } = listener();
    await pipeline.run({ onEvent });
    for (const event of told().events) {
      const line = JSON.stringify(event);
      expect(line).not.toContain('\n');
      expect(JSON.parse(line)).toEqual(JSON.parse(JSON.stringify(event)));
      expect(JSON.parse(line)).toMatchObject({ type: event.type });
    }
  });

  it('end when the bar is done, however often it is moved', async () => {
    const moving = inline('moving', ({ hooks }) =>
      hooks.data.afterDataset.tap((_, { progress }) => {
        const bar = progress('moving', 3);
        bar.update(1, 'one');
        bar.done('two');
        bar.update(2);
        bar.done();
      }),
    );
    const { onEvent, told } = listener();
    await (await pipelineOf(project(), { plugins: [...basePlugins(), moving({})] })).run({ onEvent });
    const bar = told().events.filter((event) => event.type === 'progress' && event.label === 'moving');
    expect(bar).toMatchObject([
      { done: 1, total: 3, note: 'one', finished: false },
      { done: 1, total: 3, note: 'two', finished: true },
    ]);
  });
});

describe('plan', () => {
  const cached = async (pipeline: Pipeline, wanted?: readonly string[]): Promise<string[]> =>
    (await pipeline.plan({ stages: wanted })).map(
      ({ stage, phase, cached: is }) => `${stage}.${phase}${is ? ' cached' : ''}`,
    );

  it('says what a run then does', async () => {
    const root = project();
    for (const overrides of [
      full(),
      full(),
      { ...full(), train: { epochs: 1 } },
      { ...full(), name: 'n' },
      { ...full(), stages },
    ]) {
      const pipeline = await pipelineOf(root, overrides);
      const planned = await cached(pipeline);
      const { onEvent, told } = listener();
      await pipeline.run({ onEvent });
      expect(told().phases).toEqual(planned);
      expect((await cached(pipeline)).every((line) => line.endsWith(' cached'))).toBe(true);
    }
  });

  it('lists the plugins that take part', async () => {
    const plan = await (await pipelineOf(project(), full())).plan();
    expect(plan.map(({ phase, plugins }) => [phase, plugins])).toEqual([
      ['data', ['points', 'classes']],
      ['model', ['mlp']],
      ['train', []],
      ['compress', ['copying', 'rounding']],
      ['evaluate', []],
      ['emit', []],
    ]);
  });

  it('is of the given stages and those that they start from', async () => {
    const pipeline = await pipelineOf(project(), { stages });
    expect(await cached(pipeline, ['base'])).toEqual(['base.data', 'base.model', 'base.train']);
    expect(new Set((await pipeline.plan({ stages: ['adapt'] })).map(({ stage }) => stage))).toEqual(
      new Set(['base', 'adapt']),
    );
    expect(new Set((await pipeline.plan({ stages: [] })).map(({ stage }) => stage)).size).toBe(3);
  });

  it('writes nothing', async () => {
    const root = project();
    await (await pipelineOf(root, full())).plan();
    expect(readdirSync(root)).toEqual([]);
  });
});

describe('a run of some stages', () => {
  it('runs those that they start from, in the order of the config', async () => {
    const pipeline = await pipelineOf(project(), { stages: { ...stages, adapt: { ...stages.adapt, emit: true } } });
    const { onEvent, told } = listener();
    const { outDir, report } = await pipeline.run({ stages: ['adapt'], onEvent });
    expect(new Set(told().phases.map((phase) => phase.split('.')[0]))).toEqual(new Set(['base', 'adapt']));
    expect(outDir).toBeDefined();
    expect(report.train.map(({ stage }) => stage)).toEqual(['base', 'adapt']);
  });

  it('that emit nothing has a report and no folder', async () => {
    const root = project();
    const { outDir, report, accepted } = await (await pipelineOf(root, { stages })).run({ stages: ['base'] });
    expect([outDir, accepted]).toEqual([undefined, true]);
    expect(report.metrics).toEqual({ before: undefined, after: undefined });
    expect(readdirSync(root)).toEqual(['.anneal']);
  });
});

describe('taps', () => {
  it('are listed by stage in the order in which they run', async () => {
    const late = inline('late', ({ hooks }) => hooks.compress.transformModel.tap((model) => model, { stage: 700 }));
    const plugins = [late({}), ...basePlugins(), rounding(), copying({})];
    const pipeline = await pipelineOf(project(), { plugins, stages: { one: {}, two: { from: 'one' } } });
    const compress = pipeline.taps().filter(({ hook }) => hook === 'compress.transformModel');
    const order = ['copying -2000', 'anneal:reference -201', 'rounding 400', 'late 700'];
    expect(compress.map(({ stage, plugin, order: at }) => `${stage} ${plugin} ${at}`)).toEqual(
      ['one', 'two'].flatMap((stage) => order.map((line) => `${stage} ${line}`)),
    );
    expect(compress[0]).toEqual({
      stage: 'one',
      hook: 'compress.transformModel',
      kind: 'waterfall',
      plugin: 'copying',
      order: -2000,
      reasons: ['STAGE.FOLD'],
    });
  });
});

describe('runs', () => {
  /** A plugin that talks and counts per run. */
  const talking = (log: string[]) =>
    inline('talking', (api) => {
      const count = api.state(() => ({ calls: 0 }));
      const step = (run: Run, what: string): void => {
        count(run).calls++;
        api.logger.info(`${run.id} ${what} ${count(run).calls}`);
      };
      api.hooks.data.afterDataset.tap(async (_, { run }) => {
        await new Promise((resolve) => setTimeout(resolve, 5));
        step(run, 'data');
        run.artifacts.set('id', run.id);
      });
      api.hooks.train.beforeTrain.tap(({ run }) => {
        step(run, 'train');
        log.push(run.artifacts.text('id') === run.id ? 'own' : 'foreign');
      });
      api.hooks.pipeline.afterRun.tap((run) => void log.push(`after ${count(run).calls}`));
    });

  it('of one pipeline share nothing but the cache', async () => {
    const log: string[] = [];
    const pipeline = await pipelineOf(project(), { plugins: [...basePlugins(), talking(log)({})] });
    const ears = [listener(), listener(), listener()];
    const results = await Promise.all(ears.map(({ onEvent }) => pipeline.run({ onEvent, force: true })));
    for (const { told } of ears) {
      const said = told().events.flatMap((event) =>
        event.type === 'log' && event.entry.tag === 'talking' ? [event.entry.message] : [],
      );
      const [id] = said[0]!.split(' ');
      // Its own lines, in order, and none of another run.
      expect(said).toEqual([`${id} data 1`, `${id} train 2`]);
      expect(told().phases).toHaveLength(6);
    }
    expect(log.toSorted()).toEqual(['after 2', 'after 2', 'after 2', 'own', 'own', 'own']);
    const measured = ({ metrics, train }: Report): unknown => [metrics.before!['accuracy'], train[0]!.curve];
    expect(results.map(({ report }) => measured(report))).toEqual(
      Array.from({ length: 3 }, () => measured(results[0]!.report)),
    );
  });

  it('of different pipelines in one process end with the bytes that each has alone', async () => {
    const builds: readonly UserConfig[] = [
      full(),
      { ...full(), seed: 1 },
      { plugins: [...basePlugins(), rounding({ digits: 2 })], train: { epochs: 3, batchSize: 4 } },
    ];
    const roots = builds.map(() => project());
    const pipelines = await Promise.all(builds.map((build, i) => pipelineOf(roots[i]!, build)));
    const results = await Promise.all(pipelines.map((pipeline) => pipeline.run()));
    expect(results.map(({ outDir }) => outDir)).toEqual(roots.map((root) => join(root, 'dist')));
    const models = (root: string): unknown => {
      const files = filesOf(join(root, 'dist', 'onnx'));
      expect([...files.keys()]).toEqual(['model.onnx', 'model_rounded.onnx']);
      return [...files.values()];
    };
    for (const [i, build] of builds.entries()) {
      const alone = project();
      const { report } = await (await pipelineOf(alone, build)).run();
      expect(models(roots[i]!)).toEqual(models(alone));
      expect(results[i]!.report.train[0]!.curve).toEqual(report.train[0]!.curve);
    }
    expect(models(roots[0]!)).not.toEqual(models(roots[1]!));
  });

  it('of two pipelines in one folder end the same', async () => {
    const root = project();
    const ears = [listener(), listener()];
    await Promise.all(ears.map(async ({ onEvent }) => (await pipelineOf(root, full())).run({ onEvent })));
    for (const { told } of ears) expect(told().warnings).toEqual([]);
    const { onEvent, told } = listener();
    await (await pipelineOf(root, full())).run({ onEvent });
    expect(told().phases.every((phase) => phase.endsWith(' cached'))).toBe(true);
    expect(readdirSync(root).toSorted()).toEqual(['.anneal', 'dist']);
  });

  it('tell plugins how they ended', async () => {
    const log: unknown[] = [];
    const hearing = inline('hearing', ({ hooks: { pipeline, data } }) => {
      let runs = 0;
      data.afterDataset.tap(() => {
        if (runs++ > 0) throw new Error('second');
      });
      pipeline.afterRun.tap(async () => void log.push('done'));
      pipeline.onFail.tap((error) => void log.push((error as { code: string }).code));
    });
    const pipeline = await pipelineOf(project(), { plugins: [...basePlugins(), hearing({})] });
    await pipeline.run();
    await failure(pipeline.run({ force: true }));
    await failure(pipeline.run({ signal: AbortSignal.abort() }));
    expect(log).toEqual(['done', 'ANNEAL_E_HOOK']);
  });

  it('fail with what went wrong, even if a plugin fails over that', async () => {
    const clumsy = inline('clumsy', ({ hooks: { pipeline, data } }) => {
      data.afterDataset.tap(() => Promise.reject(new Error('first')));
      pipeline.onFail.tap(() => {
        throw new Error('second');
      });
    });
    const { onEvent, told } = listener();
    const error = await failure(
      (await pipelineOf(project(), { plugins: [...basePlugins(), clumsy({})] })).run({ onEvent }),
    );
    expect(error.message).toBe('threw in data.afterDataset: first');
    expect(told().warnings).toEqual(['After the failure of the run: threw in pipeline.onFail: second']);
  });
});

describe('close', () => {
  it('comes with `await using`', async () => {
    const root = project();
    let pipeline: Pipeline;
    {
      await using own = await pipelineOf(root, full());
      pipeline = own;
      await own.run();
    }
    expect(await failure(pipeline.run())).toMatchObject({ code: 'ANNEAL_E_ABORTED' });
    expect(await pipeline.plan()).toHaveLength(6);
  });

  it('stops what runs, and waits for it', async () => {
    const root = project();
    const pipeline = await pipelineOf(root, { ...full(), train: { epochs: 500 } });
    let ended = false;
    const { onEvent, told } = listener();
    const running = failure(pipeline.run({ onEvent })).finally(() => {
      ended = true;
    });
    while (!told().events.some(({ type }) => type === 'step')) await new Promise((resolve) => setTimeout(resolve, 1));
    await pipeline.close();
    await new Promise(setImmediate);
    expect(ended).toBe(true);
    expect(await running).toMatchObject({
      code: 'ANNEAL_E_ABORTED',
      message: expect.stringMatching(/^stopped at step \d+ of 1500/),
    });
    await pipeline.close();
  });
});

describe('createPipeline', () => {
  it('takes a config that is resolved already', async () => {
    const root = project();
    const { resolveConfig } = await import('@anneal/core');
    const resolved = await resolveConfig(config(full()), { root });
    const plan = await (await createPipeline(resolved)).plan();
    expect(plan).toEqual(
      await (
        await pipelineOf(root, full())
      )
        .plan()
        .then((own) => own.map((entry, i) => ({ ...entry, key: plan[i]!.key }))),
    );
  });

  it('fails for a config that is not valid, with all its faults', async () => {
    const error = await failure(createPipeline({ seed: -1, train: { epochs: 0 } }, { root: folder() }));
    expect(error).toMatchObject({ code: 'ANNEAL_E_CONFIG', path: ['train', 'epochs'] });
    expect(error.also).toMatchObject([{ path: ['seed'] }]);
  });
});
