import { readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { makeFolder } from './folders.ts';
import { AnnealError, isAnnealError } from '../errors/error.ts';
import { hostId, isAlive, temporaryPath } from './host.ts';

const WRITE_FAILURES: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file is larger than the file system allows',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOTDIR: 'a part of the path is a file',
  EEXIST: 'a file is in the way',
  EISDIR: 'there is a folder of that name',
  ENAMETOOLONG: 'the name is too long',
  EIO: 'the device reports an error',
};
const FULL = new Set(['ENOSPC', 'EDQUOT']);

export const codeOf = (error: unknown): string => (error as { code?: string } | null | undefined)?.code ?? '';

/** The error of a failed write with its reason in words. */
export function writeError(path: string, error: unknown): unknown {
  if (isAnnealError(error)) return error;
  const code = codeOf(error);
  const reason = WRITE_FAILURES[code];
  if (reason === undefined) return error;
  return new AnnealError('ANNEAL_E_WRITE', `cannot write "${path}": ${reason}`, {
    file: path,
    fix: FULL.has(code)
      ? 'free some space and run again: what was finished is in the cache'
      : 'make the folder writable, or choose another with `outDir` or `cacheDir`',
    cause: error,
  });
}

export interface WriteFolderOptions {
  /** Leave a folder that stands there already, and drop what was written: both are the same. @defaultValue `false` */
  readonly keepExisting?: boolean | undefined;
}

/**
 * Makes a folder whole or not at all: `fill` writes into a temporary sibling, which then takes the final name. What
 * stood there before is replaced only at the end.
 */
export async function writeFolder(
  path: string,
  fill: (temporary: string) => Promise<void>,
  { keepExisting = false }: WriteFolderOptions = {},
): Promise<void> {
  const temporary = temporaryPath(path);
  try {
    await makeFolder(temporary);
    await fill(temporary);
    await (keepExisting ? placeFolder(temporary, path) : replaceFolder(temporary, path));
  } catch (error) {
    throw writeError(path, error);
  } finally {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
  }
}

/** Writes a small file whole or not at all. */
export async function writeSmallFile(path: string, text: string): Promise<void> {
  const temporary = temporaryPath(path);
  try {
    await writeFile(temporary, text);
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}

const TAKEN = new Set(['ENOTEMPTY', 'EEXIST', 'EPERM']);
const isThere = async (path: string): Promise<boolean> => (await stat(path).catch(() => undefined)) !== undefined;

async function placeFolder(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (!TAKEN.has(codeOf(error)) || !(await isThere(to))) throw error;
  }
}

/** Times that another process may put a folder of the same name there between our two steps. */
const ATTEMPTS = 20;

/** `rename` cannot replace a folder that is not empty: the old one steps aside first. */
async function replaceFolder(from: string, to: string): Promise<void> {
  const aside: string[] = [];
  const drop = async (): Promise<void> => {
    // The new folder is in place: remains of the old ones are no failure.
    for (const path of aside) await rm(path, { recursive: true, force: true }).catch(() => undefined);
  };
  for (let attempt = 1; ; attempt++) {
    try {
      const old = `${from}.old${attempt}`;
      await rename(to, old);
      aside.push(old);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
    }
    try {
      await rename(from, to);
      return await drop();
    } catch (error) {
      if (TAKEN.has(codeOf(error)) && attempt < ATTEMPTS) continue;
      const last = aside.pop();
      if (last !== undefined) await rename(last, to).catch(() => undefined);
      await drop();
      throw error;
    }
  }
}

/** Temporary names of {@link temporaryPath}, and of `writeFiles` of the graph package. */
const LEFTOVER =
  /^\.(?<name>.+)\.(?<pid>\d+)\.(h(?<host>[0-9a-f]{8})\.)?[0-9a-f]{8}\.tmp(?<old>\.old\d+)?(\.[0-9a-f-]{36}\.part)?$|^.+\.[0-9a-f-]{36}\.part$/;
/** Where process ids say nothing (machines and containers that share a folder), age does. */
const LEFTOVER_MIN_AGE_MS = 10 * 60_000;

/**
 * Removes what processes that were killed left in a folder. A folder that had stepped aside for one that never came
 * takes its place again.
 *
 * @param only Names to look at. @defaultValue all
 */
export async function removeLeftovers(folder: string, only?: string): Promise<void> {
  const own = hostId();
  for (const entry of await readdir(folder).catch(() => [])) {
    const { name, pid, host, old } = LEFTOVER.exec(entry)?.groups ?? {};
    if (!LEFTOVER.test(entry) || (only !== undefined && name !== only)) continue;
    if (pid !== undefined && (host === undefined || host === own) && isAlive(Number(pid))) continue;
    const path = join(folder, entry);
    const info = await stat(path).catch(() => undefined);
    if (old !== undefined && !(await isThere(join(folder, name as string)))) {
      await rename(path, join(folder, name as string)).catch(() => undefined);
    } else if (info !== undefined && (host === own || Date.now() - info.mtimeMs > LEFTOVER_MIN_AGE_MS)) {
      await rm(path, { recursive: true, force: true }).catch(() => undefined);
    }
  }
}
