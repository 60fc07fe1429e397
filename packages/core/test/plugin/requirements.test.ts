import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { createPipeline, definePlugin, type Plugin, type UserConfig } from '@anneal/core';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';

import { coreVersion, versionErrors } from '../../src/node/core-version.ts';
import { basePlugins, config, failure, folder, listener, pipelineOf } from '../tiny/build.ts';

type Needs = { provides?: string[]; requires?: string[]; core?: string };
const plugin = (name: string, needs: Needs = {}): Plugin =>
  definePlugin({
    name,
    options: v.strictObject({}),
    ...needs,
    setup: (api) => api.hooks.data.afterDataset.tap(() => undefined),
  })();

function write(root: string, files: Readonly<Record<string, unknown>>): string {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), JSON.stringify(content));
  }
  return root;
}

describe('capabilities', () => {
  const reader = plugin('reader', { requires: ['tokens'] });
  const giver = plugin('giver', { provides: ['tokens'] });

  it('come from another plugin, which is set up before', async () => {
    const pipeline = await pipelineOf(folder(), { plugins: [...basePlugins(), reader, giver] });
    expect(
      pipeline
        .taps()
        .filter(({ hook }) => hook === 'data.afterDataset')
        .map(({ plugin: name, reasons }) => [name, ...reasons]),
    ).toEqual([
      ['giver', 'before reader: gives `tokens`'],
      ['reader', 'after giver: gives `tokens`'],
    ]);
  });

  it('that nobody provides are told with all that lack them', async () => {
    const plugins = [...basePlugins(), reader, plugin('other', { requires: ['images', 'tokens'] })];
    const error = await failure(pipelineOf(folder(), { plugins }));
    expect([error, ...error.also].map(({ code, plugin: name, message }) => `${code} ${name}: ${message}`)).toEqual([
      'ANNEAL_E_REQUIRES reader: needs `tokens`, which no plugin of stage `main` provides',
      'ANNEAL_E_REQUIRES other: needs `images`, which no plugin of stage `main` provides',
      'ANNEAL_E_REQUIRES other: needs `tokens`, which no plugin of stage `main` provides',
    ]);
    expect(error.fix).toBe('add a plugin whose documentation says that it provides `tokens`');
    const mistyped = [...basePlugins(), plugin('p', { requires: ['tokeniser', 'token'] }), giver];
    const near = await failure(pipelineOf(folder(), { plugins: mistyped }));
    expect([near, ...near.also].map(({ message }) => message)).toEqual([
      'needs `tokeniser`, which no plugin of stage `main` provides, did you mean `tokenizer`?',
      'needs `token`, which no plugin of stage `main` provides, did you mean `tokens`?',
    ]);
  });

  it('are known of plugins of other stages, of installed packages, and of our own', async () => {
    const stages: UserConfig['stages'] = {
      one: { plugins: [giver], evaluate: false, emit: false },
      two: { from: 'one', plugins: [reader] },
    };
    const root = write(folder(), {
      'package.json': { devDependencies: { 'anneal-plugin-words': '1', other: '1' } },
      'node_modules/anneal-plugin-words/package.json': { anneal: { plugin: true, provides: ['tokens'] } },
      'node_modules/other/package.json': { name: 'other' },
    });
    expect((await failure(createPipeline(config({ stages }), { root }))).fix).toBe(
      'add `giver` of stage `one`, or the plugin of anneal-plugin-words, which is installed',
    );
    const plugins = [...basePlugins(), plugin('p', { requires: ['tokenizer'] })];
    expect((await failure(pipelineOf(folder(), { plugins }))).fix).toBe('add `tokenizer` of @anneal/plugin-tokenizer');
  });

  it('of a plugin itself need nobody else', async () => {
    await pipelineOf(folder(), { plugins: [...basePlugins(), plugin('both', { provides: ['x'], requires: ['x'] })] });
  });

  it('can be a cycle', async () => {
    const a = plugin('a', { provides: ['x'], requires: ['y'] });
    const b = plugin('b', { provides: ['y'], requires: ['x'] });
    expect(await failure(pipelineOf(folder(), { plugins: [...basePlugins(), a, b] }))).toMatchObject({
      code: 'ANNEAL_E_PLUGIN',
      message: 'the order of plugins has a cycle: a → b → a',
    });
  });
});

