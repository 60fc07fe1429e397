import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, describe, expect, it } from 'vitest';

import { folder, leftovers, modelsOf, runJob } from './job.ts';

const mounted: string[] = [];
/** A file system of so many KiB; `undefined` where this user may not mount one. */
function smallDisk(kilobytes: number): string | undefined {
  const path = join(folder(), 'disk');
  mkdirSync(path);
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${kilobytes}k`, 'tmpfs', path], {
    stdio: 'ignore',
  });
  if (status !== 0) return undefined;
  mounted.push(path);
  return path;
}
const resize = (path: string, kilobytes: number): void => {
  execFileSync('mount', ['-o', `remount,size=${kilobytes}k`, path]);
};
afterAll(() => {
  for (const path of mounted) spawnSync('umount', [path]);
});
const possible = smallDisk(64) !== undefined;

// Mounting takes root; the unit tests do the same with a file system that only says it is full.
describe.skipIf(!possible)('a disk that is really full (skipped where mounting is not allowed)', () => {
  it('ends in one error, leaves no half entry, and the next run goes on', async () => {
    const alone = folder();
    await runJob({ root: alone });
    const cacheDir = smallDisk(4)!;
    const root = folder();
    let failures = 0;
    for (let kilobytes = 4; ; kilobytes += 40) {
      resize(cacheDir, kilobytes);
      const { code, lines, stderr } = await runJob({ root, cacheDir });
      expect(stderr).toBe('');
      expect(leftovers(cacheDir)).toEqual([]);
      if (code === 0) break;
      failures++;
      expect(lines.at(-1)).toMatchObject({
        error: 'ANNEAL_E_WRITE',
        message: expect.stringMatching(/^cannot write ".*": the disk is full$/),
      });
      expect(lines.filter(({ level }) => level === 'warn')).toEqual([]);
    }
    expect(failures).toBeGreaterThan(3);
    expect(modelsOf(root)).toEqual(modelsOf(alone));
  });
});
