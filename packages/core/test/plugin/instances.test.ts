import { definePlugin, type PluginFactory, resolveConfig, type UserConfig } from '@anneal/core';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';

import { instanceName, ownName } from '../../src/plugin/instance.ts';
import { failure as configFailure, project } from '../config/project.ts';
import { basePlugins, failure, folder, pipelineOf } from '../tiny/build.ts';

interface Options {
  step?: number | undefined;
}

/** Counts up in steps; an artifact, a section of the report and the state are its own. */
const counter: PluginFactory<Options> = definePlugin({
  name: 'counter',
  options: v.strictObject({ step: v.optional(v.pipe(v.number(), v.minValue(0)), 1) }),
  setup(api, { step }) {
    const count = api.state(() => ({ sum: 0 }));
    api.hooks.data.afterDataset.tap((_, { run }) => {
      count(run).sum += step;
      run.artifacts.setJson(api.own('count.json'), count(run).sum);
    });
    api.hooks.evaluate.auditModel.tap(({ run }, report) => {
      if (step === 7) throw new Error('seven');
      const metrics = { sum: { value: run.artifacts.json<number>(api.own('count.json')) } };
      report(api.own('count'), { title: api.name, method: '', metrics });
    });
  },
});

describe('instances', () => {
  it('have options, state, artifacts and sections of their own', async () => {
    const plugins = [...basePlugins(), counter(), counter.instance('big', { step: 100 }), counter.instance('none')];
    const pipeline = await pipelineOf(folder(), { plugins, gates: { 'count-big.sum': '>= 100' } });
    const { report } = await pipeline.run();
    expect(
      Object.entries(report.audit).map(([name, { title, metrics }]) => [name, title, metrics['sum']?.value]),
    ).toEqual([
      ['count', 'counter', 1],
      ['count-big', 'counter#big', 100],
      ['count-none', 'counter#none', 1],
    ]);
    expect(report.gates).toMatchObject([{ metric: 'count-big.sum', passed: true }]);
    expect(
      pipeline
        .taps()
        .filter(({ hook }) => hook === 'data.afterDataset')
        .map(({ plugin }) => plugin),
    ).toEqual(['counter', 'counter#big', 'counter#none']);
    expect(pipeline.timings().filter(({ plugin }) => plugin.startsWith('counter'))).toHaveLength(6);
  });

  it('are named in errors', async () => {
    const pipeline = await pipelineOf(folder(), {
      plugins: [...basePlugins(), counter(), counter.instance('bad', { step: 7 })],
    });
    expect(await failure(pipeline.run())).toMatchObject({ plugin: 'counter#bad', hook: 'evaluate.auditModel' });
    const options = await failure(pipelineOf(folder(), { plugins: [counter.instance('bad', { step: -1 })] }));
    expect(options).toMatchObject({ code: 'ANNEAL_E_OPTIONS', plugin: 'counter#bad', path: ['plugins', 0, 'step'] });
  });

  it('may not have the same name', async () => {
    const twice = [counter.instance('a'), counter.instance('a')];
    expect(await failure(pipelineOf(folder(), { plugins: twice }))).toMatchObject({
      code: 'ANNEAL_E_PLUGIN',
      message: 'two plugins of stage `main` are named `counter#a`: plugins[0] and plugins[1]',
    });
  });

  it('come from JSON configs, with options that can be set one by one', async () => {
    const file = `export default Object.assign((options = {}) => ({
      name: 'own', version: '1', before: [], after: [], options, setup() {}, [Symbol.for('anneal.plugin')]: true,
      schema: { '~standard': { version: 1, vendor: 'own', validate: (value) => ({ value }) } },
    }), { pluginName: 'own' });`;
    const root = project({ 'own.js': file });
    const plugins = [
      ['./own.js', { a: 1 }],
      ['./own.js#second', { a: 2 }],
    ] as UserConfig['plugins'];
    const { stages } = await resolveConfig({ plugins }, { root, set: ['plugins.own#second.a=3'] });
    expect(stages[0]!.plugins.map(({ name, options }) => [name, options])).toEqual([
      ['own', { a: 1 }],
      ['own#second', { a: 3 }],
    ]);
    const error = await configFailure(resolveConfig({ plugins: ['./own.js#a/b'] }, { root }));
    expect(error).toMatchObject({
      code: 'ANNEAL_E_PLUGIN',
      message: 'an instance cannot be called "a/b"',
      fix: expect.stringContaining('`own#encoder`'),
    });
  });

  it('are meant by the name of the plugin where an order is declared', async () => {
    const other = definePlugin({
      name: 'other',
      before: ['counter'],
      after: ['counter#last'],
      options: v.strictObject({}),
      setup: (api) => api.hooks.data.afterDataset.tap(() => undefined),
    });
    const listed = [counter.instance('x'), counter.instance('y'), other()];
    const pipeline = await pipelineOf(folder(), { plugins: [...basePlugins(), ...listed] });
    const taps = pipeline.taps().filter(({ hook }) => hook === 'data.afterDataset');
    expect(taps.map(({ plugin, reasons }) => [plugin, ...reasons])).toEqual([
      ['other', 'before counter#x: declared by other', 'before counter#y: declared by other'],
      ['counter#x', 'after other: declared by other'],
      ['counter#y', 'after other: declared by other'],
    ]);
  });
});

it.each([
  ['lora', 'adapter', 'adapter'],
  ['lora#encoder', 'adapter', 'adapter-encoder'],
  ['lora#encoder', 'tokenizer.json', 'tokenizer-encoder.json'],
  ['lora#encoder', 'a.b/model.onnx_data', 'a.b/model-encoder.onnx_data'],
  ['lora#encoder', 'a/.hidden', 'a/.hidden-encoder'],
])('%s calls "%s" "%s"', (plugin, name, own) => {
  expect(ownName(plugin, name)).toBe(own);
});

it.each(['', ' ', 'a b', '../x', '#', 'a#b', '-a'])('no instance is called %j', (id) => {
  expect(() => instanceName('lora', id)).toThrow(expect.objectContaining({ code: 'ANNEAL_E_PLUGIN', plugin: 'lora' }));
});
