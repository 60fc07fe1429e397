import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { type Model, random, type Task } from '@anneal/core';
import { type Graph, loadTensor, tensor, type TensorData, type Tensors, withParameters } from '@anneal/graph';
import { loadHuggingFace } from '@anneal/plugin-transformer/node';
import { type PluginUnderTest, setupPlugin } from '@anneal/testkit';

import { lora, type LoraOptions } from '../src/index.ts';
import { isAdapterWeight } from '../src/state.ts';

const BERT_DIR: string = fileURLToPath(new URL('../../transformer/test/fixtures/bert', import.meta.url));
/** Folder of the adapters; see tools/goldens/lora. */
export const FIXTURES: string = fileURLToPath(new URL('./fixtures', import.meta.url));

/** A tiny BertForSequenceClassification: 2 layers of 16, 3 classes. */
export async function bert(): Promise<Model> {
  return loadHuggingFace(BERT_DIR);
}

/** Inputs of the tiny BERT: 3 rows of 9 tokens, padded. */
export function feeds(): Tensors {
  const { feeds: rows } = JSON.parse(readFileSync(`${BERT_DIR}/expected.json`, 'utf8')) as {
    readonly feeds: Readonly<Record<string, readonly (readonly number[])[]>>;
  };
  return Object.fromEntries(
    Object.entries(rows).map(([name, all]): [string, TensorData] => [
      name,
      tensor('int64', [all.length, all[0]?.length ?? 0], all.flat()),
    ]),
  );
}

/** The plugin set up alone, and its taps as functions. */
export async function setUp(options: LoraOptions = {}, root: string = '/') {
  const plugin = await setupPlugin(lora(options), { root, seed: 7 });
  const context = { ...plugin.phase, task: { kind: 'classification' } as Task };
  return {
    plugin,
    adapt: async (model: Model): Promise<Model> =>
      (await plugin.tap('model', 'transformModel')(model, context as never)) as Model,
    fold: async (model: Model): Promise<Model> =>
      (await plugin.tap('compress', 'transformModel')(model, context as never)) as Model,
    emit: async (trained: Model): Promise<ReadonlyMap<string, Uint8Array | string>> =>
      emitted(plugin, context, trained),
  };
}

async function emitted(
  plugin: PluginUnderTest,
  context: object,
  trained: Model,
): Promise<ReadonlyMap<string, Uint8Array | string>> {
  const files = new Map<string, Uint8Array | string>();
  const write = (path: string, data: Uint8Array | string): Promise<void> => {
    files.set(path, data);
    return Promise.resolve();
  };
  await plugin.tap('emit', 'emit')({ ...context, trained, write } as never);
  return files;
}

/** The model as if it had been trained: other values in everything that is trainable. */
export async function trained(model: Model): Promise<Model> {
  const moved = new Map<string, TensorData>();
  for (const [name, { data, trainable }] of model.graph.parameters) {
    if (!trainable) continue;
    const { shape, data: values } = await loadTensor(data);
    const noise = random(11, 'trained', name).normal(values.length, { std: 0.2 });
    moved.set(
      name,
      tensor(
        'float32',
        shape,
        noise.map((value, i) => value + Number(values[i])),
      ),
    );
  }
  return {
    ...model,
    graph: withParameters(model.graph, (name) => (moved.has(name) ? { data: moved.get(name)! } : undefined)),
  };
}

/** Trainable parameters in elements: of adapters, and of modules that are trained in full. */
export function trainableCounts(graph: Graph): { adapters: number; modules: number } {
  const counts = { adapters: 0, modules: 0 };
  for (const [name, { data, trainable }] of graph.parameters) {
    if (trainable) counts[isAdapterWeight(name) ? 'adapters' : 'modules'] += data.shape.reduce((a, b) => a * b, 1);
  }
  return counts;
}

/** Adapters that are compared with PEFT: options by name. */
export const CASES: Readonly<Record<string, LoraOptions>> = {
  plain: { r: 4, loraAlpha: 8, targetModules: ['query', 'value'] },
  patterns: {
    r: 4,
    loraAlpha: 4,
    useRslora: true,
    rankPattern: { 'output.dense': 2, 'layer\\.1\\..*query': 3 },
    alphaPattern: { query: 6 },
    modulesToSave: ['classifier', 'pooler'],
  },
  dora: { r: 2, loraAlpha: 4, useDora: true, targetModules: '.*\\.(query|intermediate\\.dense)' },
  embedding: { r: 3, loraAlpha: 6, targetModules: ['word_embeddings', 'key'], modulesToSave: [] },
};
