import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

import { describe, expect, it } from 'vitest';

import { makeFolder } from '../../src/node/folders.ts';
import { folder } from '../tiny/build.ts';

describe('makeFolder', () => {
  it('makes what is missing above, and leaves what is there', async () => {
    const path = join(folder(), 'a', 'b', 'c');
    await makeFolder(path);
    writeFileSync(join(path, 'file'), '');
    await makeFolder(path);
    expect(statSync(join(path, 'file')).isFile()).toBe(true);
  });

  it('lets two make the same at once', async () => {
    const path = join(folder(), 'a', 'b');
    await Promise.all(Array.from({ length: 8 }, () => makeFolder(path)));
    expect(statSync(path).isDirectory()).toBe(true);
  });

  it('says that a file is in the way', async () => {
    const root = folder();
    mkdirSync(join(root, 'a'));
    writeFileSync(join(root, 'a', 'file'), '');
    await expect(makeFolder(join(root, 'a', 'file'))).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(makeFolder(join(root, 'a', 'file', 'b'))).rejects.toMatchObject({ code: 'ENOTDIR' });
  });

  // Elsewhere there is no folder that denies having a place for another.
  it.skipIf(process.platform !== 'linux')('ends where the file system makes no folders (Linux: /proc)', async () => {
    await expect(makeFolder('/proc/anneal/x')).rejects.toMatchObject({ code: 'ANNEAL_E_WRITE' });
  });
});
