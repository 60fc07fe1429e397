import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { env, pipeline } from '@huggingface/transformers';
import type { Report } from '@anneal/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);
const example = join(import.meta.dirname, '..');
const cli = join(example, '../../packages/cli/bin/anneal.js');

interface Predicted {
  readonly text: string;
  readonly outputs: { readonly logits: readonly [ham: number, spam: number] };
}

/** The real job on fewer training mails: what is tested is the way, not the quality. */
const SMALLER = [
  'stages.base.data.limit=480',
  'stages.adapt.data.limit=480',
  'train.batchSize=16',
  'stages.base.train.epochs=4',
  'stages.adapt.train.epochs=2',
  'gates={}',
];

function probabilities([ham, spam]: readonly [number, number]): Readonly<Record<string, number>> {
  const p = 1 / (1 + Math.exp(ham - spam));
  return { ham: 1 - p, spam: p };
}

let folder = '';
let common: string[] = [];

async function anneal(...args: readonly string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [cli, ...args, ...common], { cwd: example, maxBuffer: 1 << 28 });
  return stdout;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'anneal-mail-filter-'));
  const places = [`outDir=${join(folder, 'dist')}`, `cacheDir=${join(folder, 'cache')}`];
  common = [...SMALLER, ...places].flatMap((override) => ['--set', override]);
  await anneal('build');
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('the built folder', () => {
  it.each([
    ['model', 'fp32', 1e-4],
    // The same integer kernels run, but quantization steps may fall on either side of a rounding boundary.
    ['model_quantized', 'q8', 2e-2],
  ] as const)('gives transformers.js the probabilities of `anneal eval`: %s', async (variant, dtype, tolerance) => {
    const file = join(folder, `${variant}.jsonl`);
    await anneal('eval', '--variant', variant, '--predictions', file);
    const lines = (await readFile(file, 'utf8')).trim().split('\n');
    // From both ends: the rows come group by group.
    const some = [...lines.slice(0, 30), ...lines.slice(-30)];
    const predicted = some.map((line) => JSON.parse(line) as Predicted);
    expect(predicted.length).toBe(60);
    env.allowRemoteModels = false;
    env.localModelPath = folder;
    const classify = await pipeline('text-classification', 'dist', { dtype, local_files_only: true });
    const seen = new Set<string>();
    for (const { text, outputs } of predicted) {
      const scores = (await classify(text, { top_k: null })) as { label: string; score: number }[];
      const ours = probabilities(outputs.logits);
      for (const { label, score } of scores) expect(Math.abs(score - (ours[label] as number))).toBeLessThan(tolerance);
      const best = (ours['spam'] as number) > 0.5 ? 'spam' : 'ham';
      // On the boundary the tolerance decides.
      if (Math.abs((ours['spam'] as number) - 0.5) > tolerance) expect(scores[0]?.label).toBe(best);
      seen.add(best);
    }
    await classify.dispose();
    expect([...seen].toSorted()).toEqual(['ham', 'spam']);
  });

  it('has the report, the adapter and the card', async () => {
    const report = JSON.parse(await readFile(join(folder, 'dist/report.json'), 'utf8')) as Report;
    for (const variant of [report.metrics.before, report.metrics.after]) {
      for (const name of ['accuracy', 'precision', 'recall', 'f1', 'auroc', 'ece']) {
        const metric = variant?.[name];
        expect(metric).toMatchObject({ value: expect.any(Number), ci95: [expect.any(Number), expect.any(Number)] });
      }
      for (const name of ['latencyMsP50', 'latencyMsP95', 'throughput', 'bytes', 'peakRssMb']) {
        expect(variant?.[name]).toBeGreaterThan(0);
      }
    }
    expect(report.train.map(({ stage }) => stage)).toEqual(['base', 'adapt']);
    expect(report.data?.rowsIn).toBe(6046);
    expect(Object.keys(report.baseline)).toContain('tfidf-logreg');
    for (const file of [
      'report.html',
      'README.md',
      'config.json',
      'adapter/adapter_model.safetensors',
      'adapter/adapter_config.json',
    ]) {
      expect((await stat(join(folder, 'dist', file))).size).toBeGreaterThan(100);
    }
  });

  it('comes from the cache the second time', async () => {
    const start = performance.now();
    const events = (await anneal('build', '--json'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type?: string; cached?: boolean });
    expect(performance.now() - start).toBeLessThan(20_000);
    const ends = events.filter(({ type }) => type === 'phase-end');
    expect(ends.length).toBeGreaterThan(8);
    expect(ends.every(({ cached }) => cached)).toBe(true);
  });
});
