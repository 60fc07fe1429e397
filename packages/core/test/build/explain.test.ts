import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import {
  createPipeline,
  describeDifference,
  type Explanation,
  loadConfig,
  type PhaseName,
  type PlanEntry,
  type UserConfig,
} from '@anneal/core';
import { describe, expect, it } from 'vitest';

import { basePlugins, config, failure, filesOf, inline, pipelineOf, project, rounding } from '../tiny/build.ts';
import { mlpPlugin, pointsPlugin, taskPlugin } from '../tiny/problem.ts';

const full = (more: UserConfig = {}): UserConfig => ({ plugins: [...basePlugins(), rounding()], ...more });

async function planned(root: string, overrides: UserConfig): Promise<Readonly<Record<PhaseName, PlanEntry>>> {
  const plan = await (await pipelineOf(root, overrides)).plan();
  return Object.fromEntries(plan.map((entry) => [entry.phase, entry])) as Record<PhaseName, PlanEntry>;
}

async function explained(root: string, overrides: UserConfig, phase: PhaseName): Promise<Explanation> {
  const [found] = await (await pipelineOf(root, overrides)).explain({ phase });
  return found!;
}

/** What changed, in words. */
const changes = ({ differences }: Explanation): readonly string[] => differences.map(describeDifference);

describe('an explanation', () => {
  it('names the value of the config, in the phase that it is for and in those after it', async () => {
    const root = project();
    await (await pipelineOf(root, full())).run();
    const longer = full({ train: { epochs: 3 }, gates: { accuracy: '>= 0.1' } });
    expect(await explained(root, longer, 'data')).toMatchObject({ cached: true, differences: [] });
    expect(changes(await explained(root, longer, 'train'))).toEqual(['train.epochs: 2 → 3 (config)']);
    expect(changes(await explained(root, longer, 'emit'))).toEqual([
      'train.epochs: 2 → 3 (config)',
      'gates.accuracy: nothing → ">= 0.1" (config)',
    ]);
    const { compared, parts, key, stage } = await explained(root, longer, 'train');
    expect(compared).toMatchObject({ cached: true });
    expect(Date.now() - compared!.at.getTime()).toBeLessThan(60_000);
    expect(parts).toMatchObject({ 'config train.epochs': '3', 'name of the stage': 'main' });
    expect([stage, key.length]).toEqual(['main', 64]);
  });

  it('names the option of a plugin and where the plugin stands', async () => {
    const root = project();
    await (await pipelineOf(root, full())).run();
    const other = { plugins: [...basePlugins(), rounding({ digits: 3 })] };
    expect(changes(await explained(root, other, 'compress'))).toEqual([
      'plugin rounding options.digits: 4 → 3 (plugins[3])',
    ]);
    const fewer = { plugins: basePlugins() };
    const gone = changes(await explained(root, fewer, 'compress'));
    expect(gone).toContain('plugin rounding options.digits: 4 → nothing');
    expect(gone).toContain('plugin rounding code is gone');
  });

  it('names the file that changed, came or went', async () => {
    const root = project();
    const at = (file: string): UserConfig => ({ plugins: [pointsPlugin({ file }), taskPlugin({}), mlpPlugin()] });
    writeFileSync(join(root, 'rows.csv'), 'a');
    await (await pipelineOf(root, at('rows.csv'))).run();
    writeFileSync(join(root, 'rows.csv'), 'b');
    for (const phase of ['data', 'train'] as const) {
      expect(changes(await explained(root, at('rows.csv'), phase))).toEqual(['plugin points file rows.csv changed']);
    }
    rmSync(join(root, 'rows.csv'));
    expect(changes(await explained(root, at('rows.csv'), 'data'))[0]).toMatch(/^plugin points file rows.csv changed/);
    writeFileSync(join(root, 'other.csv'), 'c');
    const moved = changes(await explained(root, at('other.csv'), 'data'));
    expect(moved).toEqual([
      'plugin points options.file: "rows.csv" → "other.csv" (plugins[0])',
      'plugin points file rows.csv is gone',
      'plugin points file other.csv is new',
    ]);
  });

  it('compares with the nearest, not the last', async () => {
    const root = project();
    await (await pipelineOf(root, full())).run();
    await (await pipelineOf(root, full({ seed: 9, train: { epochs: 1, batchSize: 5 } }))).run();
    expect(changes(await explained(root, full({ train: { epochs: 3 } }), 'train'))).toEqual([
      'train.epochs: 2 → 3 (config)',
    ]);
  });

  it('names the layer that a value came from', async () => {
    const root = project();
    const write = (epochs: number): void =>
      writeFileSync(
        join(root, 'anneal.config.mjs'),
        `export default { plugins: [], env: { slow: { train: { epochs: ${epochs} } } } };`,
      );
    write(2);
    const explain = async (set: readonly string[] = []): Promise<readonly string[]> => {
      const loaded = await loadConfig({ cwd: root, mode: 'slow', set });
      const pipeline = await createPipeline(loaded);
      await failure(pipeline.run());
      // Nothing gives data, so nothing was done: then there is nothing to compare with.
      const [train] = await pipeline.explain({ phase: 'train' });
      expect(train).toMatchObject({ compared: undefined, differences: [] });
      return (await pipeline.plan()).map(({ reason }) => reason!);
    };
    expect(await explain()).toEqual(Array.from({ length: 6 }, () => 'was never done'));
    const pipeline = await pipelineOf(root, { ...full(), env: { production: { train: { epochs: 2 } } } });
    await pipeline.run();
    const other = await pipelineOf(root, { ...full(), env: { production: { train: { epochs: 4 } } } });
    expect(changes((await other.explain({ phase: 'train' }))[0]!)).toEqual([
      'train.epochs: 2 → 4 (config (env.production))',
    ]);
    const set = await createPipeline(config(full()), { root, set: ['train.epochs=5'] });
    expect(changes((await set.explain({ phase: 'train' }))[0]!)).toEqual(['train.epochs: 2 → 5 (--set train.epochs)']);
  });

  it('never shows a secret, nor keeps one', async () => {
    const root = project();
    const secret = inline('fetching', ({ hooks }) => hooks.data.afterDataset.tap(() => undefined));
    const at = (apiKey: string): UserConfig => {
      const schema = { '~standard': { version: 1 as const, vendor: 'x', validate: (value: unknown) => ({ value }) } };
      return { plugins: [...basePlugins(), { ...secret({}), options: { apiKey }, schema }] };
    };
    await (await pipelineOf(root, at('hunter2'))).run();
    expect(changes(await explained(root, at('hunter3'), 'data'))).toEqual([
      'plugin fetching options.apiKey changed (plugins[3])',
    ]);
    for (const text of filesOf(join(root, '.anneal')).values()) expect(text).not.toContain('hunter');
  });

  it('follows the stage that another starts from', async () => {
    const root = project();
    const stages = (epochs: number): UserConfig => ({
      stages: { base: { train: { epochs } }, next: { from: 'base' } },
    });
    await (await pipelineOf(root, stages(1))).run();
    const [model] = await (await pipelineOf(root, stages(2))).explain({ stage: 'next', phase: 'model' });
    expect(changes(model!)).toEqual(['train.epochs: 1 → 2 (config)']);
    expect(model!.differences[0]).toMatchObject({ stage: 'base', phase: 'train' });
    const alone = await (await pipelineOf(root, { stages: { next: {} } })).explain({ phase: 'model' });
    expect(changes(alone[0]!)).toEqual(['the stage that it starts from: base → nothing']);
  });

  it('of a stage that does not exist is an error', async () => {
    const pipeline = await pipelineOf(project(), full());
    expect(await failure(pipeline.explain({ stage: 'nothing' }))).toMatchObject({ code: 'ANNEAL_E_CONFIG' });
  });

  it('does without records that cannot be read', async () => {
    const root = project();
    await (await pipelineOf(root, full())).run();
    const records = join(root, '.anneal', 'cache', 'records');
    const files = readdirSync(records);
    expect(files).toHaveLength(6);
    for (const [i, file] of files.entries()) writeFileSync(join(records, file), ['', 'null', '{"key":1}'][i % 3]!);
    mkdirSync(join(records, `${'0'.repeat(64)}.json`));
    expect((await explained(root, full({ seed: 4 }), 'train')).compared).toBeUndefined();
    expect((await planned(root, full())).train).toMatchObject({ cached: true });
  });
});

