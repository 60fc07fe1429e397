import { AnnealError } from '@anneal/core';
import { joinPath, loadSafetensors, readText, resolvePath } from '@anneal/graph/files';

import { ADAPTER_FILES } from './peft/format.ts';
import { type PeftAdapter, readPeftConfig } from './peft/read.ts';

/** A larger adapter_config.json is none. */
const MAX_JSON_BYTES = 16 * 2 ** 20;

/** An adapter folder of a project, and its files. */
export function adapterFiles(root: string, from: string): { readonly dir: string; readonly files: readonly string[] } {
  const dir = resolvePath(root, from);
  return { dir, files: Object.values(ADAPTER_FILES).map((name) => joinPath(dir, name)) };
}

/**
 * Opens a folder that PEFT or this package wrote; tensors stay in their file until they are used.
 *
 * @throws AnnealError `ANNEAL_E_MODEL` when a file is missing or damaged, or describes something that is not computed.
 */
export async function openAdapter(dir: string): Promise<PeftAdapter> {
  const file = joinPath(dir, ADAPTER_FILES.config);
  const config = readPeftConfig(await readJson(file), file);
  const weights = joinPath(dir, ADAPTER_FILES.weights);
  try {
    return { config, tensors: (await loadSafetensors(weights)).tensors, name: weights };
  } catch (cause) {
    throw broken(weights, 'the adapter weights cannot be read', cause);
  }
}

async function readJson(file: string): Promise<unknown> {
  try {
    const text = await readText(file, MAX_JSON_BYTES);
    if (text === undefined) throw new Error('there is no such file');
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw broken(file, 'the adapter cannot be read', cause);
  }
}

function broken(file: string, what: string, cause: unknown): AnnealError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const fix = 'give a folder with adapter_config.json and adapter_model.safetensors';
  return new AnnealError('ANNEAL_E_MODEL', `${what}: ${reason}`, { plugin: 'lora', file, fix, cause });
}
