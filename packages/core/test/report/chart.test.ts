import { seededRandom } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';

import { type Point, reducePoints, smoothed } from '../../src/report/html/chart/reduce.ts';
import { extent, niceDomain, niceStep, ticks, tickText } from '../../src/report/html/chart/scale.ts';

const texts = (min: number, max: number, parts: number): string[] =>
  ticks({ min, max }, parts).map((tick) => tickText(tick, niceStep({ min, max }, parts)));

describe('ticks', () => {
  it.each([
    [0, 1, 5, ['0', '0.2', '0.4', '0.6', '0.8', '1.0']],
    [0, 480, 5, ['0', '100', '200', '300', '400']],
    [0.94, 0.975, 3, ['0.94', '0.96']],
    [-0.12, 0.12, 5, ['−0.10', '−0.05', '0', '0.05', '0.10']],
    [0, 10_000, 5, ['0', '2,000', '4,000', '6,000', '8,000', '10k']],
    [0, 250_000, 5, ['0', '50k', '100k', '150k', '200k', '250k']],
    [1e6, 1.5e6, 5, ['1M', '1.1M', '1.2M', '1.3M', '1.4M', '1.5M']],
    [0, 5e-4, 3, ['0', '2e-4', '4e-4']],
    [0, 1e-3, 2, ['0', '5e-4', '1e-3']],
    [1e20, 3e20, 2, ['1e20', '2e20', '3e20']],
  ])('from %d to %d in about %d parts', (min, max, parts, expected) => {
    expect(texts(min, max, parts)).toEqual(expected);
  });

  it('are few, apart, inside, multiples of their step, and have names of their own on any stretch', () => {
    const random = seededRandom(3);
    for (let round = 0; round < 2000; round++) {
      const middle = (random() - 0.5) * 10 ** (24 * random() - 12);
      const half = Math.max(Math.abs(middle) * 1e-6, 10 ** (24 * random() - 12));
      const domain = { min: middle - half, max: middle + half };
      const parts = 2 + Math.floor(8 * random());
      const found = ticks(domain, parts);
      const step = niceStep(domain, parts);
      expect(found.length).toBeGreaterThan(0);
      expect(found.length).toBeLessThanOrEqual(parts + 1);
      for (const [i, tick] of found.entries()) {
        expect(tick).toBeGreaterThanOrEqual(domain.min - step * 1e-5);
        expect(tick).toBeLessThanOrEqual(domain.max + step * 1e-5);
        expect(Math.abs(tick / step - Math.round(tick / step))).toBeLessThan(1e-5);
        if (i > 0) expect(tick).toBeGreaterThan(found[i - 1] as number);
      }
      const outer = niceDomain(domain, parts);
      expect(outer.min).toBeLessThanOrEqual(domain.min + step * 1e-5);
      expect(outer.max).toBeGreaterThanOrEqual(domain.max - step * 1e-5);
    }
  });

  it('end for stretches that floats cannot tell apart', () => {
    const tiny = Number.MIN_VALUE;
    for (const values of [[0], [1], [-1], [1e-300], [1e199], [0.1], [tiny], [0, tiny], [1, 1 + Number.EPSILON]]) {
      const domain = extent(values);
      expect(domain).toBeDefined();
      if (domain === undefined) continue;
      expect(domain.min).toBeLessThan(domain.max);
      const found = ticks(domain, 5);
      expect(found.length).toBeGreaterThan(1);
      expect(found.length).toBeLessThanOrEqual(7);
    }
  });

  it('have no stretch without numbers', () => {
    expect(extent([])).toBeUndefined();
    expect(extent([Number.NaN, Number.POSITIVE_INFINITY, 1e300])).toBeUndefined();
    expect(extent([Number.NaN, 2, 1])).toEqual({ min: 1, max: 2 });
  });
});

