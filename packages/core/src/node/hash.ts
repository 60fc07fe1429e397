import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { withoutComments } from './comments.ts';

/** SHA-256 of a value, independent of the order of object keys. Functions count by their code. */
export function digest(value: unknown): string {
  return createHash('sha256').update(canonical(value)).digest('hex');
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const byKey = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => (a < b ? -1 : 1);

/** A text that two values share exactly when they are equal; every kind of value starts differently. */
export function canonical(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'function') return `function ${withoutComments(String(value))}`;
  if (typeof value === 'bigint') return `${value}n`;
  if (Object.is(value, -0)) return '-0';
  if (typeof value !== 'object' || value === null) return String(value as number | boolean | symbol | undefined | null);
  if (ArrayBuffer.isView(value)) {
    const { buffer, byteOffset, byteLength } = value;
    return `${value.constructor.name} ${sha256(new Uint8Array(buffer, byteOffset, byteLength))}`;
  }
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (value instanceof Set) return `Set [${[...value].map(canonical).join()}]`;
  if (value instanceof Map) {
    return `Map [${[...value].map(([key, item]) => `${canonical(key)}:${canonical(item)}`).join()}]`;
  }
  if (value instanceof RegExp || value instanceof Date || value instanceof URL) {
    return `${value.constructor.name} ${value instanceof Date ? value.getTime() : String(value)}`;
  }
  const entries = Object.entries(value)
    .filter(([, item]) => item !== undefined)
    .toSorted(byKey);
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join()}}`;
}

/** SHA-256 of a file's bytes, streamed: models do not fit into one buffer. */
export async function digestFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}

/** Folders that never matter to a result. */
const IGNORED = new Set(['node_modules', '.git', '.anneal']);

/** Digests of files that this process has read, by path, inode, size and times. */
const known = new Map<string, string>();

/**
 * Digest of a file's or folder's contents: names and bytes, not times. `'missing'` when nothing is there, so that a
 * file that appears changes the key.
 */
export async function digestPath(path: string): Promise<string> {
  return digestWithin(path, []);
}

/** @param above Real paths of the folders around it: a link to one of them would never end. */
async function digestWithin(path: string, above: readonly string[]): Promise<string> {
  const info = await stat(path).catch(() => undefined);
  if (info === undefined) return 'missing';
  if (info.isFile()) {
    const key = [path, info.ino, info.size, info.mtimeMs, info.ctimeMs].join('\0');
    let found = known.get(key);
    if (found === undefined) {
      found = await digestFile(path);
      known.set(key, found);
    }
    return found;
  }
  // Reading a pipe or a device might never end, and says nothing that lasts.
  if (!info.isDirectory()) return 'special';
  const real = await realpath(path);
  if (above.includes(real)) return 'link to a folder around it';
  const entries = (await readdir(path)).filter((name) => !IGNORED.has(name)).toSorted();
  const parts: [name: string, digest: string][] = [];
  for (const name of entries) parts.push([name, await digestWithin(join(path, name), [...above, real])]);
  return digest(parts);
}
