import { describe, expect, it } from 'vitest';

import { cluster } from '../src/index.ts';

/** Numbers that are the same every time. */
function numbers(count: number): Float32Array {
  let state = 7;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

describe('k-means in one dimension', () => {
  it('finds clusters that lie apart, and gives their means', () => {
    expect([...cluster(Float32Array.of(1, 11, 2, 10, 3, 12), 2)]).toEqual([2, 11, 2, 11, 2, 11]);
  });

  it('keeps values of which there are few enough', () => {
    const values = Float32Array.of(-1, 0, 0, 2, -1);
    expect([...cluster(values, 3)]).toEqual([...values]);
  });

  it.each([1, 2, 7, 64])('gives at most %d numbers, each the nearest of all and the mean of its own', (count) => {
    const values = numbers(2000);
    const found = cluster(values, count);
    const centers = [...new Set(found)];
    expect(centers.length).toBeLessThanOrEqual(count);
    for (const center of centers) {
      const own = [...values].filter((_, i) => found[i] === center);
      expect(center).toBeCloseTo(own.reduce((sum, value) => sum + value, 0) / own.length, 5);
    }
    for (const [i, value] of values.entries()) {
      const nearest = Math.min(...centers.map((center) => Math.abs(center - value)));
      expect(Math.abs(found[i]! - value)).toBeLessThanOrEqual(nearest + 1e-6);
    }
  });

  it('is finer with more clusters', () => {
    const values = numbers(500);
    const errors = [2, 4, 8, 16, 500].map((count) =>
      cluster(values, count).reduce((sum, value, i) => sum + (value - values[i]!) ** 2, 0),
    );
    expect(errors).toEqual(errors.toSorted((a, b) => b - a));
  });

  it('takes one value, the same values, and none', () => {
    expect([...cluster(Float32Array.of(3), 4)]).toEqual([3]);
    expect([...cluster(Float32Array.of(2, 2, 2), 4)]).toEqual([2, 2, 2]);
    expect(cluster(new Float32Array(), 4)).toHaveLength(0);
  });
});
