import { type PluginInput, resolveConfig, type UserConfig } from '@anneal/core';
import { describe, expect, it } from 'vitest';

import { failure, project, told } from './project.ts';

const errorsOf = async (config: unknown): Promise<readonly string[]> =>
  told(await failure(resolveConfig(config as UserConfig, { root: project() })));

describe('batch size', () => {
  const trainOf = async (train: UserConfig['train']): Promise<unknown> =>
    (await resolveConfig({ train }, { root: project() })).stages[0]!.train;

  it('has a default unless a budget of tokens says how many rows there are', async () => {
    expect(await trainOf({})).toMatchObject({ batchSize: 32 });
    expect(await trainOf({ maxTokensPerBatch: 4096 })).not.toHaveProperty('batchSize');
    expect(await trainOf({ maxTokensPerBatch: 4096, batchSize: 64 })).toMatchObject({ batchSize: 64 });
  });
});

describe('values', () => {
  it.each([
    [{ seed: -1 }, 'seed: `seed` must be an integer >= 0, received -1'],
    [{ seed: '1' }, 'seed: `seed` must be an integer >= 0, received "1"'],
    [{ threads: 1.5 }, 'threads: `threads` must be an integer >= 1, received 1.5'],
    [{ threads: null }, 'threads: `threads` must be an integer >= 1, received null'],
    [{ name: '' }, 'name: `name` must be a text that is not empty, received ""'],
    [{ outDir: ['dist'] }, 'outDir: `outDir` must be a text that is not empty, received ["dist"]'],
    [{ backend: 3 }, 'backend: `backend` must be a name or a function that opens a backend, received 3'],
    [{ evaluate: true }, 'evaluate: `evaluate` must be an object such as { batchSize: 32 }, received true'],
    [{ train: { epochs: 0 } }, 'train.epochs: `train.epochs` must be a number > 0, received 0'],
    [{ train: { epochs: Number.NaN } }, 'train.epochs: `train.epochs` must be a number > 0, received NaN'],
    [
      { train: { warmupRatio: 2 } },
      'train.warmupRatio: `train.warmupRatio` must be a number between 0 and 1, received 2',
    ],
    [
      { train: { lrScheduler: 'step' } },
      'train.lrScheduler: `train.lrScheduler` must be "constant", "linear", "cosine", "wsd", "one-cycle", "plateau" or an object such as { name: "plateau", patience: 2 }, received "step"',
    ],
    [
      { train: { lrScheduler: { name: 'plateau', factor: 1 } } },
      'train.lrScheduler.factor: `train.lrScheduler.factor` must be a number > 0 and < 1, received 1',
    ],
    [
      { train: { lrScheduler: { name: 'cosine', factor: 0.5 } } },
      'train.lrScheduler.name: `train.lrScheduler.name` must be "plateau": other schedules have no options, received "cosine"',
    ],
    [
      { train: { lrScheduler: { name: 'plateau', min_lr: 0 } } },
      'train.lrScheduler.min_lr: unknown key `min_lr` in `train.lrScheduler`, did you mean `minLr`?',
    ],
    [
      { train: { lrScheduler: { name: 'plateau', thresholdMode: 'relative' } } },
      'train.lrScheduler.thresholdMode: `train.lrScheduler.thresholdMode` must be "rel" or "abs", received "relative"',
    ],
    [
      { train: { gradientCheckpointing: 'yes' } },
      'train.gradientCheckpointing: `train.gradientCheckpointing` must be true or false, received "yes"',
    ],
    [{ train: { evalSteps: 0 } }, 'train.evalSteps: `train.evalSteps` must be an integer >= 1, received 0'],
    [
      { train: { maxTokensPerBatch: 0.5 } },
      'train.maxTokensPerBatch: `train.maxTokensPerBatch` must be an integer >= 1, received 0.5',
    ],
    [
      { train: { parameterGroups: { params: '*' } } },
      'train.parameterGroups: `train.parameterGroups` must be a list of groups, received { params: "*" }',
    ],
    [
      { train: { parameterGroups: [{ learningRate: 1 }] } },
      'train.parameterGroups.0.params: `train.parameterGroups[0].params` is missing',
    ],
    [
      { train: { parameterGroups: [{ params: [] }] } },
      'train.parameterGroups.0.params: `train.parameterGroups[0].params` must be a glob or a list of globs over parameter names, received []',
    ],
    [
      { train: { parameterGroups: [{ params: '*', lr: 1 }] } },
      'train.parameterGroups.0.lr: unknown key `lr` in `train.parameterGroups[0]`',
    ],
    [
      { train: { parameterGroups: [{ params: '*', frozen: true, weightDecay: 1 }] } },
      'train.parameterGroups.0: `train.parameterGroups[0]` must not have a learning rate or a weight decay and be frozen, received { params: "*", frozen: true, weightDecay: 1 }',
    ],
    [{ train: { optimizer: { lr: 1 } } }, 'train.optimizer.name: `train.optimizer.name` is missing'],
    [
      { train: { optimizer: { name: 'sgd', nesterov: 'yes' } } },
      'train.optimizer.nesterov: `train.optimizer.nesterov` must be a number or true or false, received "yes"',
    ],
    [
      { train: { lengthBuckets: [64, 0] } },
      'train.lengthBuckets.1: `train.lengthBuckets[1]` must be an integer >= 1, received 0',
    ],
    [
      { train: { maxMemory: '4 apples' } },
      'train.maxMemory: `train.maxMemory` must be a number of bytes, or a size such as "4 GB" or "512 MiB", received "4 apples"',
    ],
    [
      { train: { maxMemory: 0 } },
      'train.maxMemory: `train.maxMemory` must be a number of bytes, or a size such as "4 GB" or "512 MiB", received 0',
    ],
    [{ train: { earlyStopping: {} } }, 'train.earlyStopping.patience: `train.earlyStopping.patience` is missing'],
    [{ train: false }, 'train: `train` must be an object of training options, received false'],
    [
      { stages: { a: { train: true } } },
      'stages.a.train: `stages.a.train` must be `false` or an object of training options, received true',
    ],
    [
      { stages: { a: { train: { epochs: -1 } } } },
      'stages.a.train.epochs: `stages.a.train.epochs` must be a number > 0, received -1',
    ],
    [
      { stages: { a: { data: { limit: 0 } } } },
      'stages.a.data.limit: `stages.a.data.limit` must be an integer >= 1, received 0',
    ],
    [
      { stages: { a: { data: { where: { group: [true] } } } } },
      'stages.a.data.where.group.0: `stages.a.data.where.group[0]` must be a text, a number, or a list of them, received true',
    ],
    [
      { stages: { '1st': {} } },
      'stages.1st: `stages["1st"]` must be a stage name: letters, digits, "-" and "_", beginning with a letter, received {}',
    ],
    [
      { gates: { 'size.ratio': 'small' } },
      'gates.size.ratio: `gates["size.ratio"]` must be a comparison with a number, such as ">= 0.97" or "<= 20 ms", received "small"',
    ],
    [
      { gates: { accuracy: 0.9 } },
      'gates.accuracy: `gates.accuracy` must be a comparison with a number, such as ">= 0.97" or "<= 20 ms", received 0.9',
    ],
    [{ extends: 3 }, 'extends: `extends` must be a path or package, or a list of them, received 3'],
    [{ env: { fast: { seed: 'x' } } }, 'env.fast.seed: `env.fast.seed` must be an integer >= 0, received "x"'],
    [{ plugins: 'alpha' }, 'plugins: `plugins` must be a list of plugins, received "alpha"'],
  ])('%j', async (config, message) => {
    expect(await errorsOf(config)).toEqual([`ANNEAL_E_CONFIG at ${message}`]);
  });

  it.each([[[]], ['text'], [null], [new Date(0)]])('a config that is not an object: %j', async (config) => {
    expect(await errorsOf(config)).toHaveLength(1);
  });

  it('accepts undefined for every optional key', async () => {
    const config: UserConfig = {
      name: undefined,
      train: undefined,
      stages: { a: { train: undefined } },
      plugins: [undefined, false],
    };
    expect((await resolveConfig(config, { root: project() })).stages[0]?.train).toMatchObject({ epochs: 3 });
  });

  it('lets a file name its JSON Schema', async () => {
    const config = { $schema: './anneal.schema.json', seed: 1 } as UserConfig;
    expect(await resolveConfig(config, { root: project() })).toMatchObject({ seed: 1 });
    expect(await errorsOf({ $schema: 1 })).toHaveLength(1);
  });

  it('does not show secrets', async () => {
    const [message] = await errorsOf({ train: { apiToken: 'hf_abc' }, name: { token: 'hf_abc' } });
    expect(message).not.toContain('hf_abc');
  });
});

