import { describe, expect, it } from 'vitest';
import {
  createDeduplicator,
  createLshIndex,
  createMinHasher,
  estimatedSimilarity,
  jaccard,
  matchProbability,
  optimalBanding,
  shingles,
} from '../src/index.ts';
import { finalize, hash53, murmur3, murmur3Words, unitHash } from '../src/dedup/hash.ts';
import { createUnionFind } from '../src/dedup/union-find.ts';
import { createRandom, randomText, type Random } from './random.ts';

/** Text whose UTF-16LE bytes are the given ones. */
function textOfBytes(bytes: readonly number[]): string {
  return bytes
    .filter((_, i) => i % 2 === 0)
    .map((low, i) => String.fromCharCode(low | (bytes[2 * i + 1]! << 8)))
    .join('');
}
const ascii = (text: string): number[] => Array.from(text, (c) => c.charCodeAt(0));

describe('murmur3', () => {
  // Published vectors of MurmurHash3_x86_32.
  it.each([
    [[], 0, 0],
    [[], 1, 0x514e28b7],
    [[], 0xffffffff, 0x81f16f39],
    [[0, 0, 0, 0], 0, 0x2362f9de],
    [[0xff, 0xff, 0xff, 0xff], 0, 0x76293b50],
    [[0x21, 0x43, 0x65, 0x87], 0, 0xf55b516b],
    [[0x21, 0x43, 0x65, 0x87], 0x5082edee, 0x2362f9de],
    [[0x21, 0x43], 0, 0xa0f7b07a],
    [[0, 0], 0, 0x30f4c306],
    [ascii('aaaa'), 0x9747b28c, 0x5a97808a],
    [ascii('aa'), 0x9747b28c, 0x5d211726],
    [ascii('abcd'), 0x9747b28c, 0xf0478627],
    [ascii('ab'), 0x9747b28c, 0x74875592],
  ])('of bytes %j with seed %i', (bytes, seed, expected) => {
    expect(murmur3(textOfBytes(bytes), seed) >>> 0).toBe(expected);
    if (bytes.length % 4 !== 0) return;
    const words = new Int32Array(Uint8Array.from(bytes).buffer);
    expect(murmur3Words(words, seed, 0, words.length) >>> 0).toBe(expected);
  });

  it('hashes a range like the text in it', () => {
    expect(murmur3('xxhello wörldyy', 5, 2, 13)).toBe(murmur3('hello wörld', 5));
    expect(murmur3Words(Int32Array.of(1, 2, 3, 4), 5, 1, 3)).toBe(murmur3Words(Int32Array.of(2, 3), 5, 0, 2));
  });

  it('has a bijective finalizer and 53-bit keys without collisions here', () => {
    expect(new Set(Array.from({ length: 100_000 }, (_, i) => finalize(i))).size).toBe(100_000);
    const keys = Array.from({ length: 100_000 }, (_, i) => hash53(`key ${i}`, 3));
    expect(new Set(keys).size).toBe(100_000);
    expect(keys.every((key) => Number.isSafeInteger(key) && key >= 0)).toBe(true);
  });

  it('spreads units evenly over [0, 1)', () => {
    const bins = Array.from({ length: 20 }, () => 0);
    for (let i = 0; i < 20_000; i++) bins[Math.floor(unitHash(`id-${i}`, 9) * 20)]! += 1;
    const chiSquare = bins.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
    // 99.99 % quantile of chi-square with 19 degrees of freedom.
    expect(chiSquare).toBeLessThan(50);
  });
});

/** Set of word n-grams as strings: the obvious way, to compare with. */
function plainShingles(text: string, n: number): Set<string> {
  const words = text.toLowerCase().match(/[\p{L}\p{N}\p{M}_]+/gu) ?? [];
  const size = Math.min(n, words.length);
  return new Set(words.slice(0, words.length - size + 1).map((_, i) => words.slice(i, i + size).join(' ')));
}
function plainJaccard(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  const common = [...a].filter((item) => b.has(item)).length;
  const union = a.size + b.size - common;
  return union === 0 ? 0 : common / union;
}

