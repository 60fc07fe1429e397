import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { UserConfig } from '@anneal/core';
import { describe, expect, it } from 'vitest';

import { digestFile } from '../../src/node/hash.ts';
import {
  basePlugins,
  copying,
  filesOf,
  folder,
  inline,
  listener,
  pipelineOf,
  project,
  rounding,
} from '../tiny/build.ts';

const PHASES = ['data', 'model', 'train', 'compress', 'evaluate'] as const;
const FOLDERS = [...PHASES, 'checkpoints', 'locks', 'records'].toSorted();
const full = (): UserConfig => ({ plugins: [...basePlugins(), copying({}), rounding()] });

/** Emitted files without those that hold times. */
export function resultOf(root: string): ReadonlyMap<string, string> {
  const timed = new Set(['report.json', 'report.html', 'README.md', '.anneal.json']);
  return new Map([...filesOf(join(root, 'dist'))].filter(([name]) => !timed.has(name)));
}

async function run(root: string, overrides: UserConfig = full(), options: { force?: boolean } = {}) {
  const { onEvent, told } = listener();
  const pipeline = await pipelineOf(root, overrides);
  const result = await pipeline.run({ ...options, onEvent });
  await pipeline.close();
  return { ...told(), result };
}

/** The one entry of a phase. */
function entryOf(root: string, phase: string): string {
  const folders = readdirSync(join(root, '.anneal', 'cache', phase));
  expect(folders).toHaveLength(1);
  return join(root, '.anneal', 'cache', phase, folders[0]!);
}

const all = (cached: boolean): string[] =>
  [...PHASES, 'emit'].map((phase) => `main.${phase}${cached ? ' cached' : ''}`);

describe('a second run', () => {
  it('comes from the cache, with the same report', async () => {
    const root = project();
    const first = await run(root);
    expect(first.phases).toEqual(all(false));
    const second = await run(root);
    expect(second.phases).toEqual(all(true));
    expect(second.warnings).toEqual([]);
    expect(second.result).toEqual(JSON.parse(JSON.stringify(first.result)));
    expect(second.result.outDir).toBe(join(root, 'dist'));
  });

  it('makes all anew when told so, and then the new results are cached', async () => {
    const root = project();
    await run(root);
    const before = resultOf(root);
    expect((await run(root, full(), { force: true })).phases).toEqual(all(false));
    expect(resultOf(root)).toEqual(before);
    expect((await run(root)).phases).toEqual(all(true));
  });

  it('writes the result again when it is gone, or another build was there in between', async () => {
    const root = project();
    await run(root);
    const before = resultOf(root);
    rmSync(join(root, 'dist'), { recursive: true });
    expect((await run(root)).phases).toEqual([...all(true).slice(0, -1), 'main.emit']);
    expect(resultOf(root)).toEqual(before);
    await run(root, { ...full(), name: 'other' });
    expect((await run(root)).phases.at(-1)).toBe('main.emit');
    // A file that is missing, and a report that is no JSON any more.
    rmSync(join(root, 'dist', 'config.json'));
    expect((await run(root)).phases.at(-1)).toBe('main.emit');
    const report = readFileSync(join(root, 'dist', 'report.json'), 'utf8');
    writeFileSync(join(root, 'dist', 'report.json'), report.replace('{', '['));
    expect((await run(root)).phases.at(-1)).toBe('main.emit');
    expect(resultOf(root)).toEqual(before);
  });

  it('with another option of a compress plugin starts at compress', async () => {
    const root = project();
    await run(root);
    const other = { plugins: [...basePlugins(), copying({}), rounding({ digits: 3 })] };
    expect((await run(root, other)).phases).toEqual([...all(true).slice(0, 3), ...all(false).slice(3)]);
  });
});

describe('a damaged entry', () => {
  const damages: Readonly<Record<string, (file: string) => void>> = {
    'a changed byte': (file) => {
      const bytes = readFileSync(file);
      bytes[bytes.length >> 1]! ^= 1;
      writeFileSync(file, bytes);
    },
    'a file cut short': (file) => truncateSync(file, 1),
    'a missing file': (file) => rmSync(file),
  };

  it.each(Object.entries(damages))('of any phase: %s is said once and made again', async (_, damage) => {
    const root = project();
    await run(root);
    const before = resultOf(root);
    for (const phase of PHASES) {
      const entry = entryOf(root, phase);
      const files = readdirSync(entry).filter((name) => name !== 'manifest.json');
      damage(join(entry, files.at(-1)!));
      // Without the result, every phase is looked at.
      rmSync(join(root, 'dist'), { recursive: true });
      const { phases, warnings } = await run(root);
      expect(warnings).toHaveLength(1);
      expect(warnings[0]).toContain(`The cached result of phase ${phase} is damaged`);
      expect(phases).toEqual([...PHASES.map((each) => `main.${each}${each === phase ? '' : ' cached'}`), 'main.emit']);
      expect(resultOf(root)).toEqual(before);
    }
    const { phases, warnings } = await run(root);
    expect([phases, warnings]).toEqual([all(true), []]);
  });
});

