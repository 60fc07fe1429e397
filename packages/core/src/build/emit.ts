import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';

import type { ResolvedConfig } from '../config/types.ts';
import { AnnealError } from '../errors/error.ts';
import type { EmitContext, ModelContext } from '../hooks/types.ts';
import type { Model } from '../model.ts';
import { writeFolder } from '../node/files.ts';
import { renderCard } from '../report/card.ts';
import { renderHtml } from '../report/html.ts';
import type { Report } from '../report/types.ts';
import { modelFile } from './model-file.ts';
import type { StageSetup } from './setup.ts';

/** Marks a folder as ours to replace, and says which build it holds. */
const MARKER = '.anneal.json';

interface Marker {
  readonly key: string;
  readonly files: Readonly<Record<string, number>>;
}

export interface EmitRequest {
  readonly setup: StageSetup;
  readonly base: ModelContext;
  readonly trained: Model;
  readonly reference: Model;
  readonly compressed: Model | undefined;
  readonly report: Report;
  readonly key: string;
}

/** Whether the output folder already holds this build, complete. */
export async function isEmitted(outDir: string, key: string): Promise<boolean> {
  const marker = await readMarker(outDir);
  if (marker?.key !== key) return false;
  for (const [name, size] of Object.entries(marker.files)) {
    const info = await stat(join(outDir, name)).catch(() => undefined);
    if (info?.size !== size) return false;
  }
  return true;
}

async function readMarker(outDir: string): Promise<Marker | undefined> {
  try {
    return JSON.parse(await readFile(join(outDir, MARKER), 'utf8')) as Marker;
  } catch {
    return undefined;
  }
}

/**
 * Refuses an output folder whose replacement would delete what is not ours.
 *
 * @throws AnnealError `ANNEAL_E_CONFIG`
 */
export async function checkOutDir({ outDir, root }: ResolvedConfig): Promise<void> {
  const inside = relative(outDir, root);
  const holdsRoot = inside === '' || !(inside.startsWith('..') || resolve(inside) === inside);
  const foreign =
    !holdsRoot && (await readMarker(outDir)) === undefined && (await readdir(outDir).catch(() => [])).length > 0;
  if (!holdsRoot && !foreign) return;
  const reason = holdsRoot ? 'it contains the project itself' : 'it has files that Anneal did not write';
  throw new AnnealError('ANNEAL_E_CONFIG', `\`outDir\` "${outDir}" would be replaced, but ${reason}`, {
    path: ['outDir'],
    fix: holdsRoot ? "choose a folder of its own, e.g. 'dist'" : 'empty it, or choose another folder',
  });
}

/** Writes the result: the transformers.js layout, the report, the model card, and what plugins add. */
export async function emitPhase(request: EmitRequest): Promise<void> {
  const { setup, base, trained, reference, compressed, report, key } = request;
  const { config } = base.run;
  await checkOutDir(config);
  await writeFolder(config.outDir, async (temporary) => {
    const files: Record<string, number> = {};
    const write = async (path: string, data: Uint8Array | string): Promise<void> => {
      const target = resolve(temporary, path);
      if (!target.startsWith(temporary + sep)) {
        throw new AnnealError('ANNEAL_E_WRITE', `"${path}" is outside the output folder`, { file: path });
      }
      const bytes = typeof data === 'string' ? Buffer.from(data) : data;
      await mkdir(dirname(target), { recursive: true });
      await writeFile(target, bytes);
      files[path] = bytes.byteLength;
    };
    const model = compressed ?? reference;
    const ctx: EmitContext = { ...base, model, reference, trained, report, outDir: config.outDir, write };
    await write('config.json', json(reference.config));
    await write('onnx/model.onnx', await modelFile(reference));
    if (compressed !== undefined) {
      await write(`onnx/model_${compressed.variant ?? 'compressed'}.onnx`, await modelFile(compressed));
    }
    await setup.registry.hooks.emit.emit.promise(ctx);
    await write('report.json', json(report));
    await write('report.html', renderHtml(report));
    await write('README.md', renderCard(report, reference.config, Object.keys(files)));
    await setup.registry.hooks.emit.afterEmit.promise(ctx);
    await writeFile(join(temporary, MARKER), JSON.stringify({ key, files } satisfies Marker));
  });
}

/** NaN and infinities are no JSON: they become null. */
function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
