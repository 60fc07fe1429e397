import {
  definePlugin,
  type Plugin,
  type PluginApi,
  type SeriesHook,
  type SyncBailHook,
  type SyncWaterfallHook,
} from '@anneal/core';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';

import { basePlugins, failure, folder, inline, listener, pipelineOf } from '../tiny/build.ts';

declare module '@anneal/core' {
  interface PluginHooks {
    readonly prune: {
      /** Whether a weight may be pruned. */
      readonly shouldPrune: SyncBailHook<[name: string], boolean>;
      readonly transformScore: SyncWaterfallHook<number, { readonly name: string }>;
      readonly afterPrune: SeriesHook<[asked: readonly string[]]>;
    };
  }
}

/** Asks of every weight and remembers what it was told. */
function prune(told: unknown[], instance?: string): Plugin {
  const factory = definePlugin({
    name: 'prune',
    options: v.strictObject({}),
    setup(api) {
      const hooks = api.provideHooks('prune', {
        shouldPrune: 'sync-bail',
        transformScore: 'sync-waterfall',
        afterPrune: 'series',
      });
      api.hooks.model.afterModel.tap(async ({ graph }) => {
        const names = [...graph.parameters.keys()];
        for (const name of names) {
          told.push([api.name, name, hooks.shouldPrune.call(name), hooks.transformScore.call(1, { name })]);
        }
        await hooks.afterPrune.promise(names);
      });
    },
  });
  return instance === undefined ? factory() : factory.instance(instance);
}

const keepFirst = inline('keep-first', (api) => {
  const hooks = api.hooksOf('prune');
  hooks.shouldPrune.tap((name) => (name.startsWith('first') ? false : undefined));
  hooks.transformScore.tap((score, { name }) => score + name.length);
});

