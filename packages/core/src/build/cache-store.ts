import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

import type { ResolvedConfig } from '../config/types.ts';
import { Cache } from '../node/cache.ts';
import { type Lock, Locks } from '../node/locks.ts';
import { type PhaseRecord, Records } from '../node/records.ts';
import type { PhaseName } from '../observe/events.ts';
import { createLogger, type Logger } from '../observe/logger.ts';
import { bytes } from '../report/format.ts';
import { CACHED_PHASES, checkpointPath, FOLDERS } from './cache-folder.ts';

/** What takes space in a cache folder: a result, or the checkpoint of a training that is not finished. */
export interface CacheEntry {
  /** The phase whose result it is. */
  readonly phase: PhaseName | 'checkpoint';
  /** 64 hex digits; of a checkpoint the first 32 of the training's. */
  readonly key: string;
  /** Name of the stage that made it, where that is known. */
  readonly stage: string | undefined;
  /** Size of its files. */
  readonly bytes: number;
  /** When a build last made it or took it. */
  readonly usedAt: Date;
  /** How long it took to make, where that is known. */
  readonly seconds: number | undefined;
  /** A build that is at work may need it. */
  readonly inUse: boolean;
}

/** What was removed from a cache, and what is left. */
export interface Collected {
  /** What was removed. */
  readonly removed: readonly CacheEntry[];
  /** What stays. */
  readonly kept: readonly CacheEntry[];
}

/** The results that a cache folder holds. Made by {@link openCache}. */
export interface CacheStore {
  /** Everything in it, last used first. */
  list(): Promise<readonly CacheEntry[]>;
  /** Removes what was not used for longest until the rest fits. @defaultValue `maxBytes`: the limit of the config */
  gc(maxBytes?: number): Promise<Collected>;
  /** Removes everything that no build at work may need. */
  clear(): Promise<Collected>;
}

/** The cache of a config, to look at and to tidy up; builds may be at work. */
export function openCache({ cacheDir, cache }: Pick<ResolvedConfig, 'cacheDir' | 'cache'>): CacheStore {
  const records = new Records(join(cacheDir, FOLDERS.records));
  const list = async (): Promise<readonly CacheEntry[]> => {
    const [known, since] = [await records.all(), await oldestRun(cacheDir)];
    const found = [...(await results(cacheDir, known)), ...(await checkpoints(cacheDir, known))];
    return found
      .map((entry) => ({ ...entry, inUse: entry.usedAt.getTime() >= since }))
      .toSorted((a, b) => b.usedAt.getTime() - a.usedAt.getTime());
  };
  const collect = async (maxBytes: number): Promise<Collected> => {
    const entries = await list();
    const [removed, kept]: [CacheEntry[], CacheEntry[]] = [[], []];
    let size = 0;
    for (const entry of entries) {
      size += entry.bytes;
      if (size <= maxBytes || entry.inUse) kept.push(entry);
      else removed.push(entry);
    }
    const folder = new Cache(
      cacheDir,
      createLogger(() => undefined),
    );
    for (const { phase, key } of removed) {
      if (phase === 'checkpoint') await rm(join(cacheDir, FOLDERS.checkpoints, `${key}.safetensors`), { force: true });
      else await folder.remove(phase, key);
    }
    await records.prune();
    return { removed, kept };
  };
  return {
    list,
    gc: (maxBytes = cache.maxBytes) => collect(maxBytes),
    clear: async () => {
      const collected = await collect(0);
      if (collected.kept.length === 0) await records.clear();
      return collected;
    },
  };
}

/** Keeps the cache within its size after a build that has added to it. */
export async function tidyUp(config: ResolvedConfig, logger: Logger): Promise<void> {
  const { removed } = await openCache(config).gc();
  if (removed.length === 0) return;
  const size = removed.reduce((sum, entry) => sum + entry.bytes, 0);
  logger.info(`removed ${removed.length} old results from the cache (${bytes(size)})`);
}

/** Locks of runs: nothing that was used since the oldest began is removed. */
const RUN = 'run.';
/** Clocks of file systems are coarse. */
const SLACK_MS = 1000;

/** Says that a build is at work. */
export function lockRun(cacheDir: string, id: string): Promise<Lock> {
  return new Locks(join(cacheDir, FOLDERS.locks)).acquire(RUN + id);
}

async function oldestRun(cacheDir: string): Promise<number> {
  const held = await new Locks(join(cacheDir, FOLDERS.locks)).held();
  const runs = held.filter(({ name }) => name.startsWith(RUN)).map(({ since }) => since - SLACK_MS);
  return Math.min(Number.POSITIVE_INFINITY, ...runs);
}

type Known = ReadonlyMap<string, PhaseRecord>;
type Found = Omit<CacheEntry, 'inUse'>;

async function results(cacheDir: string, known: Known): Promise<readonly Found[]> {
  const found: Found[] = [];
  for (const phase of CACHED_PHASES) {
    for (const key of await readdir(join(cacheDir, phase)).catch(() => [])) {
      const folder = join(cacheDir, phase, key);
      const info = await stat(folder).catch(() => undefined);
      if (!/^[0-9a-f]{64}$/.test(key) || info === undefined) continue;
      const { stage, seconds } = known.get(key) ?? {};
      found.push({ phase, key, stage, seconds, bytes: await sizeOf(folder), usedAt: info.mtime });
    }
  }
  return found;
}

async function checkpoints(cacheDir: string, known: Known): Promise<readonly Found[]> {
  const stages = new Map([...known.values()].map((record) => [checkpointPath(cacheDir, record), record.stage]));
  const found: Found[] = [];
  for (const file of await readdir(join(cacheDir, FOLDERS.checkpoints)).catch(() => [])) {
    const path = join(cacheDir, FOLDERS.checkpoints, file);
    const key = /^([0-9a-f]{32})\.safetensors$/.exec(file)?.[1];
    const info = await stat(path).catch(() => undefined);
    if (key === undefined || info === undefined) continue;
    const place = { phase: 'checkpoint', key, stage: stages.get(path) } as const;
    found.push({ ...place, seconds: undefined, bytes: info.size, usedAt: info.mtime });
  }
  return found;
}

async function sizeOf(folder: string): Promise<number> {
  const files = await readdir(folder).catch(() => []);
  const sizes = await Promise.all(
    files.map((file) =>
      stat(join(folder, file)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
