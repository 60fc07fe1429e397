import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { physicalCores } from '../src/threads.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** A folder like /sys/devices/system/cpu: for each logical core, those that share its physical core. */
function topology(siblings: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'anneal-topology-'));
  folders.push(folder);
  mkdirSync(join(folder, 'cpufreq'));
  siblings.forEach((list, i) => {
    mkdirSync(join(folder, `cpu${i}`, 'topology'), { recursive: true });
    writeFileSync(join(folder, `cpu${i}`, 'topology', 'thread_siblings_list'), `${list}\n`);
  });
  return folder;
}

const available = availableParallelism();

it.skipIf(process.platform === 'darwin')('counts cores, not their threads', () => {
  expect(physicalCores(topology(['0-1', '0-1']))).toBe(1);
  expect(physicalCores(topology(['0', '1', '2', '3']))).toBe(Math.min(4, available));
  expect(physicalCores(topology(['0,2', '1,3', '0,2', '1,3']))).toBe(Math.min(2, available));
});

it.skipIf(process.platform === 'darwin')('leaves it to the runtime when the system does not tell', () => {
  expect(physicalCores(topology([]))).toBeUndefined();
  expect(physicalCores(join(tmpdir(), 'not', 'there'))).toBeUndefined();
});
