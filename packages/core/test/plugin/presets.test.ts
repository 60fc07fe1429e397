import {
  definePlugin,
  definePreset,
  isPreset,
  type PluginInput,
  type PresetFactory,
  resolveConfig,
} from '@anneal/core';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';

import { failure, project, told } from '../config/project.ts';
import { basePlugins, folder, pipelineOf } from '../tiny/build.ts';

const plugin = (name: string) =>
  definePlugin({
    name,
    options: v.strictObject({ rank: v.optional(v.pipe(v.number(), v.minValue(1)), 8) }),
    setup: () => undefined,
  });
const [lora, audit] = [plugin('lora'), plugin('audit')];

interface Options {
  rank?: number | undefined;
  audits?: boolean | undefined;
}
const small: PresetFactory<Options> = definePreset({
  name: 'small',
  options: v.strictObject({ rank: v.optional(v.number(), 2), audits: v.optional(v.boolean(), true) }),
  plugins: ({ rank, audits }) => [lora({ rank }), audits && audit()],
});
const outer: PresetFactory<object> = definePreset({
  name: 'outer',
  options: v.strictObject({}),
  plugins: () => [plugin('first')(), [small({ rank: 0 })], null],
});

const resolve = (plugins: readonly PluginInput[]) => resolveConfig({ plugins }, { root: folder() });

describe('presets', () => {
  it('stand for their plugins, with options', async () => {
    const { stages } = await resolve([plugin('x')(), small({ rank: 4 }), plugin('y')()]);
    expect(stages[0]!.plugins.map(({ name, options }) => [name, options])).toEqual([
      ['x', {}],
      ['lora', { rank: 4 }],
      ['audit', {}],
      ['y', {}],
    ]);
    const { stages: without } = await resolve([small({ audits: false })]);
    expect(without[0]!.plugins.map(({ name, options }) => [name, options])).toEqual([['lora', { rank: 2 }]]);
    expect(isPreset(small())).toBe(true);
    expect(isPreset(lora())).toBe(false);
  });

  it('build', async () => {
    const base = definePreset({ name: 'base', options: v.strictObject({}), plugins: () => basePlugins() });
    expect((await (await pipelineOf(folder(), { plugins: [base()] })).run()).report.train).toHaveLength(1);
  });

  it('are named in what is wrong with their plugins', async () => {
    expect(told(await failure(resolve([outer()])))).toEqual([
      'ANNEAL_E_OPTIONS at plugins.0: option `rank` must be >=1, received 0 (of preset `small` in `outer`)',
    ]);
    expect(told(await failure(resolve([lora(), small()])))).toEqual([
      'ANNEAL_E_PLUGIN at plugins.1: two plugins of stage `main` are named `lora`: plugins[0] and plugins[1] (of preset `small`)',
    ]);
    const wrong = definePreset({ name: 'wrong', options: v.strictObject({}), plugins: () => [7 as never] });
    expect(told(await failure(resolve([wrong()])))[0]).toMatch(/received 7 \(of preset `wrong`\)$/);
  });

  it('have options that are checked', async () => {
    expect(told(await failure(resolve([small({ rnak: 1, audits: 3 } as never)])))).toEqual([
      expect.stringContaining('ANNEAL_E_OPTIONS at plugins.0.'),
      expect.stringContaining('ANNEAL_E_OPTIONS at plugins.0.'),
    ]);
    const error = await failure(resolve([small({ rank: 'x' } as never)]));
    expect(error).toMatchObject({ plugin: 'small', path: ['plugins', 0, 'rank'] });
  });

  it('that throw, or contain themselves, are errors', async () => {
    const throwing = definePreset({
      name: 'throwing',
      options: v.strictObject({}),
      plugins: () => {
        throw new Error('no network');
      },
    });
    expect(await failure(resolve([throwing()]))).toMatchObject({
      code: 'ANNEAL_E_PLUGIN',
      plugin: 'throwing',
      message: 'the preset threw: no network',
    });
    const endless: PresetFactory<object> = definePreset({
      name: 'endless',
      options: v.strictObject({}),
      plugins: () => [endless()],
    });
    expect((await failure(resolve([endless()]))).message).toMatch(/^the preset `endless` contains itself/);
  });

  it('are loaded by name, and have no instances', async () => {
    const code = `export default Object.assign((options = {}) => ({
      name: 'shipped', options, plugins: ({ names }) => names, [Symbol.for('anneal.preset')]: true,
      schema: { '~standard': { version: 1, vendor: 'own', validate: (value) => ({ value }) } },
    }), { pluginName: 'shipped' });`;
    const own = `export default Object.assign((options = {}) => ({
      name: 'own', version: '1', before: [], after: [], options, setup() {}, [Symbol.for('anneal.plugin')]: true,
      schema: { '~standard': { version: 1, vendor: 'own', validate: (value) => ({ value }) } },
    }), { pluginName: 'own' });`;
    const root = project({ 'shipped.js': code, 'own.js': own });
    const preset = (name: string): PluginInput => [name, { names: ['./own.js', './own.js#b'] }];
    const { stages } = await resolveConfig({ plugins: [preset('./shipped.js')] }, { root });
    expect(stages[0]!.plugins.map(({ name }) => name)).toEqual(['own', 'own#b']);
    expect(await failure(resolveConfig({ plugins: [preset('./shipped.js#x')] }, { root }))).toMatchObject({
      code: 'ANNEAL_E_PLUGIN',
      message: '`./shipped.js#x` is an instance of a preset, and presets have none',
    });
  });
});
