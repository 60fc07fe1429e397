import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** SHA-256 of a value, independent of the order of object keys. Functions count by their source text. */
export function digest(value: unknown): string {
  return createHash('sha256').update(canonical(value)).digest('hex');
}

function canonical(value: unknown): string {
  if (typeof value === 'function') return `function ${String(value)}`;
  if (typeof value === 'bigint') return `${value}n`;
  if (value === undefined) return 'undefined';
  if (ArrayBuffer.isView(value)) {
    const { buffer, byteOffset, byteLength } = value;
    return `bytes ${createHash('sha256')
      .update(new Uint8Array(buffer, byteOffset, byteLength))
      .digest('hex')}`;
  }
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (value instanceof RegExp || value instanceof Date || value instanceof URL)
    return `${value.constructor.name} ${String(value)}`;
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .toSorted(([a], [b]) => (a < b ? -1 : 1));
    return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join()}}`;
  }
  return JSON.stringify(value);
}

/** SHA-256 of a file's bytes, streamed: models do not fit into one buffer. */
export async function digestFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}

/** Folders that never matter to a result. */
const IGNORED = new Set(['node_modules', '.git', '.anneal']);

/** Digests of files that this process has read, by path, size and modification time. */
const known = new Map<string, string>();

/**
 * Digest of a file's or folder's contents: names and bytes, not times. `'missing'` when nothing is there, so that a
 * file that appears changes the key.
 */
export async function digestPath(path: string): Promise<string> {
  const info = await stat(path).catch(() => undefined);
  if (info === undefined) return 'missing';
  if (info.isFile()) {
    const key = `${path}:${info.size}:${info.mtimeMs}`;
    let found = known.get(key);
    if (found === undefined) {
      found = await digestFile(path);
      known.set(key, found);
    }
    return found;
  }
  const entries = (await readdir(path, { withFileTypes: true })).filter((entry) => !IGNORED.has(entry.name));
  const parts: string[] = [];
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    parts.push(`${entry.name}:${await digestPath(join(path, entry.name))}`);
  }
  return digest(parts);
}

const packages = new Map<string, Promise<string>>();

/** Digest of the code of the package that a source file belongs to; built and unbuilt code are told apart by content. */
export function digestPackage(file: string): Promise<string> {
  let found = packages.get(file);
  if (found === undefined) {
    found = digestPackageOf(file);
    packages.set(file, found);
  }
  return found;
}

async function digestPackageOf(file: string): Promise<string> {
  let folder = join(await realpath(file), '..');
  for (;;) {
    const manifest = join(folder, 'package.json');
    if (await stat(manifest).catch(() => undefined)) {
      // Only the folder that the file runs from: tests, docs and build outputs beside it do not matter.
      const top = (await realpath(file)).slice(folder.length + 1).split(/[/\\]/)[0] as string;
      return digest([await digestPath(manifest), await digestPath(join(folder, top))]);
    }
    const parent = join(folder, '..');
    if (parent === folder) return digestPath(file);
    folder = parent;
  }
}
