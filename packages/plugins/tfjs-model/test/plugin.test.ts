import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import {
  type EmitContext,
  isAnnealError,
  type Model,
  type ModelContext,
  type SampleContext,
  type Task,
} from '@anneal/core';
import { interpret, tensor } from '@anneal/graph';
import { lora } from '@anneal/plugin-lora';
import { type PluginUnderTest, setupPlugin } from '@anneal/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { tfjsModel, type TfjsModelOptions } from '../src/index.ts';
import { findTfjs, loadTfjs } from '../src/node/index.ts';
import { GUESSLANG, shipped } from './real.ts';
import { type Files, fromTf, saved, tf, toTf } from './tfjs.ts';

let root = '';
const models: Record<string, tf.LayersModel> = {};

async function put(folder: string, files: Files): Promise<void> {
  await mkdir(join(root, folder), { recursive: true });
  for (const [name, bytes] of files) await writeFile(join(root, folder, name), bytes);
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'anneal-tfjs-model-'));
  const l = tf.layers;
  models['three'] = tf.sequential({
    layers: [
      l.dense({ inputShape: [4], units: 5, activation: 'relu', name: 'hidden' }),
      l.dense({ units: 3, activation: 'softmax' }),
    ],
  });
  models['one'] = tf.sequential({ layers: [l.dense({ inputShape: [4], units: 1, activation: 'sigmoid' })] });
  models['image'] = tf.sequential({ layers: [l.conv2d({ inputShape: [4, 4, 1], filters: 2, kernelSize: 2 })] });
  for (const [name, model] of Object.entries(models)) await put(name, await saved(model));
  await put('node_modules/guess/model', shipped(...GUESSLANG));
  const files = await saved(models['three']);
  await put('damaged', new Map([...files, ['weights.bin', files.get('weights.bin')!.subarray(0, 50)]]));
});
afterAll(async () => {
  await rm(root, { recursive: true, force: true });
});

interface Resolved {
  readonly model: Model;
  readonly plugin: PluginUnderTest;
}

async function resolved(options: TfjsModelOptions, labels?: readonly string[]): Promise<Resolved> {
  const plugin = await setupPlugin(tfjsModel(options), { root });
  const task = { kind: labels === undefined ? 'regression' : 'classification', labels } as Task;
  const ctx: ModelContext = { ...plugin.phase, dataset: undefined as never, task };
  return { model: (await plugin.tap('model', 'resolveModel')(ctx)) as Model, plugin };
}

async function failure(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (isAnnealError(error))
      return [error.code, error.path?.join('.') ?? '', error.message, error.fix ?? ''].join('\n');
    throw error;
  }
  return 'no error';
}

const x = tensor('float32', [2, 4], [0.1, -0.4, 0.7, 2, -1, 0.3, 0.2, 0.5]);

describe('a model', () => {
  it('is found as a folder, as a file, and in a package', async () => {
    expect(findTfjs(root, 'three')).toBe(join(root, 'three/model.json'));
    expect(findTfjs(root, 'three/model.json')).toBe(join(root, 'three/model.json'));
    expect(findTfjs(root, 'guess/model')).toBe(join(root, 'node_modules/guess/model/model.json'));
    const { plugin, model } = await resolved({ from: 'image' });
    expect(plugin.dependencies).toEqual([join(root, 'image/model.json'), join(root, 'image/weights.bin')]);
    expect(plugin.logs.map(({ message }) => message)).toEqual([
      expect.stringMatching(/^layers-model, conv2d_\S+_input → conv2d_\S+: \d nodes, 10 parameters$/),
    ]);
    expect([...model.graph.outputs.values()][0]!.shape).toEqual(['batch', 3, 3, 2]);
  });

  it('that is not there, or damaged, is told by name', async () => {
    expect(await failure(resolved({ from: 'nowhere' }))).toBe(
      `ANNEAL_E_MODEL\nfrom\nthere is no model of TensorFlow.js: looked for ${join(root, 'nowhere/model.json')}\n` +
        'give a model.json, a folder with one, or a path in an installed package',
    );
    expect(await failure(resolved({ from: 'damaged' }))).toContain(
      `the model cannot be read: ${join(root, 'damaged/weights.bin')}, tensor "hidden/kernel", byte 0: 80 bytes from 0 are outside the 50 bytes`,
    );
  });

  it('whose model.json is none, is told by name', async () => {
    await mkdir(join(root, 'none'));
    await writeFile(join(root, 'none/model.json'), '[]');
    expect(await failure(resolved({ from: 'none' }))).toContain(
      `ANNEAL_E_MODEL\nfrom\nthe model cannot be read: ${join(root, 'none/model.json')}: the file: must be an object, received []`,
    );
  });

  it('has its weights beside it and nowhere else', async () => {
    await put('outside', await saved(models['one']!));
    await rm(join(root, 'outside/weights.bin'));
    await expect(loadTfjs(join(root, 'outside/model.json'))).rejects.toThrow(
      'the file with external data cannot be read',
    );
  });

  it('keeps the outputs that are named', async () => {
    const error = await failure(resolved({ from: 'image', outputs: ['other'] }));
    expect(error).toMatch(/^ANNEAL_E_MODEL\noutputs\nthe model has no output "other", received conv2d_/);
  });
});

