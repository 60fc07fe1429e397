import { randomUUID } from 'node:crypto';
import { link, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';

import { makeFolder } from './folders.ts';
import { codeOf, writeError } from './files.ts';
import { hostId, isAlive, temporaryPath } from './host.ts';

/** Who holds a lock. */
export interface LockOwner {
  readonly id: string;
  readonly pid: number;
  /** Where the process id means something. */
  readonly host: string;
  /** When it was taken, in milliseconds since 1970. */
  readonly since: number;
}

export interface Lock {
  release(): Promise<void>;
}

export interface AcquireOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called once when somebody else holds it. */
  readonly onWait?: ((owner: LockOwner | undefined) => void) | undefined;
}

const ENDING = '.lock';
/** Between two looks at a lock of somebody else: more and more, as most work is either short or long. */
const POLL_MS = { first: 5, most: 250 };
/** Between two signs of life of an owner. */
const BEAT_MS = 5000;
/** An owner elsewhere that gave no sign for so long is dead. One here may be busy in native code, and is asked for. */
const SILENT_MS = { elsewhere: 2 * 60_000, here: 60 * 60_000 };
/** A file that its owner has not written yet is younger. */
const UNWRITTEN_MS = 5000;

/**
 * Locks by name as files of one folder, for processes and machines that share it. One whose owner was killed is taken
 * over. They keep work from being done twice; what is written is whole without them.
 */
export class Locks {
  readonly #folder: string;
  readonly #host: string = hostId();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * Waits until nobody else holds the lock and takes it.
   *
   * @throws the reason of `signal`, `ANNEAL_E_WRITE` when no file can be written
   */
  async acquire(name: string, { signal, onWait }: AcquireOptions = {}): Promise<Lock> {
    const path = join(this.#folder, name + ENDING);
    const owner: LockOwner = { id: randomUUID(), pid: process.pid, host: this.#host, since: Date.now() };
    for (let pause = 0; ;) {
      signal?.throwIfAborted();
      if (await this.#take(path, owner)) return this.#held(path, owner);
      const state = await this.#look(path);
      if (state === 'free') continue;
      if (state.stale) {
        await this.#break(path, state.owner);
        continue;
      }
      if (pause === 0) onWait?.(state.owner);
      pause = Math.min(POLL_MS.most, Math.max(POLL_MS.first, 2 * pause));
      await delay(pause, undefined, { signal });
    }
  }

  /** Locks that somebody holds. */
  async held(): Promise<readonly (LockOwner & { readonly name: string })[]> {
    const found: (LockOwner & { name: string })[] = [];
    for (const file of await readdir(this.#folder).catch(() => [])) {
      if (!file.endsWith(ENDING)) continue;
      const state = await this.#look(join(this.#folder, file));
      if (state === 'free' || state.stale || state.owner === undefined) continue;
      found.push({ ...state.owner, name: file.slice(0, -ENDING.length) });
    }
    return found;
  }

  /** Removes locks of owners that are dead. */
  async clean(): Promise<void> {
    for (const file of await readdir(this.#folder).catch(() => [])) {
      const path = join(this.#folder, file);
      if (!file.endsWith(ENDING)) continue;
      const state = await this.#look(path);
      if (state !== 'free' && state.stale) await this.#break(path, state.owner);
    }
  }

  /** Makes the file in one step with what is in it; where there are no links it is empty for a moment. */
  async #take(path: string, owner: LockOwner): Promise<boolean> {
    const text = JSON.stringify(owner);
    const draft = temporaryPath(path);
    try {
      await makeFolder(this.#folder);
      await writeFile(draft, text);
    } catch (error) {
      await rm(draft, { force: true }).catch(() => undefined);
      throw writeError(path, error);
    }
    try {
      await link(draft, path);
      return true;
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return false;
      if (!NO_LINKS.has(codeOf(error))) throw writeError(path, error);
    } finally {
      await rm(draft, { force: true }).catch(() => undefined);
    }
    try {
      await writeFile(path, text, { flag: 'wx' });
      return true;
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return false;
      throw writeError(path, error);
    }
  }

  #held(path: string, owner: LockOwner): Lock {
    const timer = setInterval(() => {
      const now = new Date();
      // Gone or not ours to touch: then the release finds out.
      utimes(path, now, now).catch(() => undefined);
    }, BEAT_MS);
    timer.unref();
    return {
      release: async () => {
        clearInterval(timer);
        const current = await read(path);
        if (current?.id === owner.id) await rm(path, { force: true }).catch(() => undefined);
      },
    };
  }

  async #look(path: string): Promise<'free' | { readonly owner: LockOwner | undefined; readonly stale: boolean }> {
    const info = await stat(path).catch(() => undefined);
    if (info === undefined) return 'free';
    const owner = await read(path);
    const silent = Date.now() - info.mtimeMs;
    if (owner === undefined) return { owner, stale: silent > UNWRITTEN_MS };
    const isHere = owner.host === this.#host;
    if (isHere && !isAlive(owner.pid)) return { owner, stale: true };
    return { owner, stale: silent > (isHere ? SILENT_MS.here : SILENT_MS.elsewhere) };
  }

  /** Removes a lock whose owner is dead, and not one that another has taken in its place meanwhile. */
  async #break(path: string, dead: LockOwner | undefined): Promise<void> {
    const aside = temporaryPath(path);
    try {
      await rename(path, aside);
    } catch {
      return;
    }
    const moved = await read(aside);
    if (moved !== undefined && moved.id !== dead?.id) await link(aside, path).catch(() => undefined);
    await rm(aside, { force: true }).catch(() => undefined);
  }
}

/** What file systems without links say. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

async function read(path: string): Promise<LockOwner | undefined> {
  try {
    const owner = JSON.parse(await readFile(path, 'utf8')) as Partial<LockOwner> | null;
    const isWhole =
      typeof owner?.id === 'string' &&
      typeof owner.pid === 'number' &&
      typeof owner.host === 'string' &&
      typeof owner.since === 'number';
    return isWhole ? (owner as LockOwner) : undefined;
  } catch {
    return undefined;
  }
}