describe('shingles', () => {
  it('has as many n-grams as the text, and their Jaccard similarity, on random texts', () => {
    const random = createRandom(21);
    const texts = Array.from({ length: 60 }, () => randomText(random, random.int(40), 12));
    for (const n of [1, 2, 5]) {
      const sets = texts.map((text) => shingles(text, n));
      texts.forEach((text, i) => expect(sets[i]!.length).toBe(text === '' ? 0 : plainShingles(text, n).size));
      for (let i = 1; i < texts.length; i++) {
        const expected = plainJaccard(plainShingles(texts[i - 1]!, n), plainShingles(texts[i]!, n));
        expect(jaccard(sets[i - 1]!, sets[i]!)).toBeCloseTo(expected, 12);
      }
    }
  });

  it('ignores case and punctuation, and treats short texts as one n-gram', () => {
    expect(shingles('Hello, World! It’s ÄÖÜ_1', 3)).toEqual(shingles('hello world; it s äöü_1', 3));
    expect(shingles('one two', 5)).toHaveLength(1);
    expect(jaccard(shingles('one two', 5), shingles('two one', 5))).toBe(0);
    expect(shingles('?! …', 5)).toHaveLength(0);
    expect(jaccard(new Float64Array(0), new Float64Array(0))).toBe(0);
  });

  it('takes characters of scripts without blanks as words', () => {
    expect(shingles('我能吞下玻璃', 2)).toHaveLength(5);
    expect(shingles('abc我能 def', 1)).toHaveLength(4);
    expect(shingles('ภาษาไทย', 2).length).toBeGreaterThan(3);
  });
});

/** Two sets of `size` random 53-bit keys with the exact Jaccard similarity common / (2 size - common). */
function pairOfSets(random: Random, size: number, common: number): [Float64Array, Float64Array, number] {
  const key = (): number => Math.floor(random.next() * 2 ** 32) * 0x200000 + random.int(0x200000);
  const shared = Array.from({ length: common }, key);
  const set = (): Float64Array => Float64Array.from([...shared, ...Array.from({ length: size - common }, key)]).sort();
  return [set(), set(), common / (2 * size - common)];
}

describe('MinHash', () => {
  it.each([0.1, 0.5, 0.9])('estimates a similarity near %f without bias and with binomial variance', (wanted) => {
    const random = createRandom(5);
    const permutations = 128;
    const trials = 300;
    const size = 120;
    const common = Math.round((2 * size * wanted) / (1 + wanted));
    const errors = Array.from({ length: trials }, (_, trial) => {
      const [a, b, s] = pairOfSets(random, size, common);
      const hasher = createMinHasher(permutations, trial);
      return estimatedSimilarity(hasher.signature(a), hasher.signature(b)) - s;
    });
    const s = common / (2 * size - common);
    const variance = (s * (1 - s)) / permutations;
    const mean = errors.reduce((sum, error) => sum + error, 0) / trials;
    const spread = errors.reduce((sum, error) => sum + error ** 2, 0) / trials;
    expect(Math.abs(mean)).toBeLessThan(4 * Math.sqrt(variance / trials));
    // The standard error of a variance over 300 trials is 8 %.
    expect(spread / variance).toBeGreaterThan(0.65);
    expect(spread / variance).toBeLessThan(1.35);
  });

  it('depends on the set and the seed only', () => {
    const set = shingles('a b c d e f g', 2);
    expect(createMinHasher(16, 1).signature(set)).toEqual(createMinHasher(16, 1).signature(set));
    expect(createMinHasher(16, 1).signature(set)).not.toEqual(createMinHasher(16, 2).signature(set));
  });
});