describe('hooks of a plugin', () => {
  it.each(['before', 'after'])('are tapped by one that is listed %s it', async (where) => {
    const told: unknown[] = [];
    const both = where === 'before' ? [keepFirst({}), prune(told)] : [prune(told), keepFirst({})];
    const pipeline = await pipelineOf(folder(), { plugins: [...basePlugins(), ...both] });
    await pipeline.run();
    expect(told).toEqual([
      ['prune', 'first.weight', false, 13],
      ['prune', 'first.bias', false, 11],
      ['prune', 'second.weight', undefined, 14],
      ['prune', 'second.bias', undefined, 12],
    ]);
    expect(pipeline.taps().slice(-2)).toMatchObject([
      { hook: 'prune.shouldPrune', kind: 'sync-bail', plugin: 'keep-first' },
      { hook: 'prune.transformScore', kind: 'sync-waterfall', plugin: 'keep-first' },
    ]);
    expect(pipeline.timings()).toContainEqual(
      expect.objectContaining({ plugin: 'keep-first', hook: 'prune.shouldPrune', calls: 4 }),
    );
  });

  it('of all instances are tapped by its name, of one by the name of the instance', async () => {
    const told: unknown[] = [];
    const one = inline('one', (api) => api.hooksOf('prune#b').shouldPrune.tap(() => true));
    const plugins = [...basePlugins(), keepFirst({}), one({}), prune(told, 'a'), prune(told, 'b')];
    await (await pipelineOf(folder(), { plugins })).run();
    expect(told.map((row) => (row as unknown[]).slice(0, 3))).toEqual([
      ['prune#a', 'first.weight', false],
      ['prune#a', 'first.bias', false],
      ['prune#a', 'second.weight', undefined],
      ['prune#a', 'second.bias', undefined],
      ['prune#b', 'first.weight', false],
      ['prune#b', 'first.bias', false],
      ['prune#b', 'second.weight', true],
      ['prune#b', 'second.bias', true],
    ]);
  });

  it('have the order of their stage numbers', async () => {
    const told: unknown[] = [];
    const late = inline('late', (api) => api.hooksOf('prune').shouldPrune.tap(() => false, { stage: 5 }));
    const early = inline('early', (api) => api.hooksOf('prune').shouldPrune.tap(() => true));
    const pipeline = await pipelineOf(folder(), { plugins: [...basePlugins(), late({}), early({}), prune(told)] });
    await pipeline.run();
    expect(told[0]).toEqual(['prune', 'first.weight', true, 1]);
    expect(
      pipeline
        .taps()
        .slice(-2)
        .map(({ plugin, reasons }) => [plugin, ...reasons]),
    ).toEqual([['early'], ['late', 'STAGE.DEFAULT + 5']]);
  });

  it('name who threw, and where', async () => {
    const throwing = inline('throwing', (api) => {
      api.hooksOf('prune').afterPrune.tap(() => Promise.reject(new Error('no')));
    });
    const pipeline = await pipelineOf(folder(), { plugins: [...basePlugins(), throwing({}), prune([], 'x')] });
    expect(await failure(pipeline.run())).toMatchObject({
      code: 'ANNEAL_E_HOOK',
      plugin: 'throwing',
      hook: 'prune#x.afterPrune',
      message: 'threw in prune#x.afterPrune: no',
    });
  });

  it('of a plugin that is not there are an error, unless they are optional', async () => {
    const plugins = [...basePlugins(), keepFirst({})];
    expect(await failure(pipelineOf(folder(), { plugins }))).toMatchObject({
      code: 'ANNEAL_E_REQUIRES',
      plugin: 'keep-first',
      message: 'taps hooks of `prune`, which this stage does not have',
      fix: 'add the plugin `prune` to the stage',
    });
    const near = inline('near', (api) => api.hooksOf('prun' as 'prune').shouldPrune.tap(() => true));
    expect((await failure(pipelineOf(folder(), { plugins: [...basePlugins(), near({}), prune([])] }))).message).toBe(
      'taps hooks of `prun`, which this stage does not have, did you mean `prune`?',
    );
    const optional = inline('optional', (api) => {
      api.hooksOf('prune', { optional: true }).shouldPrune.tap(() => true);
    });
    await pipelineOf(folder(), { plugins: [...basePlugins(), optional({})] });
  });

  it('that it does not have are an error', async () => {
    const wrong = inline('wrong', (api) => {
      (api.hooksOf('prune') as unknown as Record<string, { tap(fn: () => void): void }>)['shouldPrun']!.tap(
        () => undefined,
      );
    });
    expect(await failure(pipelineOf(folder(), { plugins: [...basePlugins(), wrong({}), prune([])] }))).toMatchObject({
      code: 'ANNEAL_E_REQUIRES',
      plugin: 'wrong',
      message: '`prune` has no hook `shouldPrun`, did you mean `shouldPrune`?',
      fix: 'use one of: shouldPrune, transformScore, afterPrune',
    });
  });

  it.each<[string, (api: PluginApi) => unknown, string]>([
    [
      'lora',
      (api) => api.provideHooks('prune', {} as never),
      'hooks must have the name of their plugin, received `prune`',
    ],
    ['train', (api) => api.provideHooks('train' as 'prune', {} as never), "`train` is a group of core's own hooks"],
    [
      'prune',
      (api) => [api.provideHooks('prune', {} as never), api.provideHooks('prune', {} as never)],
      'declares its hooks twice',
    ],
  ])('cannot be declared wrongly: %s', async (name, setup, message) => {
    const error = await failure(
      pipelineOf(folder(), { plugins: [...basePlugins(), inline(name, (api) => void setup(api))({})] }),
    );
    expect(error).toMatchObject({ code: 'ANNEAL_E_PLUGIN', plugin: name, message });
  });

  it('are frozen after setup, and synchronous where they say so', async () => {
    let late: PluginApi | undefined;
    const plugins = [
      ...basePlugins(),
      inline('late', (api) => void (late = api))({}),
      inline('async', (api) => api.hooksOf('prune').shouldPrune.tap((async () => true) as never))({}),
      prune([]),
    ];
    const pipeline = await pipelineOf(folder(), { plugins });
    expect(() => late!.hooksOf('prune').shouldPrune.tap(() => true)).toThrow(
      expect.objectContaining({ code: 'ANNEAL_E_FROZEN', plugin: 'late' }),
    );
    expect(await failure(pipeline.run())).toMatchObject({ code: 'ANNEAL_E_ASYNC_TAP', plugin: 'async' });
  });

  it('count in the cache where their owner does', async () => {
    const { onEvent, told } = listener();
    const root = folder();
    const keeping = (answer: boolean) =>
      definePlugin({
        name: 'keeping',
        version: String(answer),
        options: v.strictObject({}),
        setup: (api) => api.hooksOf('prune').shouldPrune.tap(() => answer),
      })();
    await (await pipelineOf(root, { plugins: [...basePlugins(), keeping(true), prune([])] })).run();
    await (await pipelineOf(root, { plugins: [...basePlugins(), keeping(false), prune([])] })).run({ onEvent });
    expect(told().phases.slice(0, 3)).toEqual(['main.data cached', 'main.model', 'main.train']);
  });
});

/** Checked by the compiler. Nothing here runs. */
export function types(api: PluginApi): void {
  // @ts-expect-error a hook must have its kind
  api.provideHooks('prune', { shouldPrune: 'series', transformScore: 'sync-waterfall', afterPrune: 'series' });
  // @ts-expect-error all hooks must be declared
  api.provideHooks('prune', { shouldPrune: 'sync-bail' });
  // @ts-expect-error no plugin has such hooks
  api.hooksOf('nobody');
  // @ts-expect-error a synchronous decision takes no async function
  api.hooksOf('prune').shouldPrune.tap(async () => true);
  // @ts-expect-error who taps does not call
  api.hooksOf('prune').shouldPrune.call('x');
}
