import { randomUUID } from 'node:crypto';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { AnnealError, isAnnealError } from '../errors/error.ts';

const WRITE_FAILURES: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
};

/** The error of a failed write with its reason in words. */
export function writeError(path: string, error: unknown): unknown {
  if (isAnnealError(error)) return error;
  const code = (error as { code?: string } | null)?.code ?? '';
  const reason = WRITE_FAILURES[code];
  if (reason === undefined) return error;
  return new AnnealError('ANNEAL_E_WRITE', `cannot write "${path}": ${reason}`, {
    file: path,
    fix:
      code === 'ENOSPC' || code === 'EDQUOT'
        ? 'free some space and run again: what was finished is in the cache'
        : 'make the folder writable, or choose another with `outDir` or `cacheDir`',
    cause: error,
  });
}

/**
 * Makes a folder whole or not at all: `fill` writes into a temporary sibling, which then takes the final name. What
 * stood there before is replaced only at the end.
 */
export async function writeFolder(path: string, fill: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomUUID().slice(0, 8)}.tmp`);
  try {
    await mkdir(temporary, { recursive: true });
    await fill(temporary);
    await replaceFolder(temporary, path);
  } catch (error) {
    throw writeError(path, error);
  } finally {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
  }
}

/** `rename` cannot replace a folder that is not empty: the old one steps aside first. */
async function replaceFolder(from: string, to: string): Promise<void> {
  const old = `${from}.old`;
  const had = await rename(to, old).then(
    () => true,
    () => false,
  );
  try {
    await rename(from, to);
  } catch (error) {
    if (had) await rename(old, to).catch(() => undefined);
    throw error;
  }
  await rm(old, { recursive: true, force: true }).catch(() => undefined);
}

/** Writes a file whole or not at all. */
export async function writeFileAtomic(path: string, data: Uint8Array | string): Promise<void> {
  const temporary = `${path}.${randomUUID().slice(0, 8)}.tmp`;
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(temporary, data);
    await rename(temporary, path);
  } catch (error) {
    throw writeError(path, error);
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}
