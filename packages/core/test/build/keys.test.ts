import { utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import {
  createPipeline,
  definePlugin,
  type Hooks,
  loadConfig,
  type PhaseName,
  type PluginFactory,
  type PluginInput,
  type UserConfig,
} from '@anneal/core';
import { seededRandom } from '@anneal/testkit';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';

import { PHASES } from '../../src/build/keys.ts';
import { config, folder, inline, rounding } from '../tiny/build.ts';
import { mlpPlugin, pointsPlugin, taskPlugin } from '../tiny/problem.ts';

type Keys = Readonly<Record<PhaseName, string>>;

async function keysOf(root: string, overrides: UserConfig, mode?: string): Promise<Keys> {
  const pipeline = await createPipeline(config(overrides), { root, mode });
  const plan = await pipeline.plan();
  await pipeline.close();
  return Object.fromEntries(plan.map(({ phase, key }) => [phase, key])) as Keys;
}

/** Phases whose keys differ. */
const changed = (a: Keys, b: Keys): readonly PhaseName[] => PHASES.filter((phase) => a[phase] !== b[phase]);
/** The phase and all after it. */
const from = (phase: PhaseName | undefined): readonly PhaseName[] =>
  phase === undefined ? [] : PHASES.slice(PHASES.indexOf(phase));

/** A plugin that taps one hook and does nothing. */
const tapping = (name: string, group: keyof Hooks, hook: string): PluginFactory<{ value?: unknown }> =>
  definePlugin({
    name,
    options: v.strictObject({ value: v.optional(v.unknown()) }),
    setup({ hooks }) {
      (hooks[group] as Record<string, { tap(fn: () => undefined): void }>)[hook]!.tap(() => undefined);
    },
  });
const auditing = tapping('auditing', 'evaluate', 'auditModel');
const emitting = tapping('emitting', 'emit', 'emit');
const noting = tapping('noting', 'pipeline', 'afterRun');
const losing = tapping('losing', 'train', 'transformLoss');

/** Everything that an edit may change. */
interface Place {
  data: number;
  file: string;
  touched: number;
  hidden: number;
  digits: number;
  audit: number;
  emit: number;
  note: number;
  lossFirst: boolean;
  epochs: number;
  limit: number;
  where: number;
  runs: number;
  gate: number;
  name: number;
  outDir: number;
  cacheDir: number;
  seed: number;
  device: number;
}
const START: Place = {
  data: 1,
  file: 'a',
  touched: 0,
  hidden: 6,
  digits: 4,
  audit: 0,
  emit: 0,
  note: 0,
  lossFirst: true,
  epochs: 2,
  limit: 9,
  where: 1,
  runs: 3,
  gate: 5,
  name: 0,
  outDir: 0,
  cacheDir: 0,
  seed: 0,
  device: 0,
};
/** The first phase that a change of each is for. */
const FIRST: Readonly<Record<keyof Place, PhaseName | undefined>> = {
  data: 'data',
  file: 'data',
  touched: undefined,
  seed: 'data',
  hidden: 'model',
  // Two plugins of earlier phases in another order: what they do in training is done in another order.
  lossFirst: 'train',
  epochs: 'train',
  limit: 'train',
  where: 'train',
  device: 'train',
  digits: 'compress',
  audit: 'evaluate',
  runs: 'evaluate',
  emit: 'emit',
  gate: 'emit',
  name: 'emit',
  outDir: 'emit',
  note: undefined,
  cacheDir: undefined,
};

const alsoInTraining = inline('also-in-training', ({ hooks: { data, train } }) => {
  data.afterDataset.tap(() => undefined);
  train.transformLoss.tap((loss) => loss);
});

async function keysAt(root: string, place: Place): Promise<Keys> {
  const file = join(root, 'input.txt');
  writeFileSync(file, place.file);
  utimesSync(file, place.touched + 1, place.touched + 1);
  const losses: PluginInput[] = [losing({}), alsoInTraining({})];
  return keysOf(root, {
    plugins: [
      pointsPlugin({ seed: place.data, file: 'input.txt' }),
      taskPlugin({}),
      mlpPlugin({ hidden: place.hidden }),
      ...(place.lossFirst ? losses : losses.toReversed()),
      rounding({ digits: place.digits }),
      auditing({ value: place.audit }),
      emitting({ value: place.emit }),
      noting({ value: place.note }),
    ],
    train: { epochs: place.epochs },
    stages: { main: { data: { limit: place.limit, where: { label: place.where } } } },
    evaluate: { latencyRuns: place.runs },
    gates: { accuracy: `>= 0.${place.gate}` },
    name: `name-${place.name}`,
    outDir: `out-${place.outDir}`,
    cacheDir: `cache-${place.cacheDir}`,
    seed: place.seed,
    device: `device-${place.device}`,
  });
}

describe('keys', () => {
  it('change from the phase on that an edit is for, and change back', async () => {
    const root = folder();
    const next = seededRandom(8);
    const names = Object.keys(START) as (keyof Place)[];
    let place = START;
    let keys = await keysAt(root, place);
    const start = keys;
    // Every edit once in random order, then some at random.
    const order = [
      ...names.map((name) => ({ name, at: next() })).toSorted((a, b) => a.at - b.at),
      ...Array.from({ length: 15 }, () => ({ name: names[Math.floor(next() * names.length)]! })),
    ];
    for (const { name } of order) {
      const value = place[name];
      const edited = typeof value === 'number' ? value + 1 : typeof value === 'string' ? `${value}b` : !value;
      place = { ...place, [name]: edited };
      const after = await keysAt(root, place);
      expect([name, changed(keys, after)]).toEqual([name, from(FIRST[name])]);
      keys = after;
    }
    expect(await keysAt(root, START)).toEqual(start);
  });

  it('are 64 hex digits, different for every phase', async () => {
    const keys = await keysAt(folder(), START);
    for (const key of Object.values(keys)) expect(key).toMatch(/^[0-9a-f]{64}$/);
    expect(new Set(Object.values(keys)).size).toBe(PHASES.length);
  });

  it('do not depend on where the project lies, but for the place of the result', async () => {
    const [a, b] = [await keysAt(folder(), START), await keysAt(folder(), START)];
    expect(changed(a, b)).toEqual(['emit']);
  });

  it('do not depend on comments in the config', async () => {
    const root = folder();
    const text = 'export default { plugins: [], seed: 3, train: { epochs: 2 } };\n';
    const keys = async (name: string, written: string): Promise<Keys> => {
      writeFileSync(join(root, name), written);
      const loaded = await loadConfig({ cwd: root, file: name });
      const plan = await (await createPipeline(loaded)).plan();
      return Object.fromEntries(plan.map(({ phase, key }) => [phase, key])) as Keys;
    };
    const commented = `// A comment\n${text}/* and another */`;
    expect(changed(await keys('a.mjs', text), await keys('b.mjs', commented))).toEqual([]);
    expect(changed(await keys('a.mjs', text), await keys('c.mjs', text.replace('3', '4')))).toEqual(from('data'));
  });

  it('have the mode and the stage of plugins that ask for them', async () => {
    const root = folder();
    const plugin = (ask: (api: { mode: string; stage: string }) => unknown) =>
      inline('asking', (api) => {
        ask(api);
        api.hooks.model.afterModel.tap(() => undefined);
      });
    const keys = (mode: string, stage: string, ask: Parameters<typeof plugin>[0]): Promise<Keys> =>
      keysOf(root, { plugins: [plugin(ask)({})], stages: { [stage]: {} } }, mode);
    const none = (): undefined => undefined;
    expect(changed(await keys('a', 'one', none), await keys('b', 'one', none))).toEqual([]);
    const mode = (api: { mode: string }): string => api.mode;
    expect(changed(await keys('a', 'one', mode), await keys('b', 'one', mode))).toEqual(from('model'));
    // Training depends on the name of its stage in any case: random numbers do.
    expect(changed(await keys('a', 'one', none), await keys('a', 'two', none))).toEqual(from('train'));
    const stage = (api: { stage: string }): string => api.stage;
    expect(changed(await keys('a', 'one', stage), await keys('a', 'two', stage))).toEqual(from('model'));
  });

  it('have the code of a plugin, even where its file is not known', async () => {
    const root = folder();
    const keys = (setup: Parameters<typeof inline>[1]): Promise<Keys> => {
      const plugin = { ...inline('p', setup)({}), source: undefined };
      return keysOf(root, { plugins: [plugin] });
    };
    const one = await keys(({ hooks }) => hooks.model.afterModel.tap(() => void 1));
    const two = await keys(({ hooks }) => hooks.model.afterModel.tap(() => void 2));
    expect(changed(one, two)).toEqual(from('model'));
  });

  it('of a stage contain those of the training that it starts from', async () => {
    const root = folder();
    const plan = async (epochs: number) => {
      const stages = { base: { train: { epochs }, evaluate: false, emit: false }, next: { from: 'base' } };
      const pipeline = await createPipeline(config({ stages }), { root });
      return new Map((await pipeline.plan()).map(({ stage, phase, key }) => [`${stage}.${phase}`, key]));
    };
    const [a, b] = [await plan(1), await plan(2)];
    const same = [...a.keys()].filter((name) => a.get(name) === b.get(name));
    expect(same).toEqual(['base.data', 'base.model', 'next.data']);
    expect(a.get('base.data')).toBe(a.get('next.data'));
  });
});
