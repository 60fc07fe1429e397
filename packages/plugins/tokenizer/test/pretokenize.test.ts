import { describe, expect, it } from 'vitest';

import { forEachWord, forEachWordOrDigit, GPT2_PATTERN } from '../src/bpe/pretokenize.ts';
import { random, randomText } from './random.ts';

/** The pattern as the reference reads it: `\s` is White_Space, which JavaScript's own is not. */
const reference = new RegExp(
  GPT2_PATTERN.replaceAll('[^\\s', '[^\\p{White_Space}')
    .replaceAll('\\s', '\\p{White_Space}')
    .replaceAll('\\S', '\\P{White_Space}'),
  'gu',
);

function words(text: string, split = forEachWord): string[] {
  const found: string[] = [];
  split(text, 0, text.length, (source, start, end) => void found.push(source.slice(start, end)));
  return found;
}

describe('forEachWord', () => {
  it('splits the examples of the GPT-2 pattern', () => {
    expect(words("Hello  world, it's 2024!\n\n  ok ")).toEqual([
      'Hello',
      ' ',
      ' world',
      ',',
      ' it',
      "'s",
      ' 2024',
      '!',
      '\n\n ',
      ' ok',
      ' ',
    ]);
  });

  it('splits 3,000 random texts as the regular expression does', () => {
    const next = random(1);
    for (let i = 0; i < 3000; i++) {
      const text = randomText(next, 30);
      expect(words(text)).toEqual(text.match(reference) ?? []);
    }
  });

  it('knows the class of every code point', () => {
    let text = '';
    for (let code = 0; code <= 0x10ffff; code += code < 0x20000 ? 1 : 97) {
      if (code < 0xd800 || code > 0xdfff) text += `${String.fromCodePoint(code)}a `;
    }
    expect(words(text)).toEqual(text.match(reference));
  });

  it('stops when told to', () => {
    const seen: string[] = [];
    const finished = forEachWord('a b c', 0, 5, (text, start, end) => {
      seen.push(text.slice(start, end));
      return seen.length < 2;
    });
    expect([finished, seen]).toEqual([false, ['a', ' b']]);
  });

  it('takes linear time on a megabyte of white space, quotes or one letter', () => {
    for (const piece of [' ', "'", 'a', '\ud800']) {
      const text = piece.repeat(1 << 20);
      const before = performance.now();
      expect(words(text).join('')).toBe(text);
      expect(performance.now() - before).toBeLessThan(2000);
    }
  });
});

describe('forEachWordOrDigit', () => {
  it('makes each numeric character a word', () => {
    expect(words('in 2024: ½ x٣y', forEachWordOrDigit)).toEqual([
      'in',
      ' ',
      '2',
      '0',
      '2',
      '4',
      ':',
      ' ',
      '½',
      ' x',
      '٣',
      'y',
    ]);
  });

  it('stops when told to, before and after a digit', () => {
    for (const [text, most] of [
      ['ab1c', 1],
      ['1bc', 1],
      ['12 c d', 3],
    ] as const) {
      let seen = 0;
      expect(forEachWordOrDigit(text, 0, text.length, () => ++seen < most)).toBe(false);
      expect(seen).toBe(most);
    }
  });
});
