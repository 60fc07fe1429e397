import { readFile, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { Logger } from '../observe/logger.ts';
import { codeOf, writeFolder } from './files.ts';
import { digestFile } from './hash.ts';
import { temporaryPath } from './host.ts';

interface Entry {
  readonly bytes: number;
  readonly sha256: string;
  /** When it was written. */
  readonly mtimeMs: number;
}
interface Manifest {
  readonly files: Readonly<Record<string, Entry>>;
}

const MANIFEST = 'manifest.json';
/** Weights of this size are not read again as long as size and time say that nobody touched them. */
const TRUSTED_BYTES = 32 * 2 ** 20;

/**
 * Results of phases by key: one folder each, complete or absent. Two builds may make the same entry at the same time:
 * the earlier one stays, as the other build may be reading it, and both are equal.
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

  /** Whether an entry is there with all files at their size; their contents are checked when it is opened. */
  async has(phase: string, key: string): Promise<boolean> {
    const folder = this.folder(phase, key);
    const problem = await this.#check(folder, false).catch(() => 'not readable');
    return problem === undefined;
  }

  /**
   * The folder of an entry after its files were checked against the manifest. A damaged entry is removed, said once,
   * and counts as absent.
   */
  async open(phase: string, key: string): Promise<string | undefined> {
    const folder = this.folder(phase, key);
    if ((await stat(folder).catch(() => undefined)) === undefined) return undefined;
    const problem = await this.#check(folder, true).catch((error: unknown) =>
      codeOf(error) === 'ENOENT' ? 'a file is missing' : String(error),
    );
    if (problem === undefined) {
      // The time of last use decides what a size limit removes first.
      await utimes(folder, new Date(), new Date()).catch(() => undefined);
      return folder;
    }
    this.#logger.warn(`The cached result of phase ${phase} is damaged (${problem}); it is made again`);
    await this.remove(phase, key);
    return undefined;
  }

  /** Files of an entry with their digests, as they were when it was made. */
  async files(phase: string, key: string): Promise<Manifest['files']> {
    const text = await readFile(join(this.folder(phase, key), MANIFEST), 'utf8');
    return (JSON.parse(text) as Manifest).files;
  }

  /** What is wrong with an entry. */
  async #check(folder: string, contents: boolean): Promise<string | undefined> {
    const { files } = JSON.parse(await readFile(join(folder, MANIFEST), 'utf8')) as Manifest;
    for (const [name, entry] of Object.entries(files)) {
      const { size, mtimeMs } = await stat(join(folder, name));
      if (size !== entry.bytes) return `${name} has ${size} bytes instead of ${entry.bytes}`;
      if (!contents || (size >= TRUSTED_BYTES && mtimeMs === entry.mtimeMs)) continue;
      if ((await digestFile(join(folder, name))) !== entry.sha256) return `${name} has changed`;
    }
    return undefined;
  }

  /**
   * Writes an entry through `fill` and returns its folder.
   *
   * @param replace Replace an entry that is there. @defaultValue `false`
   */
  async write(
    phase: string,
    key: string,
    fill: (folder: string) => Promise<void>,
    replace: boolean = false,
  ): Promise<string> {
    const folder = this.folder(phase, key);
    const write = async (temporary: string): Promise<void> => {
      await fill(temporary);
      const files: Record<string, Entry> = {};
      for (const name of (await readdir(temporary)).toSorted()) {
        const path = join(temporary, name);
        const { size, mtimeMs } = await stat(path);
        files[name] = { bytes: size, sha256: await digestFile(path), mtimeMs };
      }
      await writeFile(join(temporary, MANIFEST), JSON.stringify({ files } satisfies Manifest));
    };
    await writeFolder(folder, write, { keepExisting: !replace });
    return folder;
  }

  /** Removes an entry at once: no other build sees half of it. */
  async remove(phase: string, key: string): Promise<void> {
    const folder = this.folder(phase, key);
    const aside = temporaryPath(folder);
    const moved = await rename(folder, aside).then(
      () => true,
      () => false,
    );
    await rm(moved ? aside : folder, { recursive: true, force: true });
  }
}