describe('a plan', () => {
  it('says why a phase would run, what that would take, and what that is based on', async () => {
    const root = project();
    const nothing = { reason: 'was never done', seconds: undefined, memory: undefined };
    expect((await planned(root, full())).train).toMatchObject({ cached: false, ...nothing });
    await (await pipelineOf(root, full())).run();
    const cached = { cached: true, reason: undefined, seconds: undefined, memory: undefined };
    expect((await planned(root, full())).train).toMatchObject(cached);
    const longer = await planned(root, full({ train: { epochs: 40 } }));
    expect(longer.model).toMatchObject(cached);
    expect(longer.train.reason).toBe('train.epochs: 2 → 40 (config)');
    expect(longer.train.seconds!.basis).toMatch(/^120 steps at the [\d.,]+ tokens\/s of the last training$/);
    expect(longer.evaluate.reason).toBe('train.epochs: 2 → 40 (config) (of main train)');
    expect(longer.evaluate.seconds!.basis).toBe('the last run of this phase');
    expect(longer.evaluate.memory!.basis).toBe('the process in the last run of this phase');
    expect(longer.evaluate.memory!.value).toBeGreaterThan(1e7);
  });

  it('scales the time of a training with its work', async () => {
    const root = project();
    await (await pipelineOf(root, full())).run();
    const seconds = async (epochs: number): Promise<number> =>
      (await planned(root, full({ train: { epochs } }))).train.seconds!.value;
    const [one, two, four] = [await seconds(100), await seconds(200), await seconds(400)];
    // What is not steps, such as compiling, is there once.
    expect((four - two) / (two - one)).toBeCloseTo(2, 6);
  });

  it('knows how long the very same took, when its result is gone', async () => {
    const root = project();
    await (await pipelineOf(root, full())).run();
    rmSync(join(root, '.anneal', 'cache', 'train'), { recursive: true });
    rmSync(join(root, 'dist'), { recursive: true });
    const plan = await planned(root, full());
    expect(plan.train).toMatchObject({
      cached: false,
      reason: 'is not in the cache any more',
      seconds: { basis: 'the same work before' },
    });
    expect(plan.emit).toMatchObject({ cached: false, reason: 'is not in the output folder' });
    const file = join(root, '.anneal', 'cache', 'records', `${plan.train.key}.json`);
    expect(plan.train.seconds!.value).toBe((JSON.parse(readFileSync(file, 'utf8')) as { seconds: number }).seconds);
  });

  it('runs no hook that a run would not run twice, and says nothing', async () => {
    const root = project();
    const log: string[] = [];
    const talking = inline('talking', ({ hooks: { data, train }, logger }) => {
      const say = (text: string): void => {
        log.push(text);
        logger.warn(text);
      };
      data.resolveDataset.tap(() => (say('dataset'), undefined));
      train.beforeTrain.tap(() => say('train'));
    });
    const plugins = [talking({}), ...basePlugins()];
    await (await pipelineOf(root, { plugins })).run();
    log.length = 0;
    const told: unknown[] = [];
    const pipeline = await createPipeline(config({ plugins, train: { epochs: 3 } }), {
      root,
      onEvent: (event) => told.push(event),
    });
    const before = existsSync(join(root, 'dist'));
    await pipeline.plan();
    expect(log).toEqual([]);
    expect([told, before]).toEqual([[], true]);
  });
});
