import { AnnealError, type JsonObject } from '@anneal/core';
import { type Graph, tensor } from '@anneal/graph';
import { folderOf, isFile, joinPath, loadOnnx, readText, resolvePath } from '@anneal/graph/files';

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
export async function findOnnx(root: string, from: string, file: string): Promise<OnnxFiles> {
  const path = resolvePath(root, from);
  const inFolder = [joinPath(path, `onnx/${file}`), joinPath(path, file)];
  const tried = path.endsWith('.onnx') && (await isFile(path)) ? [path] : inFolder;
  const model = await firstFile(tried);
  if (model === undefined) {
    throw new AnnealError('ANNEAL_E_MODEL', `there is no ONNX model: looked for ${tried.join(' and ')}`, {
      path: ['from'],
      file: path,
      fix: 'give an .onnx file, or a folder with onnx/model.onnx or model.onnx; `file` names another one in it',
    });
  }
  const folder = folderOf(model);
  const configs = [joinPath(folder, 'config.json'), joinPath(folder, '../config.json')];
  return { model, config: (await firstFile(configs)) ?? (configs[0] as string) };
}

async function firstFile(candidates: readonly string[]): Promise<string | undefined> {
  for (const candidate of candidates) if (await isFile(candidate)) return candidate;
  return undefined;
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
  const text = await readText(file, MAX_JSON_BYTES).catch((error: unknown) => {
    throw new AnnealError('ANNEAL_E_MODEL', `the file cannot be read: ${String(error)}`, { file, cause: error });
  });
  if (text === undefined) return {};
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  } catch (error) {
    throw new AnnealError('ANNEAL_E_MODEL', 'the file is not valid JSON', { file, cause: error });
  }
  throw new AnnealError('ANNEAL_E_MODEL', 'the file is not a JSON object', { file });
}
