import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative, sep } from 'node:path';

/** Builds flush what they write to the disk; in memory that costs nothing. */
const MEMORY = '/dev/shm';

/** A new folder for a build. */
export async function temporaryFolder(): Promise<string> {
  return realpath(await mkdtemp(join(existsSync(MEMORY) ? MEMORY : tmpdir(), 'anneal-test-')));
}

/** Removes a folder with all that is in it. */
export function removeFolder(folder: string): Promise<void> {
  return rm(folder, { recursive: true, force: true });
}

/** Writes files below a folder. */
export async function writeFiles(folder: string, files: Readonly<Record<string, string | Uint8Array>>): Promise<void> {
  for (const [path, data] of Object.entries(files)) {
    const file = join(folder, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, data);
  }
}

/** Every file below a folder by its path with `/`, in order; none when there is no such folder. */
export async function readFiles(folder: string): Promise<ReadonlyMap<string, Uint8Array>> {
  if (!existsSync(folder)) return new Map();
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const files = new Map<string, Uint8Array>();
  for (const path of paths.toSorted()) {
    files.set(relative(folder, path).split(sep).join('/'), await readFile(path));
  }
  return files;
}
