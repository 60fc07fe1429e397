import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import process from 'node:process';

import { AnnealError } from '@anneal/core';
import { describe, expect, it } from 'vitest';

import { removeLeftovers, writeError, writeFolder } from '../../src/node/files.ts';
import { hostId, temporaryPath } from '../../src/node/host.ts';
import { failure, folder } from '../tiny/build.ts';

const put = (text: string) => (at: string) => writeFile(join(at, 'file'), text);
const textOf = (path: string): string => readFileSync(join(path, 'file'), 'utf8');

describe('writeFolder', () => {
  it('replaces what is there, as a whole', async () => {
    const path = join(folder(), 'sub', 'result');
    await writeFolder(path, put('one'));
    await writeFile(join(path, 'other'), '');
    await writeFolder(path, put('two'));
    expect(readdirSync(path)).toEqual(['file']);
    expect(textOf(path)).toBe('two');
    expect(readdirSync(join(path, '..'))).toEqual(['result']);
  });

  it('shows the old folder while the new one is made', async () => {
    const path = join(folder(), 'result');
    await writeFolder(path, put('one'));
    await writeFolder(path, async (at) => {
      await put('two')(at);
      expect(textOf(path)).toBe('one');
    });
    expect(textOf(path)).toBe('two');
  });

  it('leaves the old folder, and nothing else, when it fails', async () => {
    const path = join(folder(), 'result');
    await writeFolder(path, put('one'));
    const failing = writeFolder(path, async (at) => {
      await put('two')(at);
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(textOf(path)).toBe('one');
    expect(readdirSync(join(path, '..'))).toEqual(['result']);
  });

  it('ends well when many replace one folder', async () => {
    const path = join(folder(), 'result');
    await Promise.all(Array.from({ length: 5 }, (_, i) => writeFolder(path, put(String(i)))));
    expect(textOf(path)).toMatch(/^[0-4]$/);
    expect(readdirSync(join(path, '..'))).toEqual(['result']);
  });

  // /dev/full answers every write with ENOSPC, as a full disk does.
  it.skipIf(!existsSync('/dev/full'))('says that the disk is full', async () => {
    const path = join(folder(), 'result');
    await writeFolder(path, put('one'));
    const failing = writeFolder(path, async (at) => {
      symlinkSync('/dev/full', join(at, 'large'));
      await writeFile(join(at, 'large'), 'x');
    });
    expect(await failure(failing)).toMatchObject({
      code: 'ANNEAL_E_WRITE',
      message: `cannot write "${path}": the disk is full`,
      file: path,
      fix: 'free some space and run again: what was finished is in the cache',
      cause: { code: 'ENOSPC' },
    });
    expect(textOf(path)).toBe('one');
    expect(readdirSync(join(path, '..'))).toEqual(['result']);
  });

  it('says that a file is in the way', async () => {
    const root = folder();
    writeFileSync(join(root, 'file'), '');
    expect(await failure(writeFolder(join(root, 'file', 'result'), put('one')))).toMatchObject({
      code: 'ANNEAL_E_WRITE',
      message: expect.stringContaining('a part of the path is a file'),
    });
  });
});

describe('writeError', () => {
  it.each(['EACCES', 'EPERM', 'EROFS', 'EDQUOT', 'EFBIG', 'EIO', 'ENAMETOOLONG'])('has words for %s', (code) => {
    const cause = Object.assign(new Error('raw'), { code });
    const error = writeError('/some/where', cause);
    expect(error).toMatchObject({ code: 'ANNEAL_E_WRITE', cause, file: '/some/where' });
    expect((error as AnnealError).message).toMatch(/^cannot write "\/some\/where": [a-z]/);
  });

  it('leaves other errors alone', () => {
    for (const error of [new Error('x'), undefined, 'text', new AnnealError('ANNEAL_E_DATA', 'y')]) {
      expect(writeError('/', error)).toBe(error);
    }
  });
});

describe('removeLeftovers', () => {
  // A process that has ended: its id is of nobody.
  const dead = spawnSync(process.execPath, ['-e', '']).pid;
  const OLD = (Date.now() - 3_600_000) / 1000;
  const name = (of: string, pid: number, end = ''): string => `.${of}.${pid}.0123abcd.tmp${end}`;
  const make = (root: string, entry: string, time?: number): void => {
    mkdirSync(join(root, entry));
    writeFileSync(join(root, entry, 'file'), entry);
    if (time !== undefined) utimesSync(join(root, entry), time, time);
  };

  it('removes what dead processes left long ago, and nothing else', async () => {
    const root = folder();
    const kept = [name('a', process.pid), name('b', dead), '.hidden.tmp', 'c.tmp', `x.${dead}.0123abcd.tmp`];
    const [own, fresh, ...others] = kept as [string, string, ...string[]];
    make(root, own, OLD);
    make(root, fresh);
    for (const other of others) make(root, other, OLD);
    make(root, name('gone', dead), OLD);
    writeFileSync(join(root, 'weights.01234567-89ab-cdef-0123-456789abcdef.part'), '');
    utimesSync(join(root, 'weights.01234567-89ab-cdef-0123-456789abcdef.part'), OLD, OLD);
    await removeLeftovers(root);
    expect(readdirSync(root).toSorted()).toEqual(kept.toSorted());
  });

  it('removes at once what dead processes of this machine left, and of others what is old', async () => {
    const root = folder();
    const of = (host: string, pid: number): string => `.a.${pid}.h${host}.0123abcd.tmp`;
    const [own, other] = [hostId(), '00000000'];
    const kept = [of(own, process.pid), of(other, process.pid), of(other, dead)];
    const part = `${of(own, dead)}.01234567-89ab-cdef-0123-456789abcdef.part`;
    for (const entry of [...kept, of(own, dead), part]) make(root, entry);
    await removeLeftovers(root);
    expect(readdirSync(root).toSorted()).toEqual(kept.toSorted());
    // The id is that of another machine's process: it says nothing here.
    for (const entry of kept) utimesSync(join(root, entry), OLD, OLD);
    await removeLeftovers(root);
    expect(readdirSync(root)).toEqual([of(own, process.pid)]);
  });

  it('knows the names that are made here', async () => {
    const root = folder();
    const path = temporaryPath(join(root, 'result'));
    expect(dirname(path)).toBe(root);
    const foreign = path.replace(`.${process.pid}.`, `.${dead}.`);
    for (const made of [path, foreign]) mkdirSync(made);
    await removeLeftovers(root);
    expect(readdirSync(root)).toEqual([basename(path)]);
  });

  it('puts back a folder that was moved aside for one that never came', async () => {
    const root = folder();
    make(root, name('dist', dead, '.old1'));
    make(root, 'other');
    make(root, name('other', dead, '.old1'), OLD);
    await removeLeftovers(root);
    expect(readdirSync(root).toSorted()).toEqual(['dist', 'other']);
    expect(textOf(join(root, 'dist'))).toBe(name('dist', dead, '.old1'));
    expect(textOf(join(root, 'other'))).toBe('other');
  });

  it('looks at one name only, when told so', async () => {
    const root = folder();
    make(root, name('mine', dead), OLD);
    make(root, name('yours', dead), OLD);
    await removeLeftovers(root, 'mine');
    expect(readdirSync(root)).toEqual([name('yours', dead)]);
  });

  it('does nothing where there is no folder', async () => {
    await removeLeftovers(join(folder(), 'nothing'));
  });
});