describe('LSH', () => {
  it.each([
    [0.5, 25, 5],
    [0.7, 14, 9],
    [0.8, 9, 13],
    [0.9, 5, 25],
  ])('chooses the bands and rows that datasketch does at %f', (threshold, bands, rows) => {
    expect(optimalBanding(threshold, 128)).toEqual({ bands, rows });
  });

  it('gives more bands when misses weigh more', () => {
    const banding = optimalBanding(0.5, 128, 0.95);
    expect(matchProbability(0.5, banding)).toBeGreaterThan(0.95);
    expect(matchProbability(0.5, optimalBanding(0.5, 128))).toBeLessThan(0.6);
  });

  it('has the published curve of 14 bands of 8 rows', () => {
    const banding = { bands: 14, rows: 8 };
    expect(matchProbability(0.5, banding)).toBeCloseTo(0.0533, 4);
    expect(matchProbability(0.7, banding)).toBeCloseTo(0.5645, 4);
    expect(matchProbability(0.8, banding)).toBeCloseTo(0.9235, 4);
    expect(matchProbability((1 / 14) ** (1 / 8), banding)).toBeCloseTo(1 - (13 / 14) ** 14, 10);
  });

  it('finds pairs with the probability of the curve', () => {
    const random = createRandom(8);
    const banding = { bands: 14, rows: 8 };
    const hasher = createMinHasher(112, 4);
    const trials = 400;
    for (const common of [40, 60, 67, 75]) {
      let found = 0;
      let similarity = 0;
      for (let trial = 0; trial < trials; trial++) {
        const [a, b, s] = pairOfSets(random, 80, common);
        similarity = s;
        const index = createLshIndex(banding, 10);
        index.add(hasher.signature(a));
        if (index.candidates(hasher.signature(b)).length > 0) found++;
      }
      const p = matchProbability(similarity, banding);
      expect(Math.abs(found / trials - p), `s = ${similarity}`).toBeLessThan(
        4 * Math.sqrt((p * (1 - p)) / trials) + 0.005,
      );
    }
  });

  it('looks at no more than `limit` entries of a bucket', () => {
    const index = createLshIndex({ bands: 2, rows: 2 }, 3);
    const signature = Uint32Array.of(1, 2, 3, 4);
    for (let i = 0; i < 3000; i++) index.add(signature);
    expect(index.candidates(signature)).toEqual([2997, 2998, 2999]);
    expect(index.candidates(Uint32Array.of(9, 9, 9, 9))).toEqual([]);
    expect(index.candidates(new Uint32Array(0))).toEqual([]);
  });
});

describe('union-find', () => {
  it('has the least member as root, whatever the order', () => {
    const sets = createUnionFind();
    for (let i = 0; i < 6; i++) expect(sets.add()).toBe(i);
    expect(sets.union(5, 4)).toBe(true);
    expect(sets.union(4, 1)).toBe(true);
    expect(sets.union(1, 5)).toBe(false);
    expect([0, 1, 2, 3, 4, 5].map((item) => sets.find(item))).toEqual([0, 1, 2, 3, 1, 1]);
  });
});

/** A copy with some words replaced: from a light edit to something hardly similar. */
function edited(random: Random, text: string, share: number): string {
  return text
    .split(' ')
    .map((word) => (random.next() < share ? `e${random.int(100_000)}` : word))
    .join(' ');
}

/** Texts among which near-duplicates of every degree are planted. */
function plantedTexts(random: Random, bases: number): string[] {
  const texts = Array.from({ length: bases }, () => randomText(random, 60 + random.int(140)));
  const copies = texts.flatMap((text) => [0.005, 0.02, 0.04, 0.08, 0.15].map((share) => edited(random, text, share)));
  const all = [...texts, ...copies];
  for (let i = all.length - 1; i > 0; i--) {
    const j = random.int(i + 1);
    [all[i], all[j]] = [all[j]!, all[i]!];
  }
  return all;
}

