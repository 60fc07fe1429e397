import { basename } from 'node:path';

import { AnnealError, createPipeline, definePlugin, type PluginApi, type UserConfig } from '@anneal/core';
import * as v from 'valibot';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { basePlugins, config, failure, folder, inline, listener, pipelineOf } from '../tiny/build.ts';
import { mlpPlugin } from '../tiny/problem.ts';

const withPlugin = (name: string, setup: (api: PluginApi) => void | Promise<void>): UserConfig => ({
  plugins: [...basePlugins(), inline(name, setup)({})],
});

afterEach(() => {
  vi.useRealTimers();
});

describe('setup', () => {
  it('has the folder, the mode, the seed and the stage', async () => {
    const root = folder();
    const seen: unknown[] = [];
    const stages = { one: { evaluate: false, emit: false }, two: { from: 'one' } };
    const plugins = [
      ...basePlugins(),
      inline('p', ({ stage, mode, seed, root: at }) => void seen.push([stage, mode, seed, at]))({}),
    ];
    await createPipeline(config({ seed: 4, stages, plugins }), { root, mode: 'trial' });
    expect(seen).toEqual([
      ['one', 'trial', 4, root],
      ['two', 'trial', 4, root],
    ]);
  });

  it('may be asynchronous; plugins after it wait', async () => {
    const seen: string[] = [];
    const slow = inline('slow', async () => {
      await new Promise((resolve) => setTimeout(resolve, 10));
      seen.push('slow');
    });
    const quick = inline('quick', () => void seen.push('quick'));
    await pipelineOf(folder(), { plugins: [slow({}), quick({})] });
    expect(seen).toEqual(['slow', 'quick']);
  });

  it('that throws is told with the plugin and the cause', async () => {
    const cause = new Error('no such device');
    const error = await failure(
      pipelineOf(
        folder(),
        withPlugin('p', () => Promise.reject(cause)),
      ),
    );
    expect(error).toMatchObject({
      code: 'ANNEAL_E_SETUP',
      plugin: 'p',
      message: 'threw in setup: no such device',
      cause,
    });
  });

  it('that throws a coded error keeps code and fix', async () => {
    const error = await failure(
      pipelineOf(
        folder(),
        withPlugin('p', (api) => {
          throw api.error('ANNEAL_E_OPTIONS', 'rank is too high', { fix: 'use 8', path: ['rank'] });
        }),
      ),
    );
    expect(error).toMatchObject({
      code: 'ANNEAL_E_OPTIONS',
      plugin: 'p',
      hook: 'setup',
      message: 'rank is too high',
      fix: 'use 8',
      path: ['rank'],
    });
  });

  it('that does not end is given up', async () => {
    vi.useFakeTimers();
    const creating = failure(
      pipelineOf(
        folder(),
        withPlugin('p', () => new Promise(() => undefined)),
      ),
    );
    await vi.waitFor(() => {
      expect(vi.getTimerCount()).toBe(1);
    });
    await vi.advanceTimersByTimeAsync(30_000);
    expect(await creating).toMatchObject({
      code: 'ANNEAL_E_SETUP',
      plugin: 'p',
      message: 'setup did not finish within 30 s',
      fix: 'move slow work into a hook',
    });
  });

  it('leaves no timer behind', async () => {
    vi.useFakeTimers();
    await pipelineOf(
      folder(),
      withPlugin('p', () => undefined),
    );
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is over when hooks are called: a tap comes too late then', async () => {
    let late: PluginApi | undefined;
    const pipeline = await pipelineOf(
      folder(),
      withPlugin('p', (api) => void (late = api)),
    );
    expect(() => late!.hooks.train.onStep.tap(() => undefined)).toThrow(
      expect.objectContaining({ code: 'ANNEAL_E_FROZEN', plugin: 'p', hook: 'train.onStep' }),
    );
    const inHook = withPlugin('q', (api) => {
      api.hooks.data.afterDataset.tap(() => {
        api.hooks.train.onStep.tap(() => undefined);
      });
    });
    const error = await failure((await pipelineOf(folder(), inHook)).run());
    expect(error).toMatchObject({ code: 'ANNEAL_E_FROZEN', plugin: 'q', hook: 'train.onStep' });
    await pipeline.close();
  });

  it('logs to the caller under the name of the plugin', async () => {
    const { onEvent, told } = listener();
    await createPipeline(config(withPlugin('p', ({ logger }) => logger.info('hello'))), { root: folder(), onEvent });
    expect(told().events).toEqual([{ type: 'log', entry: { level: 'info', message: 'hello', tag: 'p' } }]);
  });
});

describe('api.state', () => {
  it('belongs to a run and to a stage', async () => {
    const seen: number[] = [];
    const counting = inline('p', (api) => {
      const count = api.state(() => ({ calls: 0 }));
      api.hooks.data.resolveTask.tap((_, { run }) => {
        seen.push(++count(run).calls);
        return undefined;
      });
    });
    const plugins = [counting({}), ...basePlugins()];
    const pipeline = await pipelineOf(folder(), { plugins, train: { epochs: 1 } });
    await pipeline.run({ force: true });
    await pipeline.run({ force: true });
    expect(seen).toEqual([1, 1]);
  });
});

describe('definePlugin', () => {
  it('names the file that defines the plugin, not the one that uses it', () => {
    const here = definePlugin({ name: 'here', options: v.strictObject({}), setup: () => undefined })();
    expect(basename(here.source!)).toBe('setup.test.ts');
    expect(basename(mlpPlugin().source!)).toBe('problem.ts');
    expect(basename(inline('there', () => undefined)({}).source!)).toBe('build.ts');
  });

  it('does so wherever stacks are cut short', () => {
    const { stackTraceLimit } = Error;
    try {
      for (const limit of [0, 1, 50]) {
        Error.stackTraceLimit = limit;
        const plugin = definePlugin({ name: 'p', options: v.strictObject({}), setup: () => undefined })();
        expect(basename(plugin.source!)).toBe('setup.test.ts');
        expect(Error.stackTraceLimit).toBe(limit);
      }
    } finally {
      Error.stackTraceLimit = stackTraceLimit;
    }
  });

  it('does without where stacks are no text', () => {
    const { prepareStackTrace } = Error;
    try {
      Error.prepareStackTrace = (_, frames) => frames;
      const plugin = definePlugin({ name: 'p', options: v.strictObject({}), setup: () => undefined })();
      expect(plugin.source).toBeUndefined();
      expect(String(plugin.setup)).toContain('undefined');
    } finally {
      Error.prepareStackTrace = prepareStackTrace;
    }
  });

  it('gives setup its own object as `this`', () => {
    const seen: unknown[] = [];
    const spec = {
      name: 'p',
      options: v.strictObject({}),
      setup(): void {
        seen.push(this);
      },
    };
    void definePlugin(spec)().setup({} as PluginApi, {});
    expect(seen).toEqual([spec]);
  });

  it('makes errors that name the plugin', async () => {
    let made: AnnealError | undefined;
    await pipelineOf(
      folder(),
      withPlugin('p', (api) => void (made = api.error('ANNEAL_E_DATA', 'no rows'))),
    );
    expect(made).toBeInstanceOf(AnnealError);
    expect(made).toMatchObject({ code: 'ANNEAL_E_DATA', plugin: 'p' });
  });
});
