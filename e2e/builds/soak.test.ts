import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

import { seededRandom } from '@anneal/testkit';
import { expect, it } from 'vitest';

import { anneal, project, resultOf, warningsOf } from './project.ts';
import { leftovers } from './job.ts';

const setting = (name: string, fallback: number): number => Number(process.env[name] ?? fallback);
const KILLS = setting('ANNEAL_SOAK_KILLS', 50);
const SEED = setting('ANNEAL_SOAK_SEED', 1);

/** Everything below a project that is not the project. */
const made = (root: string): readonly string[] =>
  readdirSync(root).filter(
    (name) => !['anneal.config.mjs', 'lib', 'node_modules', 'package.json', 'plugins', 'points.json'].includes(name),
  );

it(`a build that is killed at any moment ends, after running again, with the same bytes (${KILLS} kills)`, async () => {
  const whole = project();
  const start = performance.now();
  const { code, stderr } = await anneal(whole, ['build']).ended;
  expect([code, stderr]).toEqual([0, '']);
  const length = performance.now() - start;
  const wanted = resultOf(whole);
  expect([...wanted.keys()]).toEqual(['config.json', 'onnx/model.onnx', 'onnx/model_rounded.onnx']);

  const root = project();
  const next = seededRandom(SEED);
  let [kills, finished, resumed] = [0, 0, 0];
  while (kills < KILLS || finished === 0) {
    const { child, ended } = anneal(root, ['build']);
    // The last one is let to its end.
    const timer = kills < KILLS ? setTimeout(() => child.kill('SIGKILL'), next() * length) : undefined;
    const { signal, lines, code: exit, stderr: errors } = await ended;
    clearTimeout(timer);
    expect([warningsOf(lines), errors]).toEqual([[], '']);
    resumed += lines.filter(({ entry }) => entry?.message.startsWith('resuming at step') === true).length;
    if (signal === 'SIGKILL') {
      kills++;
      continue;
    }
    expect(exit).toBe(0);
    expect(resultOf(root)).toEqual(wanted);
    // What the killed ones left is gone as well.
    expect(made(root).toSorted()).toEqual(['.anneal', 'dist']);
    const cache = join(root, '.anneal', 'cache');
    expect([leftovers(cache), readdirSync(join(cache, 'checkpoints'))]).toEqual([[], []]);
    finished++;
    for (const name of made(root)) rmSync(join(root, name), { recursive: true });
  }
  // Some were killed in the middle of a training that the next went on with.
  if (KILLS >= 20) expect(resumed).toBeGreaterThan(0);
});
