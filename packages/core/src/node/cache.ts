import { readFile, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { Logger } from '../observe/logger.ts';
import { writeFolder } from './files.ts';
import { digestFile } from './hash.ts';

interface Manifest {
  readonly files: Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>;
}

const MANIFEST = 'manifest.json';

/**
 * Results of phases by key: one folder each, complete or absent. Two builds may write the same entry at the same time,
 * the later one wins and both are equal.
 */
export class Cache {
  readonly #root: string;
  readonly #logger: Logger;

  constructor(root: string, logger: Logger) {
    this.#root = root;
    this.#logger = logger;
  }

  folder(phase: string, key: string): string {
    return join(this.#root, phase, key);
  }

  /** Whether a complete entry is there; its contents are checked when it is opened. */
  async has(phase: string, key: string): Promise<boolean> {
    return (await stat(join(this.folder(phase, key), MANIFEST)).catch(() => undefined)) !== undefined;
  }

  /**
   * The folder of an entry after its files were checked against the manifest. A damaged entry is removed, said once,
   * and counts as absent.
   */
  async open(phase: string, key: string): Promise<string | undefined> {
    const folder = this.folder(phase, key);
    if (!(await this.has(phase, key))) return undefined;
    const problem = await this.#check(folder).catch((error: unknown) => String(error));
    if (problem === undefined) {
      // The time of last use decides what a size limit removes first.
      await utimes(folder, new Date(), new Date()).catch(() => undefined);
      return folder;
    }
    this.#logger.warn(`The cached result of phase ${phase} is damaged (${problem}); it is made again`);
    await rm(folder, { recursive: true, force: true });
    return undefined;
  }

  async #check(folder: string): Promise<string | undefined> {
    const manifest = JSON.parse(await readFile(join(folder, MANIFEST), 'utf8')) as Manifest;
    for (const [name, { bytes, sha256 }] of Object.entries(manifest.files)) {
      const { size } = await stat(join(folder, name));
      if (size !== bytes) return `${name} has ${size} bytes instead of ${bytes}`;
      if ((await digestFile(join(folder, name))) !== sha256) return `${name} has changed`;
    }
    return undefined;
  }

  /** Writes an entry through `fill` and returns its folder. */
  async write(phase: string, key: string, fill: (folder: string) => Promise<void>): Promise<string> {
    const folder = this.folder(phase, key);
    await writeFolder(folder, async (temporary) => {
      await fill(temporary);
      const files: Record<string, { bytes: number; sha256: string }> = {};
      for (const name of (await readdir(temporary)).toSorted()) {
        const { size } = await stat(join(temporary, name));
        files[name] = { bytes: size, sha256: await digestFile(join(temporary, name)) };
      }
      await writeFile(join(temporary, MANIFEST), JSON.stringify({ files } satisfies Manifest));
    });
    return folder;
  }

  async remove(phase: string, key: string): Promise<void> {
    await rm(this.folder(phase, key), { recursive: true, force: true });
  }
}