describe('a classifier', () => {
  it('gives what comes before the softmax', async () => {
    const { model } = await resolved({ from: 'three' }, ['a', 'b', 'c']);
    expect([...model.graph.outputs.keys()]).toEqual(['logits']);
    expect(model.config).toMatchObject({ id2label: { 0: 'a', 1: 'b', 2: 'c' } });
    const [input] = [...model.graph.inputs.keys()];
    const { logits } = await interpret(model.graph, { [input!]: x });
    const wanted = fromTf(models['three']!.predict(toTf(x)) as tf.Tensor);
    const sums = [0, 1].map((row) =>
      [0, 1, 2].reduce((sum, i) => sum + Math.exp(Number(logits!.data[row * 3 + i])), 0),
    );
    Array.from(logits!.data, Number).forEach((value, i) => {
      expect(Math.exp(value) / sums[Math.floor(i / 3)]!).toBeCloseTo(Number(wanted.data[i]), 5);
    });
  });

  it('of one sigmoid has two classes', async () => {
    const { model } = await resolved({ from: 'one' }, ['no', 'yes']);
    const [input] = [...model.graph.inputs.keys()];
    const { logits } = await interpret(model.graph, { [input!]: x });
    const wanted = fromTf(models['one']!.predict(toTf(x)) as tf.Tensor);
    expect(logits!.shape).toEqual([2, 2]);
    expect(1 / (1 + Math.exp(-Number(logits!.data[1])))).toBeCloseTo(Number(wanted.data[0]), 5);
    expect(Number(logits!.data[0])).toBeCloseTo(0);
  });

  it('takes the columns of the classes that the task has', async () => {
    const all = await resolved({ from: 'three' }, ['a', 'b', 'c']);
    const two = await resolved({ from: 'three', labels: ['a', 'b', 'c'] }, ['c', 'a']);
    const [input] = [...all.model.graph.inputs.keys()];
    const [every, some] = [
      (await interpret(all.model.graph, { [input!]: x }))['logits']!.data,
      (await interpret(two.model.graph, { [input!]: x }))['logits']!.data,
    ];
    expect([...some]).toEqual([every[2], every[0], every[5], every[3]]);
  });

  it.each<[string, TfjsModelOptions, readonly string[], string]>([
    [
      'of other classes',
      { from: 'three', labels: ['a', 'b', 'c'] },
      ['a', 'z'],
      'ANNEAL_E_MODEL\nlabels\nthe model does not have the classes z\nmap the labels of the data to its classes: a, b, c',
    ],
    [
      'of as many classes as it has not',
      { from: 'three' },
      ['a', 'b'],
      'ANNEAL_E_MODEL\nlabels\nthe model has 3 classes, the task 2\nname the classes of the model, in order: labels: [ … ]',
    ],
    [
      'with too few names',
      { from: 'three', labels: ['a', 'b'] },
      ['a', 'b'],
      'ANNEAL_E_MODEL\nlabels\nthe model gives 3 numbers, received 2 class names\n',
    ],
  ])('%s is refused', async (_, options, labels, message) => {
    expect(await failure(resolved(options, labels))).toBe(message);
  });

  it('that gives no classes is refused', async () => {
    expect(await failure(resolved({ from: 'image' }, ['a', 'b']))).toMatch(
      /^ANNEAL_E_MODEL\noutputs\nthe task classifies, and no one output is \[batch, classes\]: conv2d_\S+ \[batch, 3, 3, 2\]\n/,
    );
  });

  it('has layers that LoRA finds by the names of Keras', async () => {
    const { model, plugin } = await resolved({ from: 'three' }, ['a', 'b', 'c']);
    const adapters = await setupPlugin(lora({ r: 2, targetModules: ['hidden'] }), { root });
    const ctx: ModelContext = {
      ...plugin.phase,
      dataset: undefined as never,
      task: { kind: 'classification' } as Task,
    };
    const adapted = (await adapters.tap('model', 'transformModel')(model, ctx)) as Model;
    expect([...adapted.graph.parameters.keys()].filter((name) => name.includes('lora'))).toEqual([
      'hidden.lora_A.weight',
      'hidden.lora_B.weight',
    ]);
  });
});

describe('a model of text', () => {
  const options = { from: 'guess/model' };
  const sample = { row: { text: 'abc' }, features: {} };

  it('makes ids of a column, as many as fit, and pads with none', async () => {
    const { model, plugin } = await resolved(options, ['py', 'c']);
    const encode = plugin.tap('data', 'transformSample');
    const ctx = { maxLength: 10 } as SampleContext;
    expect(encode(sample, ctx)!.features['input_ids']).toHaveLength(2);
    expect(encode(sample, { ...ctx, maxLength: 1 })!.features['input_ids']).toHaveLength(1);
    expect(model.padding).toEqual({ input_ids: -1 });
    expect(model.config).toMatchObject({
      max_position_embeddings: 10_000,
      text: { ngrams: 2, separator: ' ', buckets: 5000, length: 10_000 },
    });
    expect(model.graph.outputs.get('logits')!.shape).toEqual(['batch', 2]);
    expect(() => encode({ row: { body: 'abc' }, features: {} }, ctx)).toThrow(
      'a row has no text in `text`, received the columns body',
    );
  });
});

describe('what is written', () => {
  async function emitted(options: TfjsModelOptions): Promise<string[]> {
    const { model } = await resolved({ from: 'three' });
    const plugin = await setupPlugin(tfjsModel(options), { root });
    const files: string[] = [];
    const [emit] = plugin.taps('emit', 'emit');
    const write = (path: string): Promise<void> => Promise.resolve(void files.push(path));
    await emit?.({ ...plugin.phase, reference: model, write } as unknown as EmitContext);
    return files;
  }

  it('is a folder that TensorFlow.js loads, of any model', async () => {
    expect(await emitted({})).toEqual(['tfjs/model.json', 'tfjs/group1-shard1of1.bin']);
  });

  it('is nothing where nobody wants it', async () => {
    expect(await emitted({ export: false })).toEqual([]);
  });
});
