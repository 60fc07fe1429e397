import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import { AnnealError, type JsonObject, type Model } from '@anneal/core';
import type { TensorSource } from '@anneal/graph';
import { loadSafetensors } from '@anneal/graph/node';

import { type Checkpoint, fromCheckpoint, type FromCheckpointOptions } from '../checkpoint.ts';

/** Files of a checkpoint folder. */
const CHECKPOINT_FILES = {
  config: 'config.json',
  weights: 'model.safetensors',
  /** Where large checkpoints say which file has which tensor. */
  index: 'model.safetensors.index.json',
} as const;

/** A checkpoint folder of a project and the files that a model in it depends on. */
export function checkpointFiles(root: string, from: string): { readonly dir: string; readonly files: string[] } {
  const dir = resolve(root, from);
  return { dir, files: Object.values(CHECKPOINT_FILES).map((name) => join(dir, name)) };
}

/** A larger config.json is none. */
const MAX_JSON_BYTES = 64 * 2 ** 20;

/**
 * Reads a folder in Hugging Face's form: `config.json` and `model.safetensors`, or several files with
 * `model.safetensors.index.json`.
 *
 * @throws AnnealError `ANNEAL_E_MODEL` when a file is missing or damaged, or describes something that is not built.
 */
export async function loadHuggingFace(dir: string, options: FromCheckpointOptions = {}): Promise<Model> {
  return fromCheckpoint(await openCheckpoint(dir), options);
}

/** Opens a checkpoint folder; tensors stay in their files until they are used. */
export async function openCheckpoint(dir: string): Promise<Checkpoint> {
  const file = join(dir, CHECKPOINT_FILES.config);
  const config = await readJson(file);
  if (config === undefined) {
    throw new AnnealError('ANNEAL_E_MODEL', `there is no checkpoint in "${dir}": config.json is missing`, {
      file,
      fix: 'give a folder with config.json and model.safetensors',
    });
  }
  return { config, tensors: await openTensors(dir), name: file };
}

async function openTensors(dir: string): Promise<ReadonlyMap<string, TensorSource>> {
  const file = join(dir, CHECKPOINT_FILES.index);
  const index = await readJson(file);
  if (index === undefined) return open(join(dir, CHECKPOINT_FILES.weights));
  const map = index['weight_map'];
  const names = typeof map === 'object' && map !== null ? new Set(Object.values(map)) : new Set<unknown>();
  const tensors = new Map<string, TensorSource>();
  for (const name of names) {
    // Beside the index and nowhere else: it may come from anyone.
    if (typeof name !== 'string' || !/^[\w][\w.-]*\.safetensors$/.test(name)) {
      throw new AnnealError(
        'ANNEAL_E_MODEL',
        `the index names a file that cannot be one, received ${JSON.stringify(name)}`,
        {
          file,
        },
      );
    }
    for (const [key, value] of await open(join(dir, name))) tensors.set(key, value);
  }
  return tensors;
}

async function open(file: string): Promise<ReadonlyMap<string, TensorSource>> {
  try {
    return (await loadSafetensors(file)).tensors;
  } catch (error) {
    throw new AnnealError('ANNEAL_E_MODEL', `the weights cannot be read: ${messageOf(error)}`, { file, cause: error });
  }
}

/** `undefined` when there is no such file. */
async function readJson(file: string): Promise<JsonObject | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return undefined;
    throw new AnnealError('ANNEAL_E_MODEL', `the file cannot be read: ${messageOf(error)}`, { file, cause: error });
  }
  try {
    const value: unknown = text.length > MAX_JSON_BYTES ? undefined : JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  } catch (error) {
    throw new AnnealError('ANNEAL_E_MODEL', `the file is not valid JSON: ${messageOf(error)}`, { file, cause: error });
  }
  throw new AnnealError('ANNEAL_E_MODEL', 'the file is not a JSON object', { file });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
