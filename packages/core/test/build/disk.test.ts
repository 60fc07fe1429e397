import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { RunEvent, UserConfig } from '@anneal/core';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { Cache } from '../../src/node/cache.ts';
import { createLogger } from '../../src/observe/logger.ts';
import {
  basePlugins,
  copying,
  entriesOf,
  failure,
  filesOf,
  listener,
  pipelineOf,
  project,
  rounding,
} from '../tiny/build.ts';

/** A disk with so many bytes left; `Infinity` counts what is written and refuses nothing. */
const disk = vi.hoisted(() => ({ left: Number.POSITIVE_INFINITY, written: 0 }));

/** Node's file system on that disk: what does not fit is written in part, and then refused, as a real one does. */
vi.mock(import('node:fs/promises'), async (load) => {
  const real = await load();
  const full = (): Error => Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  const sizeOf = (data: unknown): number =>
    typeof data === 'string' ? Buffer.byteLength(data) : (data as Uint8Array).byteLength;
  const take = (size: number): number => {
    const fits = Math.min(size, disk.left);
    disk.left -= fits;
    disk.written += fits;
    return fits;
  };
  const writeFile = async (path: string, data: string | Uint8Array): Promise<void> => {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    const fits = take(bytes.byteLength);
    await real.writeFile(path, bytes.subarray(0, fits));
    if (fits < bytes.byteLength) throw full();
  };
  const open = async (...args: Parameters<typeof real.open>): ReturnType<typeof real.open> => {
    const handle = await real.open(...args);
    const write = handle.write.bind(handle) as (...rest: unknown[]) => Promise<{ bytesWritten: number }>;
    const limited = async (data: unknown, offset = 0, length = sizeOf(data) - offset, ...rest: unknown[]) => {
      const fits = take(length);
      if (fits === 0 && length > 0) throw full();
      return write(data, offset, fits, ...rest);
    };
    return new Proxy(handle, {
      get: (target, name) => {
        if (name === 'write') return limited;
        const value = Reflect.get(target, name, target) as unknown;
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  };
  const mkdir = ((...args: Parameters<typeof real.mkdir>) => real.mkdir(...args)) as typeof real.mkdir;
  return { ...real, writeFile: writeFile as typeof real.writeFile, open, mkdir };
});

afterEach(() => {
  disk.left = Number.POSITIVE_INFINITY;
  disk.written = 0;
});

const overrides = (): UserConfig => ({ plugins: [...basePlugins(), copying({}), rounding()], train: { saveSteps: 1 } });
const build = async (root: string, more: UserConfig = {}, onEvent?: (event: RunEvent) => void): Promise<void> => {
  await (await pipelineOf(root, { ...overrides(), ...more })).run({ onEvent });
};
const models = (root: string): unknown[] =>
  ['model.onnx', 'model_rounded.onnx'].map((name) => readFileSync(join(root, 'dist', 'onnx', name), 'latin1'));

/** Every entry of the cache is complete, and nothing lies beside the entries. */
async function expectWhole(root: string): Promise<void> {
  const cacheDir = join(root, '.anneal', 'cache');
  const damaged: string[] = [];
  const cache = new Cache(
    cacheDir,
    createLogger(({ message }) => damaged.push(message)),
  );
  for (const [phase, key] of entriesOf(cacheDir)) expect(await cache.open(phase, key)).toBeDefined();
  expect(damaged).toEqual([]);
  expect(readdirSync(root).filter((name) => name !== 'dist' && name !== '.anneal')).toEqual([]);
}

const PHASES = ['data', 'model', 'train', 'compress', 'evaluate', 'emit'] as const;
/** Bytes that each phase writes, and what comes out. */
let whole: { readonly needed: ReadonlyMap<string, number>; readonly models: unknown } | undefined;
async function wholeBuild(): Promise<NonNullable<typeof whole>> {
  if (whole !== undefined) return whole;
  const root = project();
  const needed = new Map<string, number>();
  await build(root, {}, (event) => {
    if (event.type === 'phase-start') disk.written = 0;
    if (event.type === 'phase-end') needed.set(event.phase, disk.written);
  });
  whole = { needed, models: models(root) };
  return whole;
}

describe('a full disk', () => {
  const places = new Set<string>();

  it.each(PHASES)(
    'in %s, at its first byte or its last, ends in one error, and the next run goes on',
    async (phase) => {
      const { needed, models: wanted } = await wholeBuild();
      const bytes = needed.get(phase)!;
      // Times have more digits in one run than in another, and are written into charts as well.
      for (const room of [0, Math.floor(bytes * 0.5), Math.floor(bytes * 0.9)]) {
        const root = project();
        const onEvent = (event: RunEvent): void => {
          if (event.type === 'phase-start' && event.phase === phase) disk.left = room;
        };
        const error = await failure(build(root, {}, onEvent));
        disk.left = Number.POSITIVE_INFINITY;
        expect(error).toMatchObject({
          code: 'ANNEAL_E_WRITE',
          message: expect.stringMatching(/^cannot write ".*": the disk is full$/),
          fix: 'free some space and run again: what was finished is in the cache',
        });
        places.add(
          error
            .file!.slice(root.length + 1)
            .split('/')
            .slice(0, 3)
            .join('/')
            .replace(/\.measure\..*$/, 'measured'),
        );
        await expectWhole(root);
        expect(existsSync(join(root, 'dist'))).toBe(false);
        if (room === 0) continue;
        await build(root);
        expect(models(root)).toEqual(wanted);
      }
    },
  );

  it('was met in all these places', () => {
    // Which write of a phase is the one that finds no room depends on sizes; these are hit whatever they are.
    const phases = ['checkpoints', 'compress', 'data', 'measured', 'model'];
    expect([...places]).toEqual(expect.arrayContaining([...phases.map((phase) => `.anneal/cache/${phase}`), 'dist']));
  });

  it('leaves the result of the build before', async () => {
    const root = project();
    await build(root);
    const before = filesOf(join(root, 'dist'));
    disk.left = 5000;
    const error = await failure(build(root, { name: 'other' }));
    expect(error).toMatchObject({ code: 'ANNEAL_E_WRITE', file: join(root, 'dist') });
    disk.left = Number.POSITIVE_INFINITY;
    expect(filesOf(join(root, 'dist'))).toEqual(before);
    await expectWhole(root);
  });
});

/** Runs as a user whom permissions concern: root is above them. */
async function asUser<T>(work: () => Promise<T>): Promise<T> {
  const isRoot = process.getuid?.() === 0;
  if (isRoot) process.seteuid?.(65534);
  try {
    return await work();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}

describe.skipIf(process.platform === 'win32')('a folder without permission', () => {
  it('for the cache is told before any work', async () => {
    const root = project();
    const pipeline = await pipelineOf(root, overrides());
    chmodSync(join(root, '..'), 0o755);
    chmodSync(root, 0o555);
    const { onEvent, told } = listener();
    const error = await asUser(() => failure(pipeline.run({ onEvent })));
    chmodSync(root, 0o755);
    expect(error).toMatchObject({
      code: 'ANNEAL_E_WRITE',
      message: `cannot write "${join(root, '.anneal', 'cache')}": permission denied`,
      fix: 'make the folder writable, or choose another with `outDir` or `cacheDir`',
    });
    expect(told().phases).toEqual([]);
  });

  it('for an existing cache, too', async () => {
    const root = project();
    await build(root);
    const cacheDir = join(root, '.anneal', 'cache');
    for (const path of [join(root, '..'), root]) chmodSync(path, 0o755);
    chmodSync(cacheDir, 0o555);
    const pipeline = await pipelineOf(root, overrides());
    expect(await asUser(() => failure(pipeline.run()))).toMatchObject({ code: 'ANNEAL_E_WRITE', file: cacheDir });
    chmodSync(cacheDir, 0o755);
  });
});

describe('a cache folder that is a file', () => {
  it('is told before any work', async () => {
    const root = project();
    writeFileSync(join(root, 'cache'), '');
    expect(await failure(build(root, { cacheDir: 'cache' }))).toMatchObject({
      code: 'ANNEAL_E_CACHE',
      path: ['cacheDir'],
      message: expect.stringContaining('is a file'),
    });
  });
});
