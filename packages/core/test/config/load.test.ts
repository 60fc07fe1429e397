import { join } from 'node:path';

import { defineConfig, explainConfig, loadConfig, resolveConfig } from '@anneal/core';
import { describe, expect, it } from 'vitest';

import { failure, project, told } from './project.ts';

const formats: Readonly<Record<string, string>> = {
  'anneal.config.ts': `
    enum Rank { Small = 4 } // beyond type stripping
    const seed: number = 7;
    export default { seed, plugins: [['alpha', { rank: Rank.Small }]] } satisfies object;`,
  'anneal.config.mts': `const seed: number = 7; export default { seed, plugins: [['alpha', { rank: 4 }]] };`,
  'anneal.config.mjs': `export default Promise.resolve({ seed: 7, plugins: [['alpha', { rank: 4 }]] });`,
  'anneal.config.js': `export default async () => ({ seed: 7, plugins: [['alpha', { rank: 4 }]] });`,
  'anneal.config.json': `{ "seed": 7, "plugins": [["alpha", { "rank": 4 }]] }`,
  'anneal.config.yaml': 'seed: 7\nplugins:\n  - [alpha, { rank: 4 }]\n',
  'anneal.config.yml': 'seed: 7\nplugins:\n  - - alpha\n    - rank: 4\n',
};

describe('formats', () => {
  it.each(Object.entries(formats))('loads %s', async (name, text) => {
    const root = project({ [name]: text });
    const config = await loadConfig({ cwd: root });
    expect(config).toMatchObject({ seed: 7, root, file: join(root, name) });
    expect(config.stages[0]?.plugins).toMatchObject([{ name: 'alpha', options: { rank: 4 } }]);
  });

  it('loads the anneal key of package.json', async () => {
    const root = project({ 'package.json': { name: 'x', anneal: { seed: 7 } } });
    expect(await loadConfig({ cwd: root })).toMatchObject({ seed: 7, file: join(root, 'package.json') });
  });

  it('imports other TypeScript files and packages from a TypeScript config', async () => {
    const root = project({
      'anneal.config.ts': `import { alpha } from '@anneal/plugin-alpha';
        import { seed } from './seed';
        export default { seed, plugins: [alpha({ rank: 2 })] };`,
      'seed.ts': 'export const seed: number = 5;',
    });
    const config = await loadConfig({ cwd: root });
    expect(config.seed).toBe(5);
    expect(config.stages[0]?.plugins[0]).toMatchObject({ name: 'alpha', options: { rank: 2 } });
  });

  it('tells functions the command and the mode', async () => {
    const root = project({ 'anneal.config.mjs': 'export default (env) => ({ name: `${env.command} ${env.mode}` });' });
    expect(await loadConfig({ cwd: root, command: 'plan', mode: 'fast' })).toMatchObject({ name: 'plan fast' });
    expect(await loadConfig({ cwd: root })).toMatchObject({ name: 'api production' });
  });
});

describe('search', () => {
  it('goes up to the folder of the nearest package.json and not beyond', async () => {
    const root = project({
      'anneal.config.json': { name: 'outer' },
      'deep/er/x.txt': '',
      'other/package.json': {},
      'other/x.txt': '',
    });
    expect((await loadConfig({ cwd: join(root, 'deep/er') })).name).toBe('outer');
    const error = await failure(loadConfig({ cwd: join(root, 'other') }));
    expect(error.code).toBe('ANNEAL_E_CONFIG_NOT_FOUND');
    expect(error.fix).toContain('anneal init');
  });

  it('takes a given file, relative to cwd', async () => {
    const root = project({ 'configs/small.json': { name: 'small' } });
    expect(await loadConfig({ cwd: root, file: 'configs/small.json' })).toMatchObject({
      name: 'small',
      root: join(root, 'configs'),
    });
  });

  it('names the near file when the given one does not exist', async () => {
    const root = project({ 'anneal.config.json': {} });
    const error = await failure(loadConfig({ cwd: root, file: 'aneal.config.json' }));
    expect(error.code).toBe('ANNEAL_E_CONFIG_NOT_FOUND');
    expect(error.file).toBe(join(root, 'aneal.config.json'));
    expect(error.fix).toContain('anneal.config.json');
  });

  it('does not take the description of a plugin for a config', async () => {
    const root = project({ 'package.json': { name: 'anneal-plugin-x', anneal: { plugin: true } } });
    expect((await failure(loadConfig({ cwd: root }))).code).toBe('ANNEAL_E_CONFIG_NOT_FOUND');
  });
});

