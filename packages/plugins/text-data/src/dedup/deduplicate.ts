import { hash53 } from './hash.ts';
import { createLshIndex, optimalBanding, type Banding } from './lsh.ts';
import { createMinHasher, estimatedSimilarity } from './minhash.ts';
import { jaccard, shingles } from './shingles.ts';
import { createUnionFind } from './union-find.ts';

/** Options of {@link createDeduplicator}. */
export interface DedupOptions {
  /** Texts at least this similar to an earlier kept one are dropped (n-gram Jaccard, 0–1). @defaultValue `0.8` */
  readonly threshold?: number | undefined;
  /**
   * Kept texts at least this similar are one cluster, which splits never separate; at most `threshold`.
   * @defaultValue `0.5`, or `threshold` where that is smaller
   */
  readonly clusterThreshold?: number | undefined;
  /** Words per n-gram. @defaultValue `5` */
  readonly ngram?: number | undefined;
  /** Places of a MinHash signature. @defaultValue `128` */
  readonly permutations?: number | undefined;
  /** Drop texts that are equal to an earlier one but for case and blanks. @defaultValue `true` */
  readonly exact?: boolean | undefined;
  /** Drop near-duplicates. @defaultValue `true` */
  readonly near?: boolean | undefined;
  /** Find clusters; otherwise every kept text is its own. @defaultValue `true` */
  readonly cluster?: boolean | undefined;
  /** Seed of the permutations. @defaultValue `0` */
  readonly seed?: number | undefined;
}

/** What became of one text. */
export type DedupVerdict =
  | { readonly kept: true }
  | {
      readonly kept: false;
      readonly reason: 'exact-duplicate' | 'near-duplicate';
      /** Index of the kept text it repeats, counting every added text from 0. */
      readonly of: number;
      /** True n-gram Jaccard similarity; 1 for exact duplicates. */
      readonly similarity: number;
    };

/** Work done so far. */
export interface DedupCounts {
  /** Pairs that shared a bucket. */
  readonly candidates: number;
  /** Pairs whose n-grams were compared. */
  readonly compared: number;
}

/** Finds repeated texts one at a time, in the order in which they come. */
export interface Deduplicator {
  /** How candidates are found. */
  readonly banding: Banding;
  /** Judges the next text against those kept so far. */
  add(text: string): DedupVerdict;
  /** Cluster of every kept text, in order of keeping: the index (among all added texts) of its first member. */
  clusters(): number[];
  /** So far. */
  counts(): DedupCounts;
}

/** Candidates are verified, so a wrong one only costs a comparison while a missed one is lost. */
const MISS_WEIGHT = 0.95;
/** Most entries of one bucket that are looked at: bounds the work on data made from one template. */
const MAX_BUCKET = 256;
/** Standard errors by which a signature may undershoot before a pair that could only be dropped is not compared. */
const SAFETY = 4;

/**
 * Exact duplicates by normalised text, near-duplicates and clusters by MinHash-LSH over word n-grams, with a banding that
 * rarely misses a pair at the lower of the two thresholds. Every pair that counts is verified by its true Jaccard
 * similarity: a wrong pair is never reported, a right one is missed with the probability 1 - {@link matchProbability}.
 * Memory: the n-grams of kept texts (8 bytes each), 4 bytes per signature place, and about 40 bytes per band.
 */
export function createDeduplicator(options: DedupOptions = {}): Deduplicator {
  const {
    threshold = 0.8,
    ngram = 5,
    permutations = 128,
    exact = true,
    near = true,
    cluster = true,
    seed = 0,
  } = options;
  const joinAt = cluster ? Math.min(options.clusterThreshold ?? 0.5, threshold) : threshold;
  const banding = optimalBanding(joinAt, permutations, MISS_WEIGHT);
  const hasher = createMinHasher(permutations, seed);
  const index = createLshIndex(banding, MAX_BUCKET);
  const kept: { readonly at: number; readonly set: Float64Array; readonly signature: Uint32Array }[] = [];
  const clusters = createUnionFind();
  const repeated = new Map<string, Extract<DedupVerdict, { kept: false }>>();
  const margin = SAFETY * Math.sqrt((threshold * (1 - threshold)) / permutations);
  let added = 0;
  let candidatePairs = 0;
  let compared = 0;

  /** The most similar kept text, and the clusters that have a text similar enough to join. */
  const compare = (
    set: Float64Array,
    signature: Uint32Array,
  ): { nearest: number; similarity: number; joins: Set<number> } => {
    const joins = new Set<number>();
    let nearest = -1;
    let similarity = 0;
    for (const candidate of index.candidates(signature)) {
      candidatePairs++;
      const other = kept[candidate]!;
      // |A ∩ B| / |A ∪ B| is at most the ratio of the sizes.
      if (Math.min(set.length, other.set.length) < joinAt * Math.max(set.length, other.set.length)) continue;
      const isSettled = joins.has(clusters.find(candidate));
      if (isSettled && (!near || estimatedSimilarity(signature, other.signature) < threshold - margin)) continue;
      compared++;
      const exactSimilarity = jaccard(set, other.set);
      if (exactSimilarity >= joinAt) joins.add(clusters.find(candidate));
      if (exactSimilarity > similarity) {
        similarity = exactSimilarity;
        nearest = kept[candidate]!.at;
      }
    }
    return { nearest, similarity, joins };
  };

  return {
    banding,
    add(text) {
      const at = added++;
      const key = exactKey(text);
      const known = exact ? repeated.get(key) : undefined;
      if (known !== undefined) return known;

      const set = near || cluster ? shingles(text, ngram) : new Float64Array(0);
      const signature = set.length === 0 ? new Uint32Array(0) : hasher.signature(set);
      const found = set.length === 0 ? undefined : compare(set, signature);
      if (near && found !== undefined && found.similarity >= threshold) {
        const verdict = {
          kept: false,
          reason: 'near-duplicate',
          of: found.nearest,
          similarity: found.similarity,
        } as const;
        // The same text again is then known without comparing n-grams.
        repeated.set(key, verdict);
        return verdict;
      }
      if (exact) repeated.set(key, { kept: false, reason: 'exact-duplicate', of: at, similarity: 1 });
      kept.push({ at, set, signature });
      index.add(signature);
      const entry = clusters.add();
      if (cluster) for (const other of found?.joins ?? []) clusters.union(entry, other);
      return { kept: true };
    },
    clusters: () => kept.map((_, entry) => kept[clusters.find(entry)]!.at),
    counts: () => ({ candidates: candidatePairs, compared }),
  };
}

/** Key that texts share when they are equal but for case and blanks; 106 bits, so no two others ever share it. */
function exactKey(text: string): string {
  const normalized = text.toLowerCase().replace(/\s+/gu, ' ').trim();
  return `${hash53(normalized, 1).toString(36)} ${hash53(normalized, 2).toString(36)}`;
}
