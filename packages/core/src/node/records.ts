import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { makeFolder } from './folders.ts';
import type { PhaseKey } from '../build/keys.ts';
import { writeSmallFile } from './files.ts';

/** What was done once: the key in all its parts, and what it took. */
export interface PhaseRecord extends PhaseKey {
  /** When it was done, in milliseconds since 1970. */
  readonly at: number;
  /** How long it took; `undefined` where the result came from somewhere else. */
  readonly seconds: number | undefined;
  /** Most that the process had in memory when it was done. */
  readonly peakRssBytes?: number | undefined;
  /** Of a training. */
  readonly training?: TrainingRecord | undefined;
}

export interface TrainingRecord {
  readonly steps: number;
  /** Elements that are not padding, over all epochs. */
  readonly tokens: number;
  /** In steps, without compiling. */
  readonly seconds: number;
}

/** More are of no use: who goes back further starts over. */
const MAX_RECORDS = 400;

/** Records of phases as one file each, by key. They outlive the results, and nothing depends on them. */
export class Records {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async all(): Promise<ReadonlyMap<string, PhaseRecord>> {
    const found = new Map<string, PhaseRecord>();
    for (const file of await this.#files()) {
      const record = await this.#read(file);
      if (record !== undefined) found.set(record.key, record);
    }
    return found;
  }

  get(key: string): Promise<PhaseRecord | undefined> {
    return this.#read(`${key}.json`);
  }

  /** A record that cannot be written is none: the result does not depend on it. */
  async write(record: PhaseRecord): Promise<void> {
    try {
      await makeFolder(this.#folder);
      await writeSmallFile(join(this.#folder, `${record.key}.json`), JSON.stringify(record));
    } catch {
      // Then nobody learns later how long it took.
    }
  }

  /** Removes the oldest beyond a number that nobody needs. */
  async prune(keep: number = MAX_RECORDS): Promise<void> {
    const files = await this.#files();
    if (files.length <= keep) return;
    const dated = await Promise.all(
      files.map(async (file) => ({
        file,
        at: (await stat(join(this.#folder, file)).catch(() => undefined))?.mtimeMs ?? 0,
      })),
    );
    const old = dated.toSorted((a, b) => b.at - a.at).slice(keep);
    for (const { file } of old) await rm(join(this.#folder, file), { force: true }).catch(() => undefined);
  }

  async clear(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #files(): Promise<readonly string[]> {
    const files = await readdir(this.#folder).catch(() => []);
    return files.filter((file) => /^[0-9a-f]{64}\.json$/.test(file));
  }

  async #read(file: string): Promise<PhaseRecord | undefined> {
    try {
      const record = JSON.parse(await readFile(join(this.#folder, file), 'utf8')) as Partial<PhaseRecord> | null;
      const isWhole =
        typeof record?.key === 'string' &&
        typeof record.phase === 'string' &&
        typeof record.at === 'number' &&
        typeof record.parts === 'object' &&
        Array.isArray(record.after);
      return isWhole ? (record as PhaseRecord) : undefined;
    } catch {
      return undefined;
    }
  }
}
