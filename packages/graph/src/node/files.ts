import { readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { formatError } from '../formats/error.ts';

// The entry `@anneal/graph/files`: in Node files lie on a disk. A page has ../web/files.ts instead.

export { fileSource as openFile } from './file-source.ts';
export { loadGguf } from './gguf.ts';
export { loadOnnx } from './onnx.ts';
export { loadSafetensors } from './safetensors.ts';

/** The absolute path of a file or folder that is named from `root`. */
export function resolvePath(root: string, path: string): string {
  return resolve(root, path);
}

/** The path of a file in a folder. */
export function joinPath(folder: string, name: string): string {
  return join(folder, name);
}

/** The folder that a file lies in. */
export function folderOf(path: string): string {
  return dirname(path);
}

/** Whether there is a file. */
export async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() === true;
}

/** Whether a path leads to a folder. */
export async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true;
}

/**
 * The text of a small file; `undefined` when there is none.
 *
 * @throws GraphError `ANNEAL_E_FORMAT` when it cannot be read, or has more than `maxBytes`.
 */
export async function readText(path: string, maxBytes: number): Promise<string | undefined> {
  try {
    const { size } = await stat(path);
    if (size > maxBytes) throw formatError({ file: path }, `it has ${size} bytes, at most ${maxBytes} are read`);
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    if (code === 'ANNEAL_E_FORMAT') throw error;
    throw formatError({ file: path }, `the file cannot be read: ${(error as Error).message}`, { cause: error });
  }
}
