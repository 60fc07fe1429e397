import { mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { type CacheEntry, type CacheStore, openCache, type PhaseName, type UserConfig } from '@anneal/core';
import { describe, expect, it } from 'vitest';

import { lockRun } from '../../src/build/cache-store.ts';
import { Records } from '../../src/node/records.ts';
import { basePlugins, entriesOf, failure, listener, pipelineOf, project, rounding } from '../tiny/build.ts';

const PHASES = ['data', 'model', 'train', 'compress', 'evaluate'] as const;
const full = (more: UserConfig = {}): UserConfig => ({ plugins: [...basePlugins(), rounding()], ...more });
const cacheDirOf = (root: string): string => join(root, '.anneal', 'cache');
const storeOf = (root: string, maxBytes = 2 ** 40): CacheStore =>
  openCache({ cacheDir: cacheDirOf(root), cache: { maxBytes, remote: undefined } });

async function run(root: string, overrides: UserConfig) {
  const { onEvent, told } = listener();
  await (await pipelineOf(root, overrides)).run({ onEvent });
  return told();
}

/** Sets when entries were last used, in seconds from a common start; all long ago. */
function used(root: string, at: (phase: string, key: string) => number): void {
  for (const [phase, key] of entriesOf(cacheDirOf(root))) {
    const time = 1e9 + at(phase, key);
    utimesSync(join(cacheDirOf(root), phase, key), time, time);
  }
}
const sum = (entries: readonly CacheEntry[]): number => entries.reduce((total, { bytes }) => total + bytes, 0);

describe('the list of a cache', () => {
  it('has every result, with what is known of it', async () => {
    const root = project();
    expect(await storeOf(root).list()).toEqual([]);
    await run(root, full());
    used(root, (phase) => PHASES.indexOf(phase as never));
    const entries = await storeOf(root).list();
    // Last used first.
    expect(entries.map(({ phase }) => phase)).toEqual(PHASES.toReversed());
    for (const { key, stage, bytes, usedAt, seconds, inUse, phase } of entries) {
      expect([stage, inUse, usedAt.getTime()]).toEqual(['main', false, 1e12 + 1000 * PHASES.indexOf(phase as never)]);
      expect(key).toMatch(/^[0-9a-f]{64}$/);
      expect([bytes > 100, seconds! > 0]).toEqual([true, true]);
    }
  });

  it('has the checkpoint of a training that was stopped, until that is done', async () => {
    const root = project();
    const stop = new AbortController();
    const long = full({ train: { epochs: 100, saveSteps: 1 } });
    const pipeline = await pipelineOf(root, long);
    const onEvent = (event: { type: string }): void => {
      if (event.type === 'step') stop.abort();
    };
    expect(await failure(pipeline.run({ signal: stop.signal, onEvent }))).toMatchObject({ code: 'ANNEAL_E_ABORTED' });
    const checkpoint = (await storeOf(root).list()).find(({ phase }) => phase === 'checkpoint')!;
    const { key } = (await pipeline.plan()).find(({ phase }) => phase === 'train')!;
    expect(checkpoint).toMatchObject({ key: key.slice(0, 32), seconds: undefined, inUse: false });
    await pipeline.run();
    expect((await storeOf(root).list()).map(({ phase }) => phase).toSorted()).toEqual(PHASES.toSorted());
  });

  it('has nothing else that lies there', async () => {
    const root = project();
    await run(root, full());
    for (const name of ['notes', `.${'a'.repeat(64)}.1.0123abcd.tmp`]) mkdirSync(join(cacheDirOf(root), 'train', name));
    writeFileSync(join(cacheDirOf(root), 'checkpoints', 'notes.txt'), '');
    expect(await storeOf(root).list()).toHaveLength(PHASES.length);
  });
});

describe('the size limit of a cache', () => {
  it('removes what was not used for longest, and keeps the rest usable', async () => {
    const root = project();
    for (const seed of [1, 2, 3]) await run(root, full({ seed }));
    // The second is the oldest, then the first; the third is used every day.
    const keys = new Map<string, number>();
    for (const seed of [1, 2, 3]) {
      for (const { key } of await (await pipelineOf(root, full({ seed }))).plan())
        keys.set(key, [0, 20, 10, 30][seed]!);
    }
    used(root, (phase, key) => keys.get(key)! + PHASES.indexOf(phase as never));
    const before = await storeOf(root).list();
    const size = sum(before) / 3;
    const { removed, kept } = await storeOf(root, 1.5 * size).gc();
    expect(sum(kept)).toBeLessThanOrEqual(1.5 * size);
    expect(removed.length + kept.length).toBe(15);
    // Whatever is kept was used after all that was removed.
    const last = Math.max(...removed.map(({ usedAt }) => usedAt.getTime()));
    for (const { usedAt } of kept) expect(usedAt.getTime()).toBeGreaterThan(last);
    expect(
      entriesOf(cacheDirOf(root))
        .map(([, key]) => key)
        .toSorted(),
    ).toEqual(kept.map(({ key }) => key).toSorted());
    expect((await run(root, full({ seed: 3 }))).phases.slice(0, 5).every((phase) => phase.endsWith(' cached'))).toBe(
      true,
    );
    const again = await run(root, full({ seed: 2 }));
    expect([again.phases[0], again.warnings]).toEqual(['main.data', []]);
  });

  it('of the config holds after every build, but for what the build itself uses', async () => {
    const root = project();
    await run(root, full({ seed: 1 }));
    used(root, () => 0);
    const { events } = await run(root, full({ seed: 2, cache: { maxSize: '1 B' } }));
    const said = events.flatMap((event) => (event.type === 'log' ? [event.entry.message] : []));
    expect(said).toContainEqual(expect.stringMatching(/^removed 5 old results from the cache \([\d.]+\skB\)$/));
    const left = (await storeOf(root).list()).map(({ phase }) => phase as PhaseName);
    expect(left.toSorted()).toEqual(PHASES.toSorted());
    // A build that adds nothing removes nothing.
    used(root, () => 0);
    await run(root, full({ seed: 2, cache: { maxSize: 1 } }));
    expect(await storeOf(root).list()).toHaveLength(5);
  });

  it('waits for builds at work: what they may need stays', async () => {
    const root = project();
    await run(root, full({ seed: 1 }));
    used(root, () => 0);
    const lock = await lockRun(cacheDirOf(root), 'other');
    await run(root, full({ seed: 2 }));
    const entries = await storeOf(root).list();
    expect(entries.filter(({ inUse }) => inUse)).toHaveLength(5);
    expect((await storeOf(root).gc(0)).kept).toHaveLength(5);
    expect((await storeOf(root).clear()).removed).toEqual([]);
    await lock.release();
    expect(await storeOf(root).clear()).toMatchObject({ kept: [] });
    expect(await storeOf(root).list()).toEqual([]);
    expect(readdirSync(cacheDirOf(root))).not.toContain('records');
    await run(root, full({ seed: 2 }));
  });
});

describe('records', () => {
  it('are kept up to a number, the newest', async () => {
    const folder = join(project(), 'records');
    const records = new Records(folder);
    const key = (i: number): string => String(i).padStart(64, '0');
    for (let i = 0; i < 6; i++) {
      await records.write({ key: key(i), stage: 's', phase: 'data', after: [], parts: {}, at: i, seconds: 1 });
      utimesSync(join(folder, `${key(i)}.json`), i + 1, i + 1);
    }
    await records.prune(2);
    expect([...(await records.all()).keys()].toSorted()).toEqual([key(4), key(5)]);
    await records.prune();
    expect((await records.all()).size).toBe(2);
  });
});
