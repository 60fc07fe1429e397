import { describe, expect, it } from 'vitest';

import { philox, random } from '../src/random.ts';

describe('philox', () => {
  // Known answers published with Random123 (kat_vectors, philox4x32 10).
  it.each([
    [
      [0, 0, 0, 0],
      [0, 0],
      ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8'],
    ],
    [
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      ['408f276d', '41c83b0e', 'a20bc7c6', '6d5451fd'],
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      ['d16cfe09', '94fdcceb', '5001e420', '24126ea1'],
    ],
  ] as [[number, number, number, number], [number, number], string[]][])(
    'gives the known answer for counter %j',
    (counter, key, expected) => {
      const out = new Uint32Array(4);
      philox(counter, key, out, 0);
      expect(Array.from(out, (word) => word.toString(16).padStart(8, '0'))).toEqual(expected);
    },
  );
});

describe('random', () => {
  it('repeats a stream for the same seed and keys, and only for them', () => {
    expect(random(1, 'a', 2).words(5)).toEqual(random(1, 'a', 2).words(5));
    expect(random(1, 'a', 2).words(5)).not.toEqual(random(1, 'a', 3).words(5));
    expect(random(1, 'a', 2).words(5)).not.toEqual(random(2, 'a', 2).words(5));
  });

  it('continues a stream', () => {
    const [whole, parts] = [random(3).words(8), random(3)];
    expect([...parts.words(4), ...parts.words(4)]).toEqual([...whole]);
  });

  it('draws with the right moments', () => {
    const uniform = random(5).uniform(20000, { min: -1, max: 3 });
    expect(Math.min(...uniform)).toBeGreaterThanOrEqual(-1);
    expect(Math.max(...uniform)).toBeLessThan(3);
    expect(uniform.reduce((a, b) => a + b) / 20000).toBeCloseTo(1, 1);
    const normal = random(6).normal(20001, { mean: 2, std: 0.5 });
    const mean = normal.reduce((a, b) => a + b) / normal.length;
    const variance = normal.reduce((a, b) => a + (b - mean) ** 2, 0) / normal.length;
    expect(mean).toBeCloseTo(2, 1);
    expect(Math.sqrt(variance)).toBeCloseTo(0.5, 2);
  });

  it('permutes', () => {
    const order = random(7).permutation(100);
    expect([...order].toSorted((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect([...order].slice(0, 5)).not.toEqual([0, 1, 2, 3, 4]);
  });
});