describe('unknown keys', () => {
  it('finds all of them, with the near name', async () => {
    expect(
      await errorsOf({
        stagess: {},
        learning_rate: 1,
        train: { epoch: 1, learning_rate: 1 },
        stages: { a: { form: 'b' } },
      }),
    ).toEqual([
      'ANNEAL_E_CONFIG at stages.a.form: unknown key `form` in `stages.a`, did you mean `from`?',
      'ANNEAL_E_CONFIG at train.epoch: unknown key `epoch` in `train`, did you mean `epochs`?',
      'ANNEAL_E_CONFIG at stagess: unknown key `stagess`, did you mean `stages`?',
      'ANNEAL_E_CONFIG at train.learning_rate: unknown key `learning_rate` in `train`, did you mean `learningRate`?',
      'ANNEAL_E_CONFIG at learning_rate: unknown key `learning_rate`',
    ]);
  });

  it('lists the known ones when none is near', async () => {
    const error = await failure(resolveConfig({ evaluate: { zebra: 1 } } as UserConfig, { root: project() }));
    expect(error.fix).toBe('use one of: batchSize, latencyRuns');
  });
});

describe('stages', () => {
  it('is one, `main`, without any', async () => {
    const { stages } = await resolveConfig({}, { root: project() });
    expect(stages).toMatchObject([{ name: 'main', from: undefined, data: {}, evaluate: true, emit: true }]);
  });

  it('keeps their order, merges training options, and evaluates and emits the last', async () => {
    const { stages } = await resolveConfig(
      {
        train: { epochs: 5, batchSize: 4 },
        plugins: ['alpha'],
        stages: {
          base: { plugins: [['beta']] },
          prune: { from: 'base', train: false, evaluate: true },
          adapt: { from: 'prune', train: { epochs: 1 } },
        },
      },
      { root: project() },
    );
    expect(stages.map(({ name, from, evaluate, emit }) => [name, from, evaluate, emit])).toEqual([
      ['base', undefined, false, false],
      ['prune', 'base', true, false],
      ['adapt', 'prune', true, true],
    ]);
    expect(stages.map(({ plugins }) => plugins.map(({ name }) => name))).toEqual([
      ['alpha', 'beta'],
      ['alpha'],
      ['alpha'],
    ]);
    expect(stages[1]?.train).toBe(false);
    expect(stages[2]?.train).toMatchObject({ epochs: 1, batchSize: 4, learningRate: 5e-4 });
  });

  it('must start from an earlier one', async () => {
    expect(await errorsOf({ stages: { bse: {}, adapt: { from: 'base' }, tune: { from: 'tune' } } })).toEqual([
      'ANNEAL_E_CONFIG at stages.adapt.from: `stages.adapt.from` must name an earlier stage, received "base", did you mean `bse`?',
      'ANNEAL_E_CONFIG at stages.tune.from: `stages.tune.from` must name an earlier stage, received "tune"',
    ]);
  });
});

