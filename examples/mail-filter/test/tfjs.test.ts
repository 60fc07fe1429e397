import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import type { Report } from '@anneal/core';
import { afterAll, beforeAll, expect, it } from 'vitest';

const run = promisify(execFile);
const example = join(import.meta.dirname, '..');
const cli = join(example, '../../packages/cli/bin/anneal.js');

let folder = '';
let common: string[] = [];
let progress = '';

async function anneal(...args: readonly string[]): Promise<{ readonly stdout: string; readonly stderr: string }> {
  return run(process.execPath, [cli, ...args, ...common], { cwd: example, maxBuffer: 1 << 28 });
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'anneal-mail-filter-tfjs-'));
  const places = [`outDir=${join(folder, 'dist')}`, `cacheDir=${join(folder, 'cache')}`];
  common = ['--mode', 'subset', ...places.flatMap((override) => ['--set', override])];
  ({ stderr: progress } = await anneal('build', '--backend', 'tfjs', '--device', 'wasm'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Scores of every test row, by an emitted model. */
async function predictions(backend: string, variant: string): Promise<readonly (readonly number[])[]> {
  const file = join(folder, `${backend}-${variant}.jsonl`);
  const device = backend === 'tfjs' ? ['--device', 'wasm'] : [];
  await anneal('eval', '--backend', backend, ...device, '--variant', variant, '--predictions', file);
  const lines = (await readFile(file, 'utf8')).trim().split('\n');
  return lines.map((line) => (JSON.parse(line) as { outputs: { logits: number[] } }).outputs.logits);
}

it('trains, compresses, measures and audits on TensorFlow.js with the plugins as they are', async () => {
  const report = JSON.parse(await readFile(join(folder, 'dist/report.json'), 'utf8')) as Report;
  expect(report).toMatchObject({ environment: { backend: expect.stringContaining('tfjs 4.22.0') as string } });
  expect(progress).toMatch(/base/);
});

it.each([
  ['model', 1e-4],
  // The same codes, but an element between two of them may fall to either.
  ['model_quantized', 0.05],
] as const)('emits what ONNX Runtime computes the same: %s', async (variant, tolerance) => {
  const [tfjs, onnx] = [await predictions('tfjs', variant), await predictions('onnx', variant)];
  expect(tfjs.length).toBeGreaterThan(20);
  tfjs.forEach((row, i) => row.forEach((logit, j) => expect(Math.abs(logit - onnx[i]![j]!)).toBeLessThan(tolerance)));
});
