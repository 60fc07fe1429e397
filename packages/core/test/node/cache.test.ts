import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { createLogger, type LogEntry } from '@anneal/core';
import { describe, expect, it } from 'vitest';

import { Cache } from '../../src/node/cache.ts';
import { failure, folder } from '../tiny/build.ts';

const KEY = 'k'.repeat(64);
const FILES: Readonly<Record<string, string>> = { 'a.json': '{"a":1}', 'b.bin': 'bytes' };

function setup() {
  const root = folder();
  const logs: LogEntry[] = [];
  const cache = new Cache(
    root,
    createLogger((entry) => logs.push(entry)),
  );
  const write = (replace?: boolean, files = FILES): Promise<string> =>
    cache.write(
      'model',
      KEY,
      async (at) => {
        for (const [name, text] of Object.entries(files)) await writeFile(join(at, name), text);
      },
      replace,
    );
  return { root, logs, cache, write, entry: join(root, 'model', KEY) };
}

/** Changes one byte. */
function flip(file: string, at: number = 0): void {
  const bytes = readFileSync(file);
  bytes[at]! ^= 1;
  writeFileSync(file, bytes);
}

describe('a cache entry', () => {
  it('is there when it is complete', async () => {
    const { cache, write, entry, logs } = setup();
    expect(await cache.has('model', KEY)).toBe(false);
    expect(await cache.open('model', KEY)).toBeUndefined();
    expect(await write()).toBe(entry);
    expect(await cache.has('model', KEY)).toBe(true);
    expect(await cache.open('model', KEY)).toBe(entry);
    for (const [name, text] of Object.entries(FILES)) expect(readFileSync(join(entry, name), 'utf8')).toBe(text);
    expect(await cache.has('model', 'other')).toBe(false);
    expect(await cache.has('train', KEY)).toBe(false);
    expect(logs).toEqual([]);
  });

  it.each([
    ['a changed byte', (entry: string) => flip(join(entry, 'b.bin'), 2), 'b.bin has changed'],
    ['a file cut short', (entry: string) => truncateSync(join(entry, 'a.json'), 3), 'a.json has 3 bytes instead of 7'],
    [
      'a file too long',
      (entry: string) => writeFileSync(join(entry, 'b.bin'), 'x', { flag: 'a' }),
      'b.bin has 6 bytes',
    ],
    ['a missing file', (entry: string) => rmSync(join(entry, 'a.json')), 'a file is missing'],
    ['no manifest', (entry: string) => rmSync(join(entry, 'manifest.json')), 'a file is missing'],
    ['a manifest cut short', (entry: string) => truncateSync(join(entry, 'manifest.json'), 20), 'SyntaxError'],
    ['another manifest', (entry: string) => writeFileSync(join(entry, 'manifest.json'), 'null'), 'TypeError'],
    [
      'a folder for a file',
      (entry: string) => (rmSync(join(entry, 'b.bin')), mkdirSync(join(entry, 'b.bin'))),
      'b.bin has',
    ],
  ])('with %s is said once, removed, and made again', async (_, damage, message) => {
    const { cache, write, entry, logs, root } = setup();
    await write();
    damage(entry);
    expect(await cache.open('model', KEY)).toBeUndefined();
    expect(logs).toHaveLength(1);
    expect(logs[0]).toMatchObject({ level: 'warn', message: expect.stringContaining(message) });
    expect(logs[0]!.message).toMatch(/^The cached result of phase model is damaged \(.*\); it is made again$/);
    expect(await cache.open('model', KEY)).toBeUndefined();
    expect(logs).toHaveLength(1);
    expect(readdirSync(join(root, 'model'))).toEqual([]);
    await write();
    expect(await cache.open('model', KEY)).toBe(entry);
  });

  it('is seen to be damaged without reading it, where sizes say so', async () => {
    const { cache, write, entry } = setup();
    await write();
    truncateSync(join(entry, 'a.json'), 3);
    expect(await cache.has('model', KEY)).toBe(false);
  });

  it('is not there when its making fails', async () => {
    const { cache, root } = setup();
    const failing = cache.write('model', KEY, async (at) => {
      await writeFile(join(at, 'half'), 'half');
      throw new Error('no more');
    });
    await expect(failing).rejects.toThrow('no more');
    expect(await cache.has('model', KEY)).toBe(false);
    expect(readdirSync(join(root, 'model'))).toEqual([]);
  });

  it('stays the one that others may be reading, unless it is to be replaced', async () => {
    const { write, entry } = setup();
    await write();
    const { ino } = statSync(entry);
    await write(false, { 'a.json': 'other' });
    expect(statSync(entry).ino).toBe(ino);
    expect(readFileSync(join(entry, 'a.json'), 'utf8')).toBe(FILES['a.json']);
    await write(true, { 'a.json': 'other' });
    expect(readFileSync(join(entry, 'a.json'), 'utf8')).toBe('other');
    expect(existsSync(join(entry, 'b.bin'))).toBe(false);
  });

  it.each([false, true])('is whole while many write it, replacing: %s', async (replace) => {
    const { cache, write, entry, root, logs } = setup();
    const writers = Array.from({ length: 12 }, () => write(replace));
    const readers = Array.from({ length: 12 }, async (_, i) => {
      await new Promise((resolve) => setTimeout(resolve, i));
      return replace ? undefined : cache.open('model', KEY);
    });
    await Promise.all([...writers, ...readers]);
    expect(await cache.open('model', KEY)).toBe(entry);
    expect(readdirSync(join(root, 'model'))).toEqual([KEY]);
    expect(logs).toEqual([]);
  });

  it('tells when it was last used', async () => {
    const { cache, write, entry } = setup();
    await write();
    utimesSync(entry, 1, 1);
    await cache.open('model', KEY);
    expect(Date.now() - statSync(entry).mtimeMs).toBeLessThan(60_000);
  });

  it('has large files that are read again only when somebody touched them', async () => {
    const { cache, entry } = setup();
    const file = join(entry, 'weights');
    await cache.write('model', KEY, async (at) => {
      await writeFile(join(at, 'weights'), '');
      truncateSync(join(at, 'weights'), 33 * 2 ** 20);
    });
    const { mtime } = statSync(file);
    const start = performance.now();
    expect(await cache.open('model', KEY)).toBe(entry);
    const trusting = performance.now() - start;
    utimesSync(file, mtime, new Date(mtime.getTime() + 5000));
    expect(await cache.open('model', KEY)).toBe(entry);
    expect(performance.now() - start).toBeGreaterThan(trusting);
    flip(file);
    expect(await cache.open('model', KEY)).toBeUndefined();
  });
});

describe('a cache folder that is a file', () => {
  it('is told as such', async () => {
    const root = join(folder(), 'cache');
    writeFileSync(root, '');
    const cache = new Cache(
      root,
      createLogger(() => undefined),
    );
    expect(await cache.open('model', KEY)).toBeUndefined();
    expect(await failure(cache.write('model', KEY, () => Promise.resolve()))).toMatchObject({
      code: 'ANNEAL_E_WRITE',
      message: expect.stringContaining('a part of the path is a file'),
    });
  });
});