describe('plugins', () => {
  const names = async (...plugins: PluginInput[]) => {
    const { stages } = await resolveConfig({ plugins }, { root: project() });
    return stages[0]?.plugins.map(({ name }) => name);
  };

  it('takes names, options, values, presets and falsy ones', async () => {
    const root = project({
      'plugins/own.ts': `import { plugin } from 'standard-options'; export default plugin('own');`,
    });
    const { stages } = await resolveConfig(
      {
        plugins: [
          false,
          'alpha',
          ['alpha#2', { rank: 2 }],
          null,
          [['beta', '@acme/gamma'], undefined],
          './plugins/own.ts',
        ],
      },
      { root },
    );
    expect(stages[0]?.plugins.map(({ name, options }) => [name, options])).toEqual([
      ['alpha', {}],
      ['alpha#2', { rank: 2 }],
      ['beta', {}],
      ['gamma', {}],
      ['own', {}],
    ]);
    const [value] = stages[0]?.plugins ?? [];
    expect(await names(value)).toEqual(['alpha']);
  });

  it('takes package names as they are', async () => {
    expect(await names('@anneal/plugin-alpha', 'anneal-plugin-beta', '@acme/anneal-plugin-gamma')).toEqual([
      'alpha',
      'beta',
      'gamma',
    ]);
  });

  it.each([
    [
      ['alpa'],
      'ANNEAL_E_PLUGIN_NOT_FOUND',
      0,
      'no plugin `alpa`, did you mean `alpha`? Looked for: @anneal/plugin-alpa, anneal-plugin-alpa, <root>/alpa',
    ],
    [
      ['@acme/delta'],
      'ANNEAL_E_PLUGIN_NOT_FOUND',
      0,
      'no plugin `@acme/delta`. Looked for: @acme/anneal-plugin-delta, @acme/delta, <root>/@acme/delta',
    ],
    [[false, './no.js'], 'ANNEAL_E_PLUGIN_NOT_FOUND', 1, 'no plugin `./no.js`. Looked for: <root>/no.js'],
    [['empty'], 'ANNEAL_E_PLUGIN', 0, 'the module of `empty` exports no plugin, received nothing'],
    [['several'], 'ANNEAL_E_PLUGIN', 0, 'the module of `several` exports several plugins: one, two'],
    [['broken'], 'ANNEAL_E_PLUGIN', 0, 'the module of `broken` threw while it was loaded'],
    [
      [7],
      'ANNEAL_E_PLUGIN',
      0,
      'must be a plugin: a name, [name, options], or what a plugin function returned, received 7',
    ],
    [
      [{ name: 'x', apply() {} }],
      'ANNEAL_E_PLUGIN',
      0,
      'must be a plugin: a name, [name, options], or what a plugin function returned, received { name: "x", apply: the function apply }',
    ],
    [
      [Promise.resolve()],
      'ANNEAL_E_PLUGIN',
      0,
      'must be a plugin: a name, [name, options], or what a plugin function returned, received a promise',
    ],
    [
      [Object.assign(() => undefined, { pluginName: 'lora' })],
      'ANNEAL_E_PLUGIN',
      0,
      'received the plugin function of `lora` itself',
    ],
  ])('%j', async (plugins, code, index, message) => {
    const root = project({ 'package.json': { devDependencies: { '@anneal/plugin-alpha': '1' } } });
    const error = await failure(resolveConfig({ plugins } as unknown as UserConfig, { root }));
    expect(error.also).toEqual([]);
    expect({ code: error.code, path: error.path, message: error.message.replaceAll(root, '<root>') }).toEqual({
      code,
      path: ['plugins', index],
      message,
    });
  });

  it('says how to install what is missing with the package manager of the project', async () => {
    const missing = async (file: string) =>
      (await failure(resolveConfig({ plugins: ['delta'] }, { root: project({ [file]: '' }) }))).fix;
    expect(await missing('x')).toBe('run `npm install -D @anneal/plugin-delta`');
    expect(await missing('pnpm-lock.yaml')).toBe('run `pnpm add -D @anneal/plugin-delta`');
    expect(await missing('yarn.lock')).toBe('run `yarn add -D @anneal/plugin-delta`');
  });

  it('keeps the cause of a module that threw', async () => {
    const error = await failure(resolveConfig({ plugins: ['broken'] }, { root: project() }));
    expect(error.cause).toMatchObject({ message: 'no such device' });
  });

  it('refuses two of one name in a stage, unless one has a name of its own', async () => {
    expect(await errorsOf({ plugins: ['alpha'], stages: { a: { plugins: ['beta', 'alpha'] }, b: {} } })).toEqual([
      'ANNEAL_E_PLUGIN at stages.a.plugins.1: two plugins of stage `a` are named `alpha`: plugins[0] and stages.a.plugins[1]',
    ]);
    expect(await names('alpha', 'alpha#b')).toEqual(['alpha', 'alpha#b']);
    const twice = resolveConfig({ plugins: ['alpha#b', 'alpha#b'] }, { root: project() });
    expect((await failure(twice)).fix).toBe('remove one, or give one a name of its own such as `alpha#2`');
  });

  it('survives a list that contains itself', async () => {
    const list: unknown[] = [];
    list.push(list);
    const [message] = await errorsOf({ plugins: list });
    expect(message).toContain('nested too deep');
  });

  it('reports the options of all plugins at once, with their place', async () => {
    const error = await failure(
      resolveConfig(
        { plugins: [['alpha', { rnak: 1, targets: 3 }]], stages: { a: { plugins: [['beta', { rank: 0 }]] } } },
        { root: project() },
      ),
    );
    expect(told(error)).toEqual([
      'ANNEAL_E_OPTIONS at plugins.0.rnak: unknown option `rnak`, did you mean `rank`?',
      'ANNEAL_E_OPTIONS at plugins.0.targets: option `targets`: Expected a list, received 3',
      'ANNEAL_E_OPTIONS at stages.a.plugins.0.rank: option `rank` must be an integer >= 1, received 0',
    ]);
    expect([error, ...error.also].map(({ plugin }) => plugin)).toEqual(['alpha', 'alpha', 'beta']);
  });
});
