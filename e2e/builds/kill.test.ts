import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { seededRandom } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';

import { folder, type JobOptions, type Line, modelsOf, runJob } from './job.ts';

const job = (root: string): JobOptions => ({ root, epochs: 60, saveSteps: 25 });

const resumedAt = (lines: readonly Line[]): readonly number[] =>
  lines.flatMap(({ log }) => {
    const step = /^resuming at step (\d+)/.exec(log ?? '')?.[1];
    return step === undefined ? [] : [Number(step)];
  });

describe('a training on ONNX Runtime', () => {
  it('that is killed again and again ends with the same bytes', async () => {
    const whole = folder();
    expect(await runJob(job(whole))).toMatchObject({ code: 0, stderr: '' });

    const root = folder();
    const next = seededRandom(Date.now());
    const resumed: number[] = [];
    for (let kill = 0; kill < 5; kill++) {
      // At no step in particular, and between two of them: the process does not know.
      const steps = 1 + Math.floor(next() * 200);
      const delay = next() * 20;
      let seen = 0;
      const { signal, lines } = await runJob(job(root), (line, child) => {
        if (line.step !== undefined && ++seen === steps) setTimeout(() => child.kill('SIGKILL'), delay);
      });
      expect(signal).toBe('SIGKILL');
      expect(existsSync(join(root, 'dist'))).toBe(false);
      expect(lines.filter(({ level }) => level === 'warn')).toEqual([]);
      resumed.push(...resumedAt(lines));
    }
    const { code, lines, stderr } = await runJob(job(root));
    expect([code, stderr]).toEqual([0, '']);
    resumed.push(...resumedAt(lines));
    // Checkpoints are made every 25 steps, and none is lost.
    expect(resumed.at(-1)).toBeGreaterThan(0);
    expect(resumed).toEqual(resumed.toSorted((a, b) => a - b));
    expect(modelsOf(root)).toEqual(modelsOf(whole));
  });
});
