import { finalize, high32 } from './hash.ts';

/** Turns sets of {@link shingles} into MinHash signatures (Broder, 1997): equal places estimate the Jaccard similarity. */
export interface MinHasher {
  /** Places of a signature. */
  readonly permutations: number;
  /** Signature of a set; every place is 2³²-1 for the empty set. */
  signature(set: Float64Array): Uint32Array;
}

/**
 * A hasher with `permutations` seeded permutations of the 32-bit integers, each `x → (a · (x ⊕ s)) mod 2³²` with odd
 * `a`, followed by an xor-shift; sets are hashed well already, so this is enough to make the places independent.
 */
export function createMinHasher(permutations: number, seed: number): MinHasher {
  const masks = new Int32Array(permutations);
  const factors = new Int32Array(permutations);
  for (let i = 0; i < permutations; i++) {
    masks[i] = finalize(seed + Math.imul(2 * i + 1, 0x9e3779b9));
    factors[i] = finalize(seed + Math.imul(2 * i + 2, 0x9e3779b9)) | 1;
  }
  return {
    permutations,
    signature(set) {
      const hashes = new Int32Array(set.length);
      for (let i = 0; i < set.length; i++) hashes[i] = high32(set[i]!);
      const signature = new Uint32Array(permutations);
      for (let p = 0; p < permutations; p++) {
        const mask = masks[p]!;
        const factor = factors[p]!;
        let least = 0xffffffff;
        for (let i = 0; i < hashes.length; i++) {
          let value = Math.imul(hashes[i]! ^ mask, factor);
          value = (value ^ (value >>> 15)) >>> 0;
          if (value < least) least = value;
        }
        signature[p] = least;
      }
      return signature;
    },
  };
}

/** Share of equal places: an unbiased estimate of the Jaccard similarity, standard error sqrt(s (1 - s) / places). */
export function estimatedSimilarity(a: Uint32Array, b: Uint32Array): number {
  let equal = 0;
  for (let i = 0; i < a.length; i++) if (a[i] === b[i]) equal++;
  return a.length === 0 ? 0 : equal / a.length;
}