describe('createDeduplicator', () => {
  it('drops what comparing all pairs drops, and joins at least 95 % of the pairs that should be joined', () => {
    const texts = plantedTexts(createRandom(99), 60);
    const deduplicator = createDeduplicator({ seed: 3 });
    const verdicts = texts.map((text) => deduplicator.add(text));
    const sets = texts.map((text) => plainShingles(text, 5));

    const kept: number[] = [];
    let wrong = 0;
    texts.forEach((_, i) => {
      const best = kept.reduce((most, k) => Math.max(most, plainJaccard(sets[i]!, sets[k]!)), 0);
      const verdict = verdicts[i]!;
      if (verdict.kept !== best < 0.8) wrong++;
      if (verdict.kept) kept.push(i);
      else expect(verdict.similarity).toBeCloseTo(plainJaccard(sets[i]!, sets[verdict.of]!), 12);
    });
    expect(wrong).toBe(0);
    expect(kept.length).toBeLessThan(texts.length - 60);

    const clusters = new Map(kept.map((k, i) => [k, deduplicator.clusters()[i]!]));
    let due = 0;
    let joined = 0;
    kept.forEach((a, i) =>
      kept.slice(i + 1).forEach((b) => {
        if (plainJaccard(sets[a]!, sets[b]!) < 0.5) return;
        due++;
        if (clusters.get(a) === clusters.get(b)) joined++;
      }),
    );
    expect(due).toBeGreaterThan(50);
    expect(joined / due).toBeGreaterThan(0.95);
    // Nothing is joined without a chain of similar pairs: texts of different origin share no n-gram here.
    for (const [text, cluster] of clusters) {
      if (cluster !== text) expect(plainJaccard(sets[text]!, sets[cluster]!)).toBeGreaterThan(0);
    }
    const { candidates, compared } = deduplicator.counts();
    expect(compared).toBeLessThanOrEqual(candidates);
    expect(candidates).toBeLessThan((kept.length * kept.length) / 20);
  });

  it('tells exact duplicates, also of texts that were themselves dropped', () => {
    const deduplicator = createDeduplicator();
    const base = Array.from({ length: 100 }, (_, i) => `word${i}`).join(' ');
    const near = `${base} more`;
    expect(deduplicator.add(base)).toEqual({ kept: true });
    expect(deduplicator.add(`  ${base.toUpperCase().replaceAll(' ', '\n')} `)).toEqual({
      kept: false,
      reason: 'exact-duplicate',
      of: 0,
      similarity: 1,
    });
    const verdict = deduplicator.add(near);
    expect(verdict).toEqual({ kept: false, reason: 'near-duplicate', of: 0, similarity: 96 / 97 });
    expect(deduplicator.add(near)).toEqual(verdict);
    expect(deduplicator.clusters()).toEqual([0]);
  });

  it('does only what is asked for', () => {
    const base = Array.from({ length: 100 }, (_, i) => `word${i}`).join(' ');
    const texts = [base, base, `${base} more`, 'something else entirely', ''];
    const keptOf = (options: Parameters<typeof createDeduplicator>[0]): unknown => {
      const deduplicator = createDeduplicator(options);
      const kept = texts.flatMap((text, i) => (deduplicator.add(text).kept ? [i] : []));
      return [kept, deduplicator.clusters()];
    };
    expect(keptOf({})).toEqual([
      [0, 3, 4],
      [0, 3, 4],
    ]);
    expect(keptOf({ near: false })).toEqual([
      [0, 2, 3, 4],
      [0, 0, 3, 4],
    ]);
    expect(keptOf({ near: false, cluster: false })).toEqual([
      [0, 2, 3, 4],
      [0, 2, 3, 4],
    ]);
    expect(keptOf({ exact: false })).toEqual([
      [0, 3, 4],
      [0, 3, 4],
    ]);
    expect(keptOf({ exact: false, near: false })).toEqual([
      [0, 1, 2, 3, 4],
      [0, 0, 0, 3, 4],
    ]);
    expect(keptOf({ threshold: 0.99 })).toEqual([
      [0, 2, 3, 4],
      [0, 0, 3, 4],
    ]);
    expect(keptOf({ threshold: 0.99, cluster: false })).toEqual([
      [0, 2, 3, 4],
      [0, 2, 3, 4],
    ]);
  });

  it('does not compare all pairs of texts made from one template', () => {
    const template = Array.from({ length: 60 }, (_, i) => `part${i}`).join(' ');
    const deduplicator = createDeduplicator();
    const random = createRandom(2);
    const start = performance.now();
    for (let i = 0; i < 1500; i++) deduplicator.add(`${template} ${randomText(random, 20)}`);
    const { compared } = deduplicator.counts();
    expect(compared).toBeLessThan((1500 * 1500) / 4);
    expect(new Set(deduplicator.clusters()).size).toBe(1);
    expect(performance.now() - start).toBeLessThan(4000);
  });
});
