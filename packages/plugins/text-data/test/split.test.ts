import { describe, expect, it } from 'vitest';
import { splitRows, textStats, type SplitOptions, type SplitRow } from '../src/index.ts';
import { createRandom } from './random.ts';

/** Random rows in strata of different size, some of them in clusters. */
function randomRows(seed: number, count: number, largestCluster: number = 6): SplitRow[] {
  const random = createRandom(seed);
  const rows: SplitRow[] = [];
  for (let cluster = 0; rows.length < count; cluster++) {
    const stratum = random.pick(['ham/a', 'ham/a', 'ham/b', 'spam/a']);
    const size = random.next() < 0.8 ? 1 : 1 + random.int(largestCluster);
    for (let i = 0; i < size; i++) {
      // A cluster may have rows of several strata.
      rows.push({ id: `row-${rows.length}`, stratum: random.next() < 0.9 ? stratum : 'ham/b', cluster });
    }
  }
  return rows;
}

function tally(values: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}

describe.each(['balanced', 'stable'] as const)('splitRows, %s', (method) => {
  it.each([1, 2, 3, 4, 5])('gives every row one split and never parts a cluster (seed %i)', (seed) => {
    const rows = randomRows(seed, 800);
    const splits = splitRows(rows, { method, seed });
    expect(splits).toHaveLength(rows.length);
    expect(new Set(splits)).toEqual(new Set(['train', 'validation', 'test']));
    const ofCluster = new Map<number, string>();
    rows.forEach((row, i) => {
      expect(ofCluster.get(row.cluster) ?? splits[i]).toBe(splits[i]);
      ofCluster.set(row.cluster, splits[i]!);
    });
  });

  it('does not depend on the order of the rows, and changes with the seed', () => {
    const rows = randomRows(6, 500);
    const random = createRandom(1);
    const shuffled = rows
      .map((row) => [random.next(), row] as const)
      .sort(([a], [b]) => a - b)
      .map(([, row]) => row);
    const byId = (order: readonly SplitRow[], options: SplitOptions): Map<string, string> => {
      const splits = splitRows(order, options);
      return new Map(order.map((row, i) => [row.id, splits[i]!]));
    };
    const first = byId(rows, { method, seed: 4 });
    // Maps are equal whatever the order of their entries.
    expect(byId(shuffled, { method, seed: 4 })).toEqual(first);
    expect(byId(rows, { method, seed: 5 })).not.toEqual(first);
  });

  it('moves few rows when rows are added', () => {
    const rows = randomRows(7, 1000, 1);
    const more = [
      ...rows,
      ...randomRows(8, 100, 1).map((row) => ({ ...row, id: `new-${row.id}`, cluster: row.cluster + 10_000 })),
    ];
    const before = splitRows(rows, { method, seed: 1 });
    const after = splitRows(more, { method, seed: 1 });
    const moved = before.filter((split, i) => split !== after[i]).length;
    expect(moved).toBeLessThanOrEqual(method === 'stable' ? 0 : 40);
  });
});

describe('splitRows', () => {
  it('meets the ratios in every stratum to within half a cluster', () => {
    const rows = randomRows(9, 2000).map((row) => ({ ...row, stratum: `s${row.cluster % 3}` }));
    const splits = splitRows(rows, { ratios: { train: 8, dev: 1, test: 1 }, seed: 2 });
    for (const stratum of ['s0', 's1', 's2']) {
      const own = splits.filter((_, i) => rows[i]!.stratum === stratum);
      const counts = tally(own);
      expect(Math.abs(counts['train']! - 0.8 * own.length)).toBeLessThanOrEqual(3);
      expect(Math.abs(counts['dev']! - 0.1 * own.length)).toBeLessThanOrEqual(6);
      expect(Math.abs(counts['test']! - 0.1 * own.length)).toBeLessThanOrEqual(3);
    }
  });

  it('meets the ratios on average when stable', () => {
    const rows = randomRows(10, 4000, 1);
    const counts = tally(splitRows(rows, { method: 'stable', seed: 3 }));
    // Four standard deviations of a binomial.
    expect(Math.abs(counts['train']! - 3200)).toBeLessThan(4 * Math.sqrt(4000 * 0.8 * 0.2));
    expect(Math.abs(counts['test']! - 400)).toBeLessThan(4 * Math.sqrt(4000 * 0.1 * 0.9));
  });

  it('gives nothing to a split without a share, and everything to the only one', () => {
    const rows = randomRows(11, 50);
    expect(new Set(splitRows(rows, { ratios: { train: 1, validation: 0, test: 1 } }))).toEqual(
      new Set(['train', 'test']),
    );
    expect(new Set(splitRows(rows, { ratios: { all: 0.3 } }))).toEqual(new Set(['all']));
    expect(splitRows([], {})).toEqual([]);
  });
});

describe('textStats', () => {
  it('counts labels, groups and lengths', () => {
    const rows = [
      { text: 'one two', label: 'ham', group: 'g' },
      { text: 'x', label: 'spam' },
      { text: 'a b\nc  d', label: 'ham', group: 'g' },
      { text: '', label: '__proto__' },
    ];
    const stats = textStats(rows, ['ham', 'spam', 'none']);
    expect(stats.rows).toBe(4);
    expect(Object.entries(stats.labels)).toEqual([
      ['ham', 2],
      ['spam', 1],
      ['none', 0],
      ['__proto__', 1],
    ]);
    expect(stats.groups).toEqual({ g: 2 });
    expect(stats.words).toEqual({ min: 0, p5: 0, p25: 0, p50: 1, p75: 2, p95: 4, max: 4, mean: 7 / 4 });
    expect(stats.characters).toMatchObject({ min: 0, p50: 1, p75: 7, max: 8, mean: 4 });
  });

  it('has zeros for no rows', () => {
    expect(textStats([]).characters).toEqual({ min: 0, p5: 0, p25: 0, p50: 0, p75: 0, p95: 0, max: 0, mean: 0 });
  });
});
