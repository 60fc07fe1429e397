import { mkdir, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { makeFolder } from '../node/folders.ts';
import { AnnealError } from '../errors/error.ts';
import { removeLeftovers, writeError } from '../node/files.ts';
import { temporaryPath } from '../node/host.ts';
import { Locks } from '../node/locks.ts';
import { type Cached, CODECS } from './codecs.ts';
import type { PhaseKey } from './keys.ts';

/** Folders of the cache besides those of the phases. */
export const FOLDERS = {
  /** Trainings that are not finished. */
  checkpoints: 'checkpoints',
  locks: 'locks',
  records: 'records',
} as const;

/** Phases whose results have a folder in the cache. */
export const CACHED_PHASES: readonly Cached[] = Object.keys(CODECS) as Cached[];

/** The checkpoint of a training that is not finished. */
export const checkpointPath = (cacheDir: string, { key }: PhaseKey): string =>
  join(cacheDir, FOLDERS.checkpoints, `${key.slice(0, 32)}.safetensors`);

/**
 * The cache folder must be usable before an hour of work ends in an error. Removes what killed builds left there.
 *
 * @throws AnnealError `ANNEAL_E_CACHE` when it is no folder, `ANNEAL_E_WRITE` when it cannot be written to.
 */
export async function prepareCache(cacheDir: string): Promise<void> {
  const info = await stat(cacheDir).catch(() => undefined);
  if (info !== undefined && !info.isDirectory()) {
    throw new AnnealError('ANNEAL_E_CACHE', `\`cacheDir\` "${cacheDir}" is a file`, {
      path: ['cacheDir'],
      file: cacheDir,
      fix: 'remove it, or choose another folder',
    });
  }
  try {
    await makeFolder(cacheDir);
    // Trying is the only way to know: permissions are not all there is.
    const probe = temporaryPath(join(cacheDir, 'probe'));
    await mkdir(probe);
    await rmdir(probe);
  } catch (error) {
    throw writeError(cacheDir, error);
  }
  for (const folder of ['.', ...Object.values(FOLDERS), ...CACHED_PHASES])
    await removeLeftovers(join(cacheDir, folder));
  await new Locks(join(cacheDir, FOLDERS.locks)).clean();
}
