import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { writeOnnx } from '@anneal/graph';
import { loadOnnx } from '@anneal/graph/node';

import { AnnealError } from '../errors/error.ts';
import type { JsonObject } from '../json.ts';
import type { Model } from '../model.ts';

/** Keys of ONNX `metadata_props` under which an emitted model carries how it is fed. */
const FEEDING = { padding: 'anneal.padding', defaults: 'anneal.defaults' } as const;

/** What models that other tools wrote are fed with where samples have nothing. */
const FOREIGN_DEFAULTS: Readonly<Record<string, number>> = { token_type_ids: 0 };

/** The `.onnx` file of an emitted model: complete in itself, with what pads and fills its inputs. */
export async function modelFile({ graph, padding, defaults = {} }: Model): Promise<Uint8Array> {
  const metadata = {
    ...graph.metadata,
    [FEEDING.padding]: JSON.stringify(padding),
    [FEEDING.defaults]: JSON.stringify(defaults),
  };
  return (await writeOnnx({ ...graph, metadata })).model;
}

/**
 * A model of a folder in transformers.js layout, ours or another tool's.
 *
 * @throws AnnealError `ANNEAL_E_MODEL` when it is not there or cannot be read.
 */
export async function loadEmitted(dir: string, variant: string): Promise<Model> {
  const path = join(dir, 'onnx', `${variant}.onnx`);
  try {
    const config = JSON.parse(await readFile(join(dir, 'config.json'), 'utf8')) as JsonObject;
    const graph = await loadOnnx(path);
    const numbers = (key: string): Record<string, number> | undefined => {
      const text = graph.metadata[key];
      return text === undefined ? undefined : (JSON.parse(text) as Record<string, number>);
    };
    const pad = config['pad_token_id'];
    return {
      graph,
      config,
      padding: numbers(FEEDING.padding) ?? { input_ids: typeof pad === 'number' ? pad : 0 },
      defaults: numbers(FEEDING.defaults) ?? FOREIGN_DEFAULTS,
    };
  } catch (error) {
    throw new AnnealError(
      'ANNEAL_E_MODEL',
      `cannot load "${path}": ${error instanceof Error ? error.message : String(error)}`,
      { file: path, fix: 'build first, or give the folder of a build: `anneal eval <folder>`', cause: error },
    );
  }
}
