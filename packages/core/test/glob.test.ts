import { seededRandom } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';

import { matchesGlob } from '../src/glob.ts';

describe('globs', () => {
  it.each([
    ['*lora_B*', 'model.layers.0.self_attn.q_proj.lora_B.weight', true],
    ['*lora_B*', 'model.layers.0.self_attn.q_proj.lora_A.weight', false],
    ['*.bias', 'classifier.bias', true],
    ['*.bias', 'classifier.bias_scale', false],
    ['classifier.*', 'classifier.weight', true],
    ['classifier.*', 'bert.classifier.weight', false],
    ['layers.?.weight', 'layers.3.weight', true],
    ['layers.?.weight', 'layers.13.weight', false],
    ['layers[0].(w+)', 'layers[0].(w+)', true],
    ['a.b', 'aXb', false],
    ['*', '', true],
    ['', '', true],
    ['', 'a', false],
    ['?', '', false],
  ])('%s, %s: %s', (glob, text, matches) => {
    expect(matchesGlob(glob, text)).toBe(matches);
  });

  it('match as regular expressions do', () => {
    const next = seededRandom(3);
    const word = (letters: string, longest: number): string =>
      Array.from(
        { length: Math.floor(next() * (longest + 1)) },
        () => letters[Math.floor(next() * letters.length)],
      ).join('');
    const seen = { true: 0, false: 0 };
    for (let round = 0; round < 20_000; round++) {
      const [glob, text] = [word('ab.*?*', 7), word('ab.', 8)];
      const wanted = new RegExp(`^${glob.replaceAll('.', '[.]').replaceAll('*', '.*').replaceAll('?', '.')}$`).test(
        text,
      );
      expect(matchesGlob(glob, text), `${glob} ${text}`).toBe(wanted);
      seen[`${wanted}`]++;
    }
    expect(Math.min(seen.true, seen.false)).toBeGreaterThan(1000);
  });

  it('take no exponential time', () => {
    expect(matchesGlob(`${'*a'.repeat(200)}b`, 'a'.repeat(5000))).toBe(false);
  });
});
