/**
 * Philox4x32-10, a counter-based generator (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011):
 * the n-th number is a function of the key and n alone, so streams are reproducible in any order and on any machine.
 */

const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;

/** High 32 bits of the 64-bit product, by 16-bit halves. */
function mulHigh(a: number, b: number): number {
  const ah = a >>> 16;
  const al = a & 0xffff;
  const bh = b >>> 16;
  const bl = b & 0xffff;
  const middle = ah * bl + ((al * bl) >>> 16);
  const cross = al * bh + (middle & 0xffff);
  return (ah * bh + (middle >>> 16) + (cross >>> 16)) >>> 0;
}

/** One block of four 32-bit words into `out` at `at`. */
export function philox(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
  out: Uint32Array,
  at: number,
): void {
  let c0 = counter[0];
  let c1 = counter[1];
  let c2 = counter[2];
  let c3 = counter[3];
  let k0 = key[0];
  let k1 = key[1];
  for (let round = 0; round < 10; round++) {
    const high0 = mulHigh(M0, c0);
    const low0 = Math.imul(M0, c0);
    const high1 = mulHigh(M1, c2);
    const low1 = Math.imul(M1, c2);
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1 >>> 0;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0 >>> 0;
    k0 = (k0 + W0) >>> 0;
    k1 = (k1 + W1) >>> 0;
  }
  out[at] = c0;
  out[at + 1] = c1;
  out[at + 2] = c2;
  out[at + 3] = c3;
}

/** 64-bit FNV-1a of the seed and the keys, as the two words of a Philox key. */
function keyOf(parts: readonly (string | number)[]): [number, number] {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(JSON.stringify(parts))) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return [Number(hash & 0xffffffffn), Number(hash >> 32n)];
}

/** A stream of random numbers. */
export interface Random {
  /** `n` uniform 32-bit words. */
  words(n: number): Uint32Array;
  /** Uniform in `[min, max)`, 24 random bits each. @defaultValue `[0, 1)` */
  uniform(n: number, options?: { min?: number | undefined; max?: number | undefined }): Float32Array;
  /** Gaussian (Box and Muller, 1958). @defaultValue mean 0, std 1 */
  normal(n: number, options?: { mean?: number | undefined; std?: number | undefined }): Float32Array;
  /** A random order of `0 … n-1` (Fisher and Yates). */
  permutation(n: number): Uint32Array;
}

/** The stream of a seed and any number of keys: `random(seed, 'init', name)`, `random(seed, 'shuffle', epoch)`. */
export function random(seed: number, ...keys: readonly (string | number)[]): Random {
  const key = keyOf([seed, ...keys]);
  let block = 0;
  const words = (n: number): Uint32Array => {
    const out = new Uint32Array(Math.ceil(n / 4) * 4);
    const counter: [number, number, number, number] = [0, 0, 0, 0];
    for (let i = 0; i < out.length; i += 4, block++) {
      counter[0] = block >>> 0;
      counter[1] = Math.floor(block / 2 ** 32);
      philox(counter, key, out, i);
    }
    return out.subarray(0, n);
  };
  const unit = 1 / 2 ** 24;
  return {
    words,
    uniform: (n, { min = 0, max = 1 } = {}) => {
      const bits = words(n);
      const out = new Float32Array(n);
      for (let i = 0; i < n; i++) out[i] = min + ((bits[i] as number) >>> 8) * unit * (max - min);
      return out;
    },
    normal: (n, { mean = 0, std = 1 } = {}) => {
      const bits = words(2 * Math.ceil(n / 2));
      const out = new Float32Array(n);
      for (let i = 0; i < n; i += 2) {
        const radius = std * Math.sqrt(-2 * Math.log(((bits[i] as number) + 0.5) / 2 ** 32));
        const angle = (2 * Math.PI * (bits[i + 1] as number)) / 2 ** 32;
        out[i] = mean + radius * Math.cos(angle);
        if (i + 1 < n) out[i + 1] = mean + radius * Math.sin(angle);
      }
      return out;
    },
    permutation: (n) => {
      const order = Uint32Array.from({ length: n }, (_, i) => i);
      const bits = words(n);
      for (let i = n - 1; i > 0; i--) {
        const j = Math.floor(((bits[i] as number) / 2 ** 32) * (i + 1));
        [order[i], order[j]] = [order[j] as number, order[i] as number];
      }
      return order;
    },
  };
}
