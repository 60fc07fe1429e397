import { openSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

import { definePlugin, type Run } from '@anneal/core';
import { GraphBuilder, tensor } from '@anneal/graph';
import * as v from 'valibot';
import { afterEach, describe, expect, it } from 'vitest';

import { testPlugin } from '../src/index.ts';
import { AGAIN, ALONE, BUILD, plugin, problems, SHARED } from './problems.ts';

describe('finds a plugin that', () => {
  it('changes what it is given', async () => {
    const mutating = plugin((api) => {
      api.hooks.data.transformDataset.tap(({ splits }) => {
        (splits['train'] as unknown[]).pop();
      });
      api.hooks.compress.transformModel.tap(({ graph }) => {
        for (const { data } of graph.parameters.values()) if ('data' in data) (data.data as Float32Array).fill(0);
        return undefined;
      });
    });
    expect((await problems(mutating, BUILD, ALONE))[ALONE]).toMatch(
      /^changed in place: argument 1 of data\.transformDataset at `\.splits\.train\.length`; argument 1 of compress\.transformModel at `\.graph\.parameters\.embeddings\.word_embeddings\.weight\.data\.data`; return a copy/,
    );
  });

  it('changes what it is given after it has waited', async () => {
    const mutating = plugin((api) => {
      api.hooks.data.afterDataset.tap(async ({ report }) => {
        await Promise.resolve();
        (report.dropped as Record<string, number>)['late'] = 1;
      });
    });
    expect((await problems(mutating, BUILD, ALONE))[ALONE]).toContain(
      'argument 1 of data.afterDataset at `.report.dropped',
    );
  });

  it('changes its options, which are the defaults of the next run', async () => {
    const growing = definePlugin({
      name: 'growing',
      options: v.strictObject({ list: v.optional(v.pipe(v.array(v.number()), v.description('Numbers.')), []) }),
      setup(api, { list }) {
        api.hooks.train.beforeTrain.tap(() => void list.push(1));
      },
    });
    expect((await problems(growing, BUILD, ALONE))[ALONE]).toContain('changed in place: the options at `.list');
  });

  it('does not dispose of a program or a state', async () => {
    const leaking = plugin((api) => {
      api.hooks.train.beforeTrain.tap(async (ctx) => {
        const backend = await ctx.backend();
        const g = new GraphBuilder();
        g.output('y', g.ops.neg(g.input('x', 'float32', [1])));
        await backend.compile(g.build(), { label: 'forgotten' });
        await backend.createState({ a: tensor('float32', [1], [0]) });
      });
    });
    expect(await problems(leaking, BUILD)).toEqual({
      'build (reference)': 'never disposed of: the program "forgotten"; a state of 1 tensors',
    });
  });

  it.each<[what: string, leak: (ends: (() => void)[]) => void, said: RegExp]>([
    [
      'a timer',
      (ends) => void ends.push(clearTimer(setInterval(() => undefined, 1e6))),
      /left open after the build: a timer$/,
    ],
    ['a file handle', () => void handles.push(open(import.meta.filename)), /the file .*plugin-builds\.test\.ts/],
    ['a file', () => void openSync(import.meta.filename, 'r'), /the file .*plugin-builds\.test\.ts/],
    [
      'a listener',
      (ends) => {
        const listener = (): void => undefined;
        process.on('SIGUSR2', listener);
        ends.push(() => process.off('SIGUSR2', listener));
      },
      /a listener of the process to SIGUSR2/,
    ],
    [
      'a global name',
      (ends) => {
        (globalThis as { leaked?: unknown }).leaked = 1;
        ends.push(() => delete (globalThis as { leaked?: unknown }).leaked);
      },
      /the global name `leaked`/,
    ],
  ])('leaves %s', async (_, leak, said) => {
    const leaking = plugin((api) => {
      let isFirst = true;
      api.hooks.train.beforeTrain.tap(() => {
        if (isFirst) leak(ends);
        isFirst = false;
      });
    });
    const test = testPlugin(leaking, BUILD).find(({ name }) => name === ALONE);
    await expect(test?.run()).rejects.toThrow(said);
  });
  const ends: (() => void)[] = [];
  const handles: Promise<FileHandle>[] = [];
  const clearTimer = (timer: NodeJS.Timeout) => (): void => clearInterval(timer);
  afterEach(async () => {
    for (const handle of handles.splice(0)) await (await handle).close();
    for (const end of ends.splice(0)) end();
  });

  it('is not deterministic', async () => {
    const random = plugin((api) => {
      api.hooks.train.transformLoss.tap((loss, { ops }) => ops.mul(loss, 1 + Math.random()));
    });
    const found = await problems(random, BUILD, AGAIN);
    expect(found[AGAIN]).toMatch(/^two builds of the same config differ: onnx\/model\.onnx, .*`train` of the report/);
  });

  it('writes another artifact every time', async () => {
    const dated = plugin((api) => {
      api.hooks.data.afterDataset.tap((_, { run }) => run.artifacts.set('stamp', run.id));
    });
    expect((await problems(dated, BUILD, AGAIN))[AGAIN]).toBe(
      'two builds of the same config differ: the artifact stamp',
    );
  });

  it('keeps what belongs to a run in a closure', async () => {
    const shared = plugin((api) => {
      let current: Run | undefined;
      api.hooks.data.afterDataset.tap((_, { run }) => void (current = run));
      api.hooks.model.afterModel.tap(() => current?.artifacts.set('model.txt', 'there'));
    });
    const found = await problems(shared, BUILD);
    expect(Object.keys(found)).toEqual([SHARED]);
    expect(found[SHARED]).toContain('the artifact model.txt; keep in `api.state`');
  });

  it('counts over all runs', async () => {
    const counting = plugin((api) => {
      let calls = 0;
      api.hooks.train.transformLoss.tap((loss, { ops }) => ops.mul(loss, ++calls));
    });
    expect(Object.keys(await problems(counting, BUILD, SHARED))).toEqual([SHARED]);
  });

  it('has a state of the module, which separate builds share', async () => {
    let builds = 0;
    const counting = plugin((api) => {
      builds++;
      api.hooks.emit.emit.tap((ctx) => ctx.write('build.txt', String(builds)));
    });
    expect(Object.keys(await problems(counting, BUILD, AGAIN))).toEqual([AGAIN]);
  });
});
