import { readdirSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { folder, leftovers, modelsOf, runJob } from './job.ts';

describe('builds at the same time in one folder', () => {
  it('all end with the bytes of one alone', async () => {
    const alone = folder();
    await runJob({ root: alone });
    const root = folder();
    for (let round = 0; round < 2; round++) {
      // The later ones begin while the first is at work, at another point each time.
      const results = await Promise.all(
        [0, 0, 150, 400].map(async (delay) => {
          await new Promise((resolve) => setTimeout(resolve, delay));
          return runJob({ root, cacheDir: `cache-${round}` });
        }),
      );
      for (const { code, lines, stderr } of results) {
        expect(lines.filter(({ level, error }) => level === 'warn' || error !== undefined)).toEqual([]);
        expect([code, stderr]).toEqual([0, '']);
      }
      expect(modelsOf(root)).toEqual(modelsOf(alone));
      // Nothing was done twice: of every phase one has made the result, and the others have waited for it.
      const made = results.flatMap(({ lines }) =>
        lines.flatMap(({ phase, cached }) => (phase && !cached ? [phase] : [])),
      );
      // The output folder is that of the first round.
      const emit = round === 0 ? ['emit'] : [];
      expect(made.toSorted()).toEqual(['compress', 'data', ...emit, 'evaluate', 'model', 'train']);
      expect(leftovers(join(root, `cache-${round}`))).toEqual([]);
      const { lines } = await runJob({ root, cacheDir: `cache-${round}` });
      expect(lines.filter(({ phase }) => phase !== undefined).every(({ cached }) => cached)).toBe(true);
    }
    expect(readdirSync(root).toSorted()).toEqual(['cache-0', 'cache-1', 'dist']);
  });
});
