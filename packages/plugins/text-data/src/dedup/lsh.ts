import { finalize, join53 } from './hash.ts';

/** Bands and rows per band of a locality-sensitive index. */
export interface Banding {
  /** A match in one is enough. */
  readonly bands: number;
  /** Places of a signature in a band, all of which must match. */
  readonly rows: number;
}

/** Probability that two sets of Jaccard similarity `s` share a bucket: 1 - (1 - sʳ)ᵇ. */
export function matchProbability(similarity: number, { bands, rows }: Banding): number {
  return 1 - (1 - similarity ** rows) ** bands;
}

const INTEGRATION_STEP = 0.001;

/**
 * Bands and rows with the least expected error at `threshold`: the area of false positives below it plus that of false
 * negatives above it, over all b · r ≤ permutations (Zhu et al., LSH Ensemble, 2016; the choice datasketch makes).
 * `missWeight` is the weight of false negatives, that of false positives is the rest of 1.
 */
export function optimalBanding(threshold: number, permutations: number, missWeight: number = 0.5): Banding {
  const below = midpoints(0, threshold);
  const points = [...below, ...midpoints(threshold, 1)];
  let best: Banding = { bands: 1, rows: 1 };
  let least = Infinity;
  // s^rows and (1 - s^rows)^bands at every point, each from the one before.
  const power = points.map(() => 1);
  for (let rows = 1; rows <= permutations; rows++) {
    points.forEach((s, i) => (power[i]! *= s));
    const unmatched = points.map(() => 1);
    for (let bands = 1; bands * rows <= permutations; bands++) {
      let error = 0;
      for (let i = 0; i < points.length; i++) {
        unmatched[i]! *= 1 - power[i]!;
        error += i < below.length ? (1 - missWeight) * (1 - unmatched[i]!) : missWeight * unmatched[i]!;
      }
      if (error < least) {
        least = error;
        best = { bands, rows };
      }
    }
  }
  return best;
}

/** Where the midpoint rule looks at a function between two numbers. */
function midpoints(from: number, to: number): number[] {
  const points: number[] = [];
  for (let x = from + INTEGRATION_STEP / 2; x < to; x += INTEGRATION_STEP) points.push(x);
  return points;
}

/** Finds, among the signatures added so far, those likely to be similar to a given one. */
export interface LshIndex {
  /** Adds a signature; entries are numbered from 0 as they are added. An empty one takes a number and is never found. */
  add(signature: Uint32Array): void;
  /** Entries that share a bucket with the signature, ascending, at most `limit` of the latest per bucket. */
  candidates(signature: Uint32Array): number[];
}

/** An index with one hash table per band. Each entry costs about 40 bytes per band. */
export function createLshIndex({ bands, rows }: Banding, limit: number): LshIndex {
  // Buckets are linked lists through `next`: a map of arrays would cost one object per bucket.
  const heads = Array.from({ length: bands }, () => new Map<number, number>());
  let next = new Int32Array(bands * 1024);
  let size = 0;
  let seen = new Int32Array(1024).fill(-1);
  let query = 0;

  const bucketOf = (signature: Uint32Array, band: number): number => {
    let high = band;
    let low = ~band;
    for (let i = band * rows; i < (band + 1) * rows; i++) {
      high = finalize(high ^ signature[i]!);
      low = finalize(Math.imul(low, 0x2c1b3c6d) ^ signature[i]!);
    }
    return join53(high, low);
  };

  return {
    add(signature) {
      if ((size + 1) * bands > next.length) {
        next = doubled(next);
        seen = doubled(seen, -1);
      }
      for (let band = 0; band < bands && signature.length > 0; band++) {
        const bucket = bucketOf(signature, band);
        next[size * bands + band] = heads[band]!.get(bucket) ?? -1;
        heads[band]!.set(bucket, size);
      }
      size++;
    },
    candidates(signature) {
      query++;
      const found: number[] = [];
      if (signature.length === 0) return found;
      for (let band = 0; band < bands; band++) {
        let entry = heads[band]!.get(bucketOf(signature, band)) ?? -1;
        for (let steps = 0; entry >= 0 && steps < limit; steps++) {
          if (seen[entry] !== query) {
            seen[entry] = query;
            found.push(entry);
          }
          entry = next[entry * bands + band]!;
        }
      }
      return found.sort((a, b) => a - b);
    },
  };
}

function doubled(array: Int32Array<ArrayBuffer>, fill: number = 0): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(array.length * 2);
  larger.set(array);
  if (fill !== 0) larger.fill(fill, array.length);
  return larger;
}