describe('versions of core', () => {
  it.each([
    ['>=0.1.0 <1.0.0', '0.1.0', true],
    ['^1.2.0', '1.9.3', true],
    ['^1.2.0', '2.0.0', false],
    ['~0.3', '0.3.9', true],
    ['~0.3', '0.4.0', false],
    ['>=0.4', '0.4.0-next.1', true],
    ['>=0.4', '0.3.9-next.1', false],
    ['0.2 || 0.3', '0.3.1', true],
    ['*', '0.0.1', true],
  ])('%s with %s: %s', async (core, version, works) => {
    expect(await versionErrors([plugin('p', { core })], version)).toHaveLength(works ? 0 : 1);
  });

  it('that do not fit stop the build before it begins', async () => {
    const plugins = [
      ...basePlugins(),
      plugin('old', { core: '>=77' }),
      plugin('broken', { core: 'latest and greatest' }),
    ];
    const error = await failure(pipelineOf(folder(), { plugins }));
    expect(error).toMatchObject({
      code: 'ANNEAL_E_VERSION',
      plugin: 'old',
      message: `works with @anneal/core >=77 (itself), received ${coreVersion()}`,
      path: ['plugins', 3],
      fix: expect.stringContaining('install a version of the plugin'),
    });
    expect(error.also).toMatchObject([
      { code: 'ANNEAL_E_PLUGIN', message: 'names no range of versions: "latest and greatest" (itself)' },
    ]);
  });

  it('are those of the peer range where the plugin says nothing', async () => {
    const root = write(folder(), {
      'p/package.json': { name: 'anneal-plugin-p', peerDependencies: { '@anneal/core': '^0.3.0' } },
      'w/package.json': { name: 'anneal-plugin-w', peerDependencies: { '@anneal/core': 'workspace:>=0.3.0 <1' } },
      'any/package.json': { peerDependencies: { '@anneal/core': 'workspace:*' } },
      'none/package.json': {},
    });
    const at = (name: string): Plugin => ({ ...plugin(name), source: `file://${join(root, name, 'src', 'index.js')}` });
    const found = await versionErrors(['p', 'w', 'any', 'none'].map(at), '0.2.0');
    expect(found.map(({ plugin: name, message }) => `${name}: ${message}`)).toEqual([
      'p: works with @anneal/core ^0.3.0 (the package.json of anneal-plugin-p), received 0.2.0',
      'w: works with @anneal/core >=0.3.0 <1 (the package.json of anneal-plugin-w), received 0.2.0',
    ]);
    expect(await versionErrors(['p', 'w'].map(at), '0.3.1')).toEqual([]);
  });

  it('of this package is a version', () => {
    expect(coreVersion()).toMatch(/^\d+\.\d+\.\d+/);
  });
});

