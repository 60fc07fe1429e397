import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

import { AnnealError } from '../errors/error.ts';

/**
 * Makes a folder and those above it; one that stands there stays. Node's own recursive `mkdir` never ends where a file
 * system says `ENOENT` below a folder that is there, as `/proc` does.
 *
 * @throws AnnealError `ANNEAL_E_WRITE` where the file system makes no folders, otherwise the error of `mkdir`.
 */
export async function makeFolder(path: string): Promise<void> {
  if (await isMade(path)) return;
  const above = dirname(path);
  if (above !== path) await makeFolder(above);
  if (await isMade(path)) return;
  throw new AnnealError('ANNEAL_E_WRITE', `cannot write "${path}": no folder can be made there`, {
    file: path,
    fix: 'choose another with `outDir` or `cacheDir`',
  });
}

/** `false` when the folder above is missing, or said to be. */
async function isMade(path: string): Promise<boolean> {
  try {
    await mkdir(path);
    return true;
  } catch (error) {
    const there = await stat(path).catch(() => undefined);
    if (there?.isDirectory() === true) return true;
    if ((error as { code?: string }).code === 'ENOENT') return false;
    throw error;
  }
}
