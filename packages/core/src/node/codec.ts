import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { loadOnnx, saveOnnx } from '@anneal/graph/node';

import type { Model } from '../model.ts';

/** Saves and loads the result of a phase as files of one folder. */
export interface Codec<T> {
  save(folder: string, value: T): Promise<void>;
  load(folder: string): Promise<T>;
}

export function jsonCodec<T>(name: string = 'value.json'): Codec<T> {
  return {
    save: (folder, value) => writeFile(join(folder, name), JSON.stringify(value)),
    load: async (folder) => JSON.parse(await readFile(join(folder, name), 'utf8')) as T,
  };
}

/** A model as `<name>.onnx` with its weights beside it, and the rest as `<name>.json`. */
export async function saveModel(folder: string, name: string, model: Model): Promise<void> {
  const { graph, ...rest } = model;
  await saveOnnx(graph, join(folder, `${name}.onnx`), { external: true });
  await writeFile(join(folder, `${name}.json`), JSON.stringify(rest));
}

/** Weights stay in the file until something needs them. */
export async function loadModel(folder: string, name: string): Promise<Model> {
  const rest = JSON.parse(await readFile(join(folder, `${name}.json`), 'utf8')) as Omit<Model, 'graph'>;
  return { graph: await loadOnnx(join(folder, `${name}.onnx`)), ...rest };
}

export const modelCodec: Codec<Model> = {
  save: (folder, model) => saveModel(folder, 'model', model),
  load: (folder) => loadModel(folder, 'model'),
};
