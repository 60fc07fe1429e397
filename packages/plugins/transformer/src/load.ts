import { AnnealError, type JsonObject, type Model } from '@anneal/core';
import type { TensorSource } from '@anneal/graph';
import { joinPath, loadGguf, loadSafetensors, readText, resolvePath } from '@anneal/graph/files';

import { type Checkpoint, decoderFromCheckpoint, fromCheckpoint, type FromCheckpointOptions } from './checkpoint.ts';
import { DECODERS } from './decoders.ts';
import { ggufCheckpoint } from './gguf.ts';

/** Files of a checkpoint folder. */
const CHECKPOINT_FILES = {
  config: 'config.json',
  weights: 'model.safetensors',
  /** Where large checkpoints say which file has which tensor. */
  index: 'model.safetensors.index.json',
} as const;

/** A checkpoint of a project and the files that a model from it depends on. */
export function checkpointFiles(root: string, from: string): { readonly path: string; readonly files: string[] } {
  const path = resolvePath(root, from);
  if (isGguf(path)) return { path, files: [path] };
  return { path, files: Object.values(CHECKPOINT_FILES).map((name) => joinPath(path, name)) };
}

function isGguf(path: string): boolean {
  return path.toLowerCase().endsWith('.gguf');
}

/** A larger config.json is none. */
const MAX_JSON_BYTES = 64 * 2 ** 20;

/**
 * Reads a folder in Hugging Face's form: `config.json` and `model.safetensors`, or several files with
 * `model.safetensors.index.json`; or a GGUF file. `options` are about classifiers.
 *
 * @throws AnnealError `ANNEAL_E_MODEL` when a file is missing or damaged, or describes something that is not built.
 */
export async function loadHuggingFace(dir: string, options: FromCheckpointOptions = {}): Promise<Model> {
  const checkpoint = await openCheckpoint(dir);
  const type = checkpoint.config['model_type'];
  if (typeof type === 'string' && Object.hasOwn(DECODERS, type)) return decoderFromCheckpoint(checkpoint);
  return fromCheckpoint(checkpoint, options);
}

/** Opens a checkpoint folder or a GGUF file; tensors stay in their files until they are used. */
export async function openCheckpoint(dir: string): Promise<Checkpoint> {
  if (isGguf(dir)) return openGguf(dir);
  const file = joinPath(dir, CHECKPOINT_FILES.config);
  const config = await readJson(file);
  if (config === undefined) {
    throw new AnnealError('ANNEAL_E_MODEL', `there is no checkpoint in "${dir}": config.json is missing`, {
      file,
      fix: 'give a folder with config.json and model.safetensors, or a .gguf file',
    });
  }
  return { config, tensors: await openTensors(dir), name: file };
}

async function openGguf(file: string): Promise<Checkpoint> {
  const gguf = await loadGguf(file).catch((error: unknown) => {
    throw new AnnealError('ANNEAL_E_MODEL', `the GGUF file cannot be read: ${messageOf(error)}`, {
      file,
      cause: error,
    });
  });
  return ggufCheckpoint(gguf, file);
}

async function openTensors(dir: string): Promise<ReadonlyMap<string, TensorSource>> {
  const file = joinPath(dir, CHECKPOINT_FILES.index);
  const index = await readJson(file);
  if (index === undefined) return open(joinPath(dir, CHECKPOINT_FILES.weights));
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
    for (const [key, value] of await open(joinPath(dir, name))) tensors.set(key, value);
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
  const text = await readText(file, MAX_JSON_BYTES).catch((error: unknown) => {
    throw new AnnealError('ANNEAL_E_MODEL', `the file cannot be read: ${messageOf(error)}`, { file, cause: error });
  });
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  } catch (error) {
    throw new AnnealError('ANNEAL_E_MODEL', `the file is not valid JSON: ${messageOf(error)}`, { file, cause: error });
  }
  throw new AnnealError('ANNEAL_E_MODEL', 'the file is not a JSON object', { file });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
