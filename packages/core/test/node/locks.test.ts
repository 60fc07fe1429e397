import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

import { describe, expect, it } from 'vitest';

import { hostId } from '../../src/node/host.ts';
import { type LockOwner, Locks } from '../../src/node/locks.ts';
import { failure, folder } from '../tiny/build.ts';

const dead = spawnSync(process.execPath, ['-e', '']).pid;

/** A lock as a process with this id would have left it, silent for some minutes. */
function leave(root: string, owner: Partial<LockOwner>, minutes: number, text?: string): void {
  const file = join(root, 'k.lock');
  const whole: LockOwner = { id: 'other', pid: process.pid, host: hostId(), since: 0, ...owner };
  mkdirSync(root, { recursive: true });
  writeFileSync(file, text ?? JSON.stringify(whole));
  const time = Date.now() / 1000 - 60 * minutes;
  utimesSync(file, time, time);
}

/** Whether a lock is taken at once. */
async function taken(root: string): Promise<boolean> {
  const waiting = new AbortController();
  const lock = new Locks(root).acquire('k', { signal: waiting.signal, onWait: () => waiting.abort() });
  return lock.then(
    async ({ release }) => (await release(), true),
    () => false,
  );
}

describe('a lock', () => {
  it('is held by one at a time, in turn', async () => {
    const root = join(folder(), 'locks');
    const locks = new Locks(root);
    let inside = 0;
    const most: number[] = [];
    await Promise.all(
      Array.from({ length: 5 }, async () => {
        const lock = await locks.acquire('k');
        most.push(++inside);
        await new Promise((resolve) => setTimeout(resolve, 5));
        inside--;
        await lock.release();
      }),
    );
    expect(most).toEqual([1, 1, 1, 1, 1]);
    expect(readdirSync(root)).toEqual([]);
  });

  it('of one name does not hold up another', async () => {
    const locks = new Locks(folder());
    const one = await locks.acquire('one');
    await (await locks.acquire('two')).release();
    expect((await locks.held()).map(({ name, pid }) => [name, pid])).toEqual([['one', process.pid]]);
    await one.release();
    expect(await locks.held()).toEqual([]);
  });

  it('tells once who holds it, and ends with the signal', async () => {
    const locks = new Locks(folder());
    const lock = await locks.acquire('k');
    const waits: unknown[] = [];
    const stop = new AbortController();
    const waiting = locks.acquire('k', { signal: stop.signal, onWait: (owner) => waits.push(owner?.pid) });
    await new Promise((resolve) => setTimeout(resolve, 250));
    stop.abort();
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
    expect(waits).toEqual([process.pid]);
    await lock.release();
    await expect(locks.acquire('k', { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' });
  });

  it.each<[name: string, owner: Partial<LockOwner>, minutes: number, free: boolean]>([
    ['a dead process here', { pid: dead }, 0, true],
    ['a process here that is busy', {}, 10, false],
    ['a process here that was silent for hours, as when ids were given anew', {}, 90, true],
    ['a process elsewhere', { pid: dead, host: 'elsewhere' }, 1, false],
    ['a process elsewhere that is silent', { host: 'elsewhere' }, 3, true],
  ])('of %s: free %4$s', async (_, owner, minutes, free) => {
    const root = folder();
    leave(root, owner, minutes);
    expect(await taken(root)).toBe(free);
    expect(existsSync(join(root, 'k.lock'))).toBe(!free);
  });

  it('that was not written in full is waited for, but not for long', async () => {
    const root = folder();
    for (const text of ['', '{"id":', 'null', '{"id":1}']) {
      leave(root, {}, 0, text);
      expect(await taken(root)).toBe(false);
      leave(root, {}, 1, text);
      expect(await taken(root)).toBe(true);
    }
  });

  it('of a dead process is taken over by one of many', async () => {
    const root = folder();
    const locks = new Locks(root);
    for (let round = 0; round < 10; round++) {
      leave(root, { pid: dead }, 0);
      let inside = 0;
      await Promise.all(
        Array.from({ length: 6 }, async () => {
          const lock = await locks.acquire('k');
          expect(++inside).toBe(1);
          await new Promise((resolve) => setTimeout(resolve, 1));
          inside--;
          await lock.release();
        }),
      );
    }
    expect(readdirSync(root)).toEqual([]);
  });

  it('that was taken over stays that of the new owner', async () => {
    const root = folder();
    const lock = await new Locks(root).acquire('k');
    leave(root, { id: 'new' }, 0);
    await lock.release();
    expect(JSON.parse(readFileSync(join(root, 'k.lock'), 'utf8'))).toMatchObject({ id: 'new' });
  });

  it('goes with its dead owner', async () => {
    const root = folder();
    leave(root, { pid: dead }, 0);
    writeFileSync(join(root, 'other'), '');
    await new Locks(root).clean();
    expect(readdirSync(root)).toEqual(['other']);
    await new Locks(join(root, 'nothing')).clean();
  });

  it('that cannot be written says so', async () => {
    const root = join(folder(), 'file');
    writeFileSync(root, '');
    expect(await failure(new Locks(root).acquire('k'))).toMatchObject({ code: 'ANNEAL_E_WRITE' });
  });
});