describe('reducePoints', () => {
  // What the npm package downsample 1.4.0, its function LTTB, keeps of the same points.
  it.each([
    [50, 10, (i: number) => (i * i * 37) % 101, [0, 4, 11, 13, 24, 25, 31, 38, 48, 49]],
    [97, 13, (i: number) => (i * i * 53 + i * 7) % 127, [0, 3, 11, 19, 32, 40, 50, 54, 67, 73, 78, 91, 96]],
  ])('keeps of %d points the %d that the reference keeps', (count, limit, y, expected) => {
    const points = Array.from({ length: count }, (_, i): Point => [i, y(i)]);
    expect(reducePoints(points, limit).map(([x]) => x)).toEqual(expected);
  });

  it('keeps order, ends, and every lone spike', () => {
    const random = seededRandom(5);
    for (let round = 0; round < 50; round++) {
      const spike = 1 + Math.floor(random() * 2998);
      const points = Array.from({ length: 3000 }, (_, i): Point => [i, i === spike ? 50 : random()]);
      const kept = reducePoints(points, 100);
      expect(kept).toHaveLength(100);
      expect([kept[0], kept.at(-1)]).toEqual([points[0], points[2999]]);
      expect(kept).toContain(points[spike]);
      expect(kept.every((point, i) => i === 0 || point[0] > (kept[i - 1] as Point)[0])).toBe(true);
    }
  });

  it('keeps short lists as they are', () => {
    const points: Point[] = [
      [0, 1],
      [1, 2],
    ];
    expect(reducePoints(points, 2)).toBe(points);
    expect(reducePoints([], 10)).toEqual([]);
  });
});

describe('smoothed', () => {
  it('leaves a straight line where it is, at the ends too', () => {
    const line = Array.from({ length: 40 }, (_, i): Point => [i, 3 - 0.25 * i]);
    for (const [i, [x, y]] of smoothed(line, 9).entries()) {
      expect(x).toBe(i);
      expect(y).toBeCloseTo(3 - 0.25 * i, 10);
    }
  });

  it('is the least-squares fit around each place, twice', () => {
    const random = seededRandom(11);
    const values = Array.from({ length: 30 }, () => random());
    const fit = (own: readonly number[], half: number): number[] =>
      own.map((_, at) => {
        const from = Math.max(0, at - half);
        const part = own.slice(from, at + half + 1);
        const x = part.map((_, i) => from + i - at);
        const [mx, my] = [x, part].map((list) => list.reduce((a, b) => a + b) / list.length) as [number, number];
        const slope =
          x.reduce((sum, xi, i) => sum + (xi - mx) * ((part[i] as number) - my), 0) /
          x.reduce((sum, xi) => sum + (xi - mx) ** 2, 0);
        return my - slope * mx;
      });
    const expected = fit(fit(values, 3), 3);
    const found = smoothed(
      values.map((y, i): Point => [i, y]),
      7,
    );
    expect(found.map(([, y]) => y)).toEqual(expected.map((y) => expect.closeTo(y, 10)));
  });

  it('calms noise and follows the trend without lag', () => {
    const random = seededRandom(13);
    const trend = (i: number): number => 2 * Math.exp(-i / 80);
    const noisy = Array.from({ length: 400 }, (_, i): Point => [i, trend(i) + 0.4 * (random() - 0.5)]);
    const errors = smoothed(noisy, 25).map(([x, y]) => y - trend(x));
    const mean = errors.reduce((a, b) => a + b) / errors.length;
    const spread = Math.sqrt(errors.reduce((sum, e) => sum + e * e, 0) / errors.length);
    expect(Math.abs(mean)).toBeLessThan(0.01);
    expect(spread).toBeLessThan(0.05);
  });

  it('takes lists of any length', () => {
    for (let count = 0; count < 6; count++) {
      const points = Array.from({ length: count }, (_, i): Point => [i, i * i]);
      expect(smoothed(points, 5).every(([, y]) => Number.isFinite(y))).toBe(true);
      expect(smoothed(points, 1)).toEqual(points);
    }
  });
});