describe('deprecations', () => {
  const since = '0.3.0';
  const old = definePlugin({
    name: 'old',
    options: v.strictObject({ scale: v.optional(v.number(), 1), mode: v.optional(v.string()) }),
    deprecated: { since, use: '`fresh` of anneal-plugin-fresh' },
    deprecatedOptions: { factor: { since: '0.2.0', to: 'scale' }, mode: { since, use: 'no mode at all' } },
    setup(api, { scale }) {
      if (scale > 1) api.deprecate('A scale above 1', { since, use: 'a larger learning rate' });
      api.hooks.train.beforeTrain.tap(() => void seen.push(scale));
      api.hooks.train.afterTrain.tap(() => {
        if (scale === 5) api.deprecate('Five', { since, use: 'four' });
      });
    },
  });
  const seen: number[] = [];
  const stages: UserConfig['stages'] = { one: { evaluate: false, emit: false }, two: { from: 'one' } };
  const given = (options: object): UserConfig => ({ stages, plugins: [...basePlugins(), old(options as never)] });

  it('are told once each, however many stages there are', async () => {
    const { onEvent, told } = listener();
    const pipeline = await createPipeline(config(given({ factor: 3, mode: 'x' })), { root: folder(), onEvent });
    expect(told().warnings).toEqual([
      'This plugin is deprecated since 0.3.0, use `fresh` of anneal-plugin-fresh',
      'Option `factor` is deprecated since 0.2.0, use `scale`',
      'Option `mode` is deprecated since 0.3.0, use no mode at all',
      'A scale above 1 is deprecated since 0.3.0, use a larger learning rate',
    ]);
    seen.length = 0;
    await pipeline.run();
    expect(seen).toEqual([3, 3]);
  });

  it('are errors where the build is strict, all at once', async () => {
    const error = await failure(createPipeline(config(given({ factor: 3 })), { root: folder(), strict: true }));
    expect(
      [error, ...error.also].map(({ code, plugin: name, path, message, fix }) => [code, name, path, message, fix]),
    ).toEqual([
      [
        'ANNEAL_E_DEPRECATED',
        'old',
        ['plugins', 3],
        'this plugin is deprecated since 0.3.0',
        'use `fresh` of anneal-plugin-fresh',
      ],
      [
        'ANNEAL_E_DEPRECATED',
        'old',
        ['plugins', 3, 'factor'],
        'option `factor` is deprecated since 0.2.0',
        'use `scale`',
      ],
      [
        'ANNEAL_E_DEPRECATED',
        'old',
        undefined,
        'a scale above 1 is deprecated since 0.3.0',
        'use a larger learning rate',
      ],
    ]);
  });

  it('found in a run are errors at once', async () => {
    const late = definePlugin({
      name: 'late',
      options: v.strictObject({}),
      setup: (api) =>
        api.hooks.train.beforeTrain.tap(() => {
          api.deprecate('This', { since, use: 'that' });
        }),
    });
    const plugins = [...basePlugins(), late()];
    const pipeline = await createPipeline(config({ plugins }), { root: folder(), strict: true });
    expect(await failure(pipeline.run())).toMatchObject({
      code: 'ANNEAL_E_DEPRECATED',
      plugin: 'late',
      hook: 'train.beforeTrain',
    });
  });

  it('leave an option that is given under both names to the schema', async () => {
    const error = await failure(pipelineOf(folder(), given({ factor: 3, scale: 2 })));
    expect(error).toMatchObject({
      code: 'ANNEAL_E_OPTIONS',
      message: expect.stringContaining('unknown option `factor`'),
    });
  });

  it('of a hook are told to who taps it', async () => {
    const { onEvent, told } = listener();
    const owner = definePlugin({
      name: 'owner',
      options: v.strictObject({}),
      setup(api) {
        api.provideHooks(
          'owner' as never,
          { old: { kind: 'series', deprecated: { since, use: '`owner.fresh`' } } } as never,
        );
      },
    });
    const tapper = definePlugin({
      name: 'tapper',
      options: v.strictObject({}),
      setup(api) {
        (api.hooksOf('owner' as never) as Record<string, { tap(fn: () => void): void }>)['old']!.tap(() => undefined);
      },
    });
    const plugins = [...basePlugins(), tapper(), owner()];
    await createPipeline(config({ plugins }), { root: folder(), onEvent });
    expect(told().events).toEqual([
      {
        type: 'log',
        entry: {
          level: 'warn',
          tag: 'tapper',
          message: 'Hook `owner.old` is deprecated since 0.3.0, use `owner.fresh`',
        },
      },
    ]);
    expect(await failure(createPipeline(config({ plugins }), { root: folder(), strict: true }))).toMatchObject({
      code: 'ANNEAL_E_DEPRECATED',
      plugin: 'tapper',
      hook: 'owner.old',
    });
  });
});