describe('files that cannot be loaded', () => {
  it.each([
    ['anneal.config.json', '{ "seed": 1,, }', 'cannot be parsed'],
    ['anneal.config.yaml', 'seed: [1', 'cannot be parsed'],
    ['anneal.config.mjs', 'throw new Error("out of tea");', 'threw'],
    ['anneal.config.ts', 'const = 1;', 'threw'],
    ['anneal.config.mjs', 'export default () => { throw new Error("out of tea"); };', 'config function threw'],
    ['anneal.config.json', '', 'no config in it'],
    ['anneal.config.mjs', 'export const config = {};', 'no config in it'],
  ])('%s: %s', async (name, text, message) => {
    const root = project({ [name]: text });
    const error = await failure(loadConfig({ cwd: root }));
    expect(error.code).toBe('ANNEAL_E_CONFIG_LOAD');
    expect(error.message).toContain(message);
    expect(error.file).toBe(join(root, name));
    if (text.includes('tea')) expect((error.cause as Error).message).toBe('out of tea');
  });

  it('does not run a config a second time after it threw', async () => {
    const root = project({
      'anneal.config.mjs': 'globalThis.annealRuns = (globalThis.annealRuns ?? 0) + 1; throw new Error("x");',
    });
    await failure(loadConfig({ cwd: root }));
    expect((globalThis as { annealRuns?: number }).annealRuns).toBe(1);
  });

  it('takes no key for a prototype', async () => {
    const root = project({
      'anneal.config.json': '{ "__proto__": { "seed": 1 }, "train": { "__proto__": { "epochs": 9 } } }',
    });
    const error = await failure(loadConfig({ cwd: root }));
    expect(new Set(told(error))).toEqual(
      new Set([
        'ANNEAL_E_CONFIG at __proto__: unknown key `__proto__`',
        'ANNEAL_E_CONFIG at train.__proto__: unknown key `__proto__` in `train`',
      ]),
    );
    expect(({} as { seed?: number }).seed).toBeUndefined();
  });

  it('says which extensions it can read', async () => {
    const root = project({ 'config.toml': '' });
    const error = await failure(loadConfig({ cwd: root, file: 'config.toml' }));
    expect(told(error)).toEqual(['ANNEAL_E_CONFIG_LOAD at -: a config file cannot be a config.toml']);
  });
});

describe('extends, env and set', () => {
  const files = {
    'anneal.config.json': {
      extends: ['./base.json', 'anneal-preset'],
      name: 'mine',
      train: { batchSize: 16 },
      plugins: [['alpha', { rank: 3 }]],
      env: { fast: { train: { epochs: 1 }, plugins: [['alpha', { rank: 1 }]] } },
    },
    'base.json': {
      seed: 3,
      device: 'cpu',
      train: { epochs: 4, batchSize: 8, learningRate: 0.1 },
      plugins: [['alpha', { rank: 2, targets: ['q'] }], '@acme/gamma'],
      env: { fast: { train: { learningRate: 0.5 } } },
    },
  };

  it('merges with set > env > file > extends > defaults', async () => {
    const root = project(files);
    const plain = await loadConfig({ cwd: root });
    expect(plain).toMatchObject({ name: 'mine', seed: 11, device: 'cpu', backend: 'onnx' });
    expect(plain.stages[0]?.train).toMatchObject({ epochs: 9, batchSize: 16, learningRate: 0.1, weightDecay: 0.01 });
    expect(plain.stages[0]?.plugins.map(({ name, options }) => [name, options])).toEqual([
      ['alpha', { rank: 3 }],
      ['gamma', {}],
      ['beta', {}],
    ]);
    const fast = await loadConfig({ cwd: root, mode: 'fast', set: ['seed=12', 'train.learningRate=0.25'] });
    expect(fast).toMatchObject({ seed: 12, mode: 'fast' });
    expect(fast.stages[0]?.train).toMatchObject({ epochs: 1, batchSize: 16, learningRate: 0.25 });
    expect(fast.stages[0]?.plugins[0]?.options).toEqual({ rank: 1 });
  });

  it('knows where every value came from', async () => {
    const root = project(files);
    const config = await loadConfig({ cwd: root, mode: 'fast', set: ['device=auto'] });
    const sources = Object.fromEntries(
      explainConfig(config.layers).map(({ path, source }) => [path.join('.'), source]),
    );
    expect(sources).toMatchObject({
      backend: 'defaults',
      device: '--set device',
      name: 'anneal.config.json',
      seed: '../node_modules/anneal-preset/index.js',
      'train.batchSize': 'anneal.config.json',
      'train.epochs': 'anneal.config.json (env.fast)',
      'train.learningRate': 'base.json (env.fast)',
      'train.weightDecay': 'defaults',
    });
  });

  it('follows relative paths and packages from the file that names them', async () => {
    const root = project({
      'anneal.config.json': { extends: './a/one.json' },
      'a/one.json': { extends: '../b/two.json', seed: 1 },
      'b/two.json': { seed: 2, threads: 2 },
    });
    expect(await loadConfig({ cwd: root })).toMatchObject({ seed: 1, threads: 2, root });
  });

  it('finds cycles', async () => {
    const root = project({
      'anneal.config.json': { extends: './a.json' },
      'a.json': { extends: './b.json' },
      'b.json': { extends: './a.json' },
    });
    expect(told(await failure(loadConfig({ cwd: root })))).toEqual([
      'ANNEAL_E_CONFIG at extends: `extends` has a cycle: a.json → b.json → a.json',
    ]);
  });

  it('says what to do about a base that is not there', async () => {
    const root = project({
      'anneal.config.json': { extends: ['base.json', 'preset-x', './no.json'] },
      'base.json': {},
    });
    const error = await failure(loadConfig({ cwd: root }));
    expect([error, ...error.also].map(({ code, fix }) => [code, fix])).toEqual([
      ['ANNEAL_E_CONFIG_NOT_FOUND', 'write `./base.json` for the file beside the config'],
      ['ANNEAL_E_CONFIG_NOT_FOUND', 'run `npm install -D preset-x`'],
      ['ANNEAL_E_CONFIG_NOT_FOUND', 'give the path of a file that exists'],
    ]);
  });
});

