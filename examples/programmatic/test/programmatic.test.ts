import { join } from 'node:path';

import { createPipeline, loadConfig, type PlanEntry, type RunEvent } from '@anneal/core';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { config } from '../build.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'anneal-programmatic-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

it('plans the same phases with the same plugins as the config file', async () => {
  const plain = (entries: readonly PlanEntry[]): unknown =>
    entries.map(({ stage, phase, plugins }) => ({ stage, phase, plugins }));
  await using program = await createPipeline(config, { root: join(import.meta.dirname, '..') });
  await using file = await createPipeline(await loadConfig({ cwd: join(import.meta.dirname, '../../mail-filter') }));
  expect(plain(await program.plan())).toEqual(plain(await file.plan()));
});

it('runs, on few mails, and tells what it does', async () => {
  const events: RunEvent[] = [];
  const small = (stage: 'base' | 'adapt') => {
    const found = config.stages?.[stage];
    return {
      ...found,
      data: { ...found?.data, limit: 96 },
      train: { ...(found?.train === false ? undefined : found?.train), epochs: 1 },
    };
  };
  await using pipeline = await createPipeline(
    {
      ...config,
      stages: { base: small('base'), adapt: small('adapt') },
      gates: { 'size.ratio': '<= 0.35' },
      outDir: join(folder, 'dist'),
      cacheDir: join(folder, 'cache'),
    },
    { root: join(import.meta.dirname, '..') },
  );
  const { report, accepted, outDir } = await pipeline.run({ onEvent: (event) => events.push(event) });
  expect(outDir).toBe(join(folder, 'dist'));
  expect(accepted).toBe(true);
  expect(report.gates).toMatchObject([{ metric: 'size.ratio', passed: true }]);
  expect(new Set(events.map(({ type }) => type))).toEqual(
    new Set(['phase-start', 'phase-end', 'progress', 'log', 'step', 'metrics']),
  );
});
