import { describe, expect, it } from 'vitest';
import { shorten } from '../src/index.ts';
import { createRandom } from './random.ts';

describe('shorten', () => {
  it('keeps the start, cut at a blank that is near', () => {
    expect(shorten('one two three four five', { maxLength: 20 })).toBe('one two three four');
    expect(shorten('x'.repeat(30), { maxLength: 20 })).toBe('x'.repeat(20));
  });

  it('keeps both ends', () => {
    const options = { maxLength: 23, keep: 'ends' } as const;
    expect(shorten('one two three four five six', options)).toBe('one two th\n…\nfive six');
    expect(shorten('123456789 abcdefghijklmnopq 123456789', options)).toBe('123456789\n…\n123456789');
    expect(shorten('x'.repeat(23), options)).toBe('x'.repeat(23));
  });

  it.each(['start', 'ends'] as const)('%s: stays within the length, cuts between characters, is idempotent', (keep) => {
    const random = createRandom(5);
    for (let round = 0; round < 2000; round++) {
      const options = { maxLength: 1 + random.int(40), keep };
      const text = Array.from({ length: random.int(80) }, () => random.pick(['a', ' ', '\n', '\u{1f600}', 'é'])).join(
        '',
      );
      const once = shorten(text, options);
      expect(once.length, JSON.stringify([options, text])).toBeLessThanOrEqual(options.maxLength);
      expect(shorten(once, options)).toBe(once);
      expect(once.replace(/[\ud800-\udbff][\udc00-\udfff]/g, '')).not.toMatch(/[\ud800-\udfff]/);
    }
  });
});