describe('set', () => {
  const config = defineConfig({ train: { epochs: 2, lengthBuckets: [64, 128] }, gates: { 'size.ratio': '<= 0.5' } });
  const set = (...overrides: string[]) => resolveConfig(config, { root: project(), set: overrides });

  it('reads JSON values, texts, indices, quoted keys and names of gates', async () => {
    const resolved = await set(
      'train.lengthBuckets[1]=256',
      'train.lengthBuckets.2=512',
      'name=a b=c',
      'train.optimizer={"name":"sgd","momentum":0.9}',
      'gates.size.ratio=<= 0.4',
      'gates["latency.p95"]=<= 20 ms',
    );
    expect(resolved.name).toBe('a b=c');
    expect(resolved.gates).toEqual({ 'size.ratio': '<= 0.4', 'latency.p95': '<= 20 ms' });
    expect(resolved.stages[0]?.train).toMatchObject({
      epochs: 2,
      lengthBuckets: [64, 256, 512],
      optimizer: { name: 'sgd', momentum: 0.9 },
    });
  });

  it('names where an override came from, in layers and errors', async () => {
    const root = project();
    const given = (text: string) => ({ text, source: 'ANNEAL_X' });
    const resolved = await resolveConfig(config, { root, set: [given('seed=3'), 'device=cpu'] });
    const sources = explainConfig(resolved.layers).filter(({ path }) => ['seed', 'device'].includes(path[0]!));
    expect(sources.map(({ path, source }) => [path[0], source])).toEqual([
      ['device', '--set device'],
      ['seed', 'ANNEAL_X'],
    ]);
    for (const text of ['seed', 'seed=x', '__proto__.x=1', 'plugins.alpha.rank=1', 'plugins=["no"]']) {
      const error = await failure(resolveConfig(config, { root, set: ['device=cpu', given(text)] }));
      expect([text, error.file]).toEqual([text, 'ANNEAL_X']);
    }
  });

  it('changes options of plugins by index and by name, adds and removes plugins', async () => {
    const root = project();
    const base = {
      plugins: ['beta', ['alpha', { rank: 3, targets: ['q'] }]],
      stages: { a: { plugins: ['@acme/gamma'] } },
    };
    const resolve = async (...overrides: string[]) => {
      const { stages } = await resolveConfig(base as never, { root, set: overrides });
      return stages[0]?.plugins.map(({ name, options }) => [name, options]);
    };
    const targets = ['q'];
    const rest = [['gamma', {}]];
    expect(await resolve('plugins.alpha.rank=5')).toEqual([['beta', {}], ['alpha', { rank: 5, targets }], ...rest]);
    expect(await resolve('plugins.1.1.rank=5')).toEqual([['beta', {}], ['alpha', { rank: 5, targets }], ...rest]);
    expect(await resolve('plugins[1].options.targets[0]=k')).toEqual([
      ['beta', {}],
      ['alpha', { rank: 3, targets: ['k'] }],
      ...rest,
    ]);
    expect(await resolve('plugins.beta=false')).toEqual([['alpha', { rank: 3, targets }], ...rest]);
    expect(await resolve('plugins.2=beta#2')).toEqual([
      ['beta', {}],
      ['alpha', { rank: 3, targets }],
      ['beta#2', {}],
      ...rest,
    ]);
    expect(await resolve('plugins=[]', 'stages.a.plugins.gamma.rank=2')).toEqual([['gamma', { rank: 2 }]]);
  });

  it.each([
    ['epochs', 'ANNEAL_E_CONFIG at -: an override must be path=value, received "epochs"'],
    ['=1', 'ANNEAL_E_CONFIG at -: an override must be path=value, received "=1"'],
    ['sed=1', 'ANNEAL_E_CONFIG at sed: unknown key `sed`, did you mean `seed`?'],
    ['train.epochs=no', 'ANNEAL_E_CONFIG at train.epochs: `train.epochs` must be a number > 0, received "no"'],
    [
      'train.lengthBuckets.7=1',
      'ANNEAL_E_CONFIG at train.lengthBuckets.7: `train.lengthBuckets` has 2 entries, received the index "7"',
    ],
    ['__proto__.x=1', 'ANNEAL_E_CONFIG at __proto__.x: `__proto__` cannot be a key'],
    ['plugins.alpha.rank=1', 'ANNEAL_E_CONFIG at plugins.alpha.rank: there is no plugin `alpha`'],
  ])('refuses %s', async (override, message) => {
    const error = await failure(set(override));
    expect(told(error)).toEqual([message]);
    expect(error.file).toBe('--set');
    expect(({} as { x?: number }).x).toBeUndefined();
  });
});