describe('artifacts', () => {
  const writing = (log: string[]) =>
    inline('writing', ({ hooks }) => {
      hooks.data.afterDataset.tap((_, { run: { artifacts } }) => artifacts.setJson('vocabulary.json', ['a']));
      hooks.model.afterModel.tap((_, { run: { artifacts } }) => artifacts.setJson('vocabulary.json', ['a', 'b']));
      hooks.train.beforeTrain.tap(({ run: { artifacts } }) => artifacts.set('deep/state.bin', Uint8Array.of(1, 2)));
      hooks.emit.emit.tap(({ run: { artifacts } }) => {
        log.push(artifacts.text('vocabulary.json'), [...artifacts.get('deep/state.bin')].join());
      });
    });

  it('come back from the cache as the last phase left them', async () => {
    const root = project();
    const log: string[] = [];
    const overrides = { plugins: [...basePlugins(), writing(log)({})] };
    await run(root, overrides);
    rmSync(join(root, 'dist'), { recursive: true });
    const { phases } = await run(root, overrides);
    expect(phases.slice(0, -1)).toEqual(all(true).slice(0, -1));
    expect(log).toEqual(['["a","b"]', '1,2', '["a","b"]', '1,2']);
  });
});

describe('two stages', () => {
  const stages = { base: {}, adapt: { from: 'base', train: { epochs: 1 } } };

  it('share their data, and the later goes on from the weights of the earlier', async () => {
    const root = project();
    const { phases, result } = await run(root, { stages });
    expect(phases).toEqual([
      'base.data',
      'base.model',
      'base.train',
      'adapt.data cached',
      'adapt.model',
      'adapt.train',
      'adapt.compress',
      'adapt.evaluate',
      'adapt.emit',
    ]);
    expect(result.report.train.map(({ stage, steps }) => [stage, steps])).toEqual([
      ['base', 6],
      ['adapt', 3],
    ]);
    const longer = await run(root, { stages: { ...stages, adapt: { ...stages.adapt, train: { epochs: 2 } } } });
    expect(longer.phases.slice(0, 5).every((phase) => phase.endsWith(' cached'))).toBe(true);
    expect(longer.phases.slice(5)).toEqual(['adapt.train', 'adapt.compress', 'adapt.evaluate', 'adapt.emit']);
  });
});

describe('checkpoints', () => {
  it('are gone when the training is in the cache', async () => {
    const root = project();
    await run(root);
    expect(readdirSync(join(root, '.anneal', 'cache', 'checkpoints'))).toEqual([]);
  });
});

describe('the files of a build', () => {
  it('all lie in the output folder and in the cache', async () => {
    const root = project();
    await run(root);
    const outside = readdirSync(join(root, '..'));
    expect(outside).toEqual(['project']);
    expect(readdirSync(root).toSorted()).toEqual(['.anneal', 'dist']);
    expect(readdirSync(join(root, '.anneal', 'cache')).toSorted()).toEqual(FOLDERS);
  });

  it('may lie anywhere', async () => {
    const root = project();
    const [outDir, cacheDir] = [join(folder(), 'out', 'model'), join(folder(), 'cache')];
    await run(root, { ...full(), outDir, cacheDir });
    expect(readdirSync(root)).toEqual([]);
    expect(existsSync(join(outDir, 'onnx', 'model_rounded.onnx'))).toBe(true);
    expect(readdirSync(cacheDir).toSorted()).toEqual(FOLDERS);
  });

  it('are the same on every run from nothing', async () => {
    const roots = [project(), project()];
    for (const root of roots) await run(root);
    const [a, b] = roots.map(resultOf);
    expect(a).toEqual(b);
    expect([...a!.keys()]).toEqual(['config.json', 'onnx/model.onnx', 'onnx/model_rounded.onnx']);
    const digests = roots.map((root) => digestFile(join(root, 'dist', 'onnx', 'model.onnx')));
    expect(new Set(await Promise.all(digests)).size).toBe(1);
  });
});
