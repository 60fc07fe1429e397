import { lstat, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';

import { makeFolder } from '../node/folders.ts';
import type { ResolvedConfig } from '../config/types.ts';
import { AnnealError } from '../errors/error.ts';
import type { EmitContext, ModelContext } from '../hooks/types.ts';
import type { Model } from '../model.ts';
import { removeLeftovers, writeFolder } from '../node/files.ts';
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

/** The report in the output folder, when the folder holds this build, complete. */
export async function emittedReport(outDir: string, key: string): Promise<Report | undefined> {
  if (!(await isEmitted(outDir, key))) return undefined;
  try {
    const report = JSON.parse(await readFile(join(outDir, 'report.json'), 'utf8')) as Report;
    return Array.isArray(report.gates) ? report : undefined;
  } catch {
    // Damaged since: it is written again.
    return undefined;
  }
}

async function readMarker(outDir: string): Promise<Marker | undefined> {
  try {
    const marker = JSON.parse(await readFile(join(outDir, MARKER), 'utf8')) as Partial<Marker> | null;
    return typeof marker?.key === 'string' && typeof marker.files === 'object' ? (marker as Marker) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether `inner` is `outer` or lies in it. */
function holds(outer: string, inner: string): boolean {
  const way = relative(outer, inner);
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

/** Files that systems put into folders unasked. */
const UNASKED = new Set(['.DS_Store', 'Thumbs.db', 'desktop.ini']);

/** Files of an output folder that the build in it did not write; the folder itself when it is none. */
async function foreignFiles(outDir: string): Promise<readonly string[]> {
  const info = await lstat(outDir).catch(() => undefined);
  if (info === undefined) return [];
  if (!info.isDirectory()) return [basename(outDir)];
  const own = new Set([MARKER, ...Object.keys((await readMarker(outDir))?.files ?? {})]);
  const entries = await readdir(outDir, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory() && !UNASKED.has(entry.name))
    .map((entry) => relative(outDir, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((name) => !own.has(name))
    .toSorted();
}

/** Why an output folder must not be replaced, and what to do about it. */
async function outDirProblem({
  outDir,
  cacheDir,
  root,
}: ResolvedConfig): Promise<[reason: string, fix: string] | undefined> {
  if (holds(outDir, root)) return ['it contains the project itself', "choose a folder of its own, e.g. 'dist'"];
  if (holds(outDir, cacheDir)) return ['it contains the cache', 'choose separate folders for `outDir` and `cacheDir`'];
  const foreign = await foreignFiles(outDir);
  if (foreign.length === 0) return undefined;
  const names = `${foreign.slice(0, 3).join(', ')}${foreign.length > 3 ? ` and ${foreign.length - 3} more` : ''}`;
  return [`it has files that Anneal did not write: ${names}`, 'move them away, or choose another folder'];
}

/**
 * Refuses an output folder whose replacement would delete what is not ours.
 *
 * @throws AnnealError `ANNEAL_E_CONFIG`
 */
export async function checkOutDir(config: ResolvedConfig): Promise<void> {
  const { outDir } = config;
  const [reason, fix] = (await outDirProblem(config)) ?? [];
  if (reason === undefined) return;
  throw new AnnealError('ANNEAL_E_CONFIG', `\`outDir\` "${outDir}" would be replaced, but ${reason}`, {
    path: ['outDir'],
    fix,
  });
}

/** Puts back a folder that a killed build had moved aside, and removes what such builds left beside it. */
export function recoverOutDir({ outDir }: ResolvedConfig): Promise<void> {
  return removeLeftovers(dirname(outDir), basename(outDir));
}

/** Writes the result: the transformers.js layout, the report, the model card, and what plugins add. */
export async function emitPhase(request: EmitRequest): Promise<void> {
  const { setup, base, trained, reference, compressed, report, key } = request;
  const { config } = base.run;
  await checkOutDir(config);
  await writeFolder(config.outDir, async (temporary) => {
    const files = new FileWriter(temporary);
    const model = compressed ?? reference;
    const write: EmitContext['write'] = (path, data) => files.write(path, data);
    const ctx: EmitContext = { ...base, model, reference, trained, report, outDir: config.outDir, write };
    try {
      await write('config.json', json(reference.config));
      await write('onnx/model.onnx', await modelFile(reference));
      if (compressed !== undefined) {
        await write(`onnx/model_${compressed.variant ?? 'compressed'}.onnx`, await modelFile(compressed));
      }
      await setup.registry.hooks.emit.emit.promise(ctx);
      await files.settled();
      await write('report.json', json(report));
      await write('report.html', renderHtml(report));
      await write('README.md', renderCard(report, reference.config, [...files.sizes.keys()]));
      await setup.registry.hooks.emit.afterEmit.promise(ctx);
    } finally {
      await files.close();
    }
    await files.settled();
    const marker: Marker = { key, files: Object.fromEntries(files.sizes) };
    await writeFile(join(temporary, MARKER), JSON.stringify(marker));
  });
}

/**
 * Writes files below a folder. A plugin may forget to wait for one: none is left out, and none comes when the folder is
 * complete.
 */
class FileWriter {
  /** Bytes by path. */
  readonly sizes = new Map<string, number>();
  readonly #folder: string;
  readonly #writes = new Set<Promise<void>>();
  #isOpen = true;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** @throws AnnealError `ANNEAL_E_WRITE` for a path that leaves the folder, and after {@link close}. */
  write(path: string, data: Uint8Array | string): Promise<void> {
    const writing = this.#write(path, data);
    this.#writes.add(writing);
    // Told by `settled`: without a listener it would end the process.
    writing.catch(() => undefined);
    return writing;
  }

  async #write(path: string, data: Uint8Array | string): Promise<void> {
    const target = resolve(this.#folder, path);
    if (!this.#isOpen || !target.startsWith(this.#folder + sep)) {
      const reason = this.#isOpen ? 'is outside the output folder' : 'comes after the output folder was complete';
      const fix = this.#isOpen ? 'use a relative path' : 'await `ctx.write` in the hook';
      throw new AnnealError('ANNEAL_E_WRITE', `"${path}" ${reason}`, { file: path, fix });
    }
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    await makeFolder(dirname(target));
    await writeFile(target, bytes);
    this.sizes.set(relative(this.#folder, target).split(sep).join('/'), bytes.byteLength);
  }

  /** Waits for all files. @throws what one of them failed with, whoever was told already */
  async settled(): Promise<void> {
    await Promise.all(this.#writes);
  }

  /** Refuses all further files, and waits until nothing is written any more. */
  async close(): Promise<void> {
    this.#isOpen = false;
    await Promise.allSettled(this.#writes);
  }
}

/** NaN and infinities are no JSON: they become null. */
function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
