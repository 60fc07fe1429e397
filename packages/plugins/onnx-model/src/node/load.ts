import { existsSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';

import { AnnealError, type JsonObject } from '@anneal/core';
import { type Graph, tensor } from '@anneal/graph';
import { loadOnnx } from '@anneal/graph/node';

/** Where a model is. */
export interface OnnxFiles {
  readonly model: string;
  /** Absent where there may be none. */
  readonly config: string;
}

/** A larger config.json is none. */
const MAX_JSON_BYTES = 64 * 2 ** 20;

/**
 * The files of a model: of an `.onnx` file, or of a folder as optimum (`model.onnx`) or transformers.js
 * (`onnx/model.onnx`) have it. config.json is beside the file or one folder above.
 *
 * @throws AnnealError `ANNEAL_E_MODEL` when there is no such file.
 */
export function findOnnx(root: string, from: string, file: string): OnnxFiles {
  const path = resolve(root, from);
  const isFile = statSync(path, { throwIfNoEntry: false })?.isFile() === true;
  const tried = isFile ? [path] : [join(path, 'onnx', file), join(path, file)];
  const model = tried.find((candidate) => existsSync(candidate));
  if (model === undefined) {
    throw new AnnealError('ANNEAL_E_MODEL', `there is no ONNX model: looked for ${tried.join(' and ')}`, {
      path: ['from'],
      file: path,
      fix: 'give an .onnx file, or a folder with onnx/model.onnx or model.onnx; `file` names another one in it',
    });
  }
  const folders = [dirname(model), dirname(dirname(model))].map((dir) => join(dir, 'config.json'));
  return { model, config: folders.find((candidate) => existsSync(candidate)) ?? (folders[0] as string) };
}

/**
 * Reads the graph and config.json; weights stay in their files. Of a decoder whose file has a branch with and one
 * without a cache, the one without is taken.
 *
 * @throws AnnealError `ANNEAL_E_MODEL` when a file is damaged.
 */
export async function openOnnx(files: OnnxFiles): Promise<{ readonly graph: Graph; readonly config: JsonObject }> {
  const config = await readConfig(files.config);
  try {
    const graph = await loadOnnx(files.model);
    if (!graph.inputs.has('use_cache_branch')) return { graph, config };
    const inputs = { use_cache_branch: tensor('bool', [1], [false]) };
    return { graph: await loadOnnx(files.model, { inputs }), config };
  } catch (error) {
    const { message, fix } = error as { message?: string; fix?: string };
    throw new AnnealError('ANNEAL_E_MODEL', `the model cannot be read: ${message ?? String(error)}`, {
      path: ['from'],
      file: files.model,
      fix,
      cause: error,
    });
  }
}

/** `{}` when there is no such file. */
async function readConfig(file: string): Promise<JsonObject> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return {};
    throw new AnnealError('ANNEAL_E_MODEL', `the file cannot be read: ${String(error)}`, { file, cause: error });
  }
  try {
    const value: unknown = text.length > MAX_JSON_BYTES ? undefined : JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  } catch (error) {
    throw new AnnealError('ANNEAL_E_MODEL', 'the file is not valid JSON', { file, cause: error });
  }
  throw new AnnealError('ANNEAL_E_MODEL', 'the file is not a JSON object', { file });
}
