import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { Artifacts } from '../artifacts.ts';
import type { Model } from '../model.ts';
import { type Codec, jsonCodec, loadModel, modelCodec, saveModel } from '../node/codec.ts';
import type { TrainReport } from '../train/types.ts';
import type { EvaluateResult } from './evaluate.ts';
import type { CompressResult, DataResult, TrainResult } from './phases.ts';

/** How the results of phases are kept. */
export const CODECS: {
  readonly data: Codec<DataResult>;
  readonly model: Codec<Model>;
  readonly train: Codec<TrainResult>;
  readonly compress: Codec<CompressResult>;
  readonly evaluate: Codec<EvaluateResult>;
} = {
  data: jsonCodec(),
  model: modelCodec,
  train: {
    save: async (folder, { model, report }) => {
      await saveModel(folder, 'model', model);
      await jsonCodec<{ report: TrainReport | undefined }>('train.json').save(folder, { report });
    },
    load: async (folder) => ({
      model: await loadModel(folder, 'model'),
      report: (await jsonCodec<{ report?: TrainReport }>('train.json').load(folder)).report,
    }),
  },
  compress: {
    save: async (folder, { reference, compressed, checks }) => {
      await saveModel(folder, 'reference', reference);
      if (compressed !== undefined) await saveModel(folder, 'compressed', compressed);
      await jsonCodec('compress.json').save(folder, { checks, compressed: compressed !== undefined });
    },
    load: async (folder) => {
      const facts = await jsonCodec<{ checks: CompressResult['checks']; compressed: boolean }>('compress.json').load(
        folder,
      );
      return {
        reference: await loadModel(folder, 'reference'),
        compressed: facts.compressed ? await loadModel(folder, 'compressed') : undefined,
        checks: facts.checks,
      };
    },
  },
  evaluate: jsonCodec(),
};

/** Phases whose results are kept. */
export type Cached = keyof typeof CODECS;
export type ValueOf<P extends Cached> = (typeof CODECS)[P] extends Codec<infer T> ? T : never;

/** Prefix of the files of a cache entry that are artifacts. */
const ARTIFACT = 'artifact.';

/** Saves what was set since `before`. */
export async function saveArtifacts(
  folder: string,
  artifacts: Artifacts,
  before: ReadonlyMap<string, Uint8Array>,
): Promise<void> {
  for (const [name, bytes] of artifacts.entries()) {
    if (before.get(name) === bytes) continue;
    await writeFile(join(folder, ARTIFACT + encodeURIComponent(name)), bytes);
  }
}

export async function restoreArtifacts(folder: string, artifacts: Artifacts): Promise<void> {
  for (const file of await readdir(folder)) {
    if (!file.startsWith(ARTIFACT)) continue;
    artifacts.set(decodeURIComponent(file.slice(ARTIFACT.length)), await readFile(join(folder, file)));
  }
}
