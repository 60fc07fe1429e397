/**
 * MurmurHash3 (x86, 32 bit; Appleby, public domain) over the UTF-16LE bytes of `text[start..end)`. Not cryptographic:
 * equality of hashes is only ever a hint or bounded by the number of compared items.
 */
export function murmur3(text: string, seed: number, start: number = 0, end: number = text.length): number {
  let hash = seed | 0;
  let i = start;
  for (; i + 1 < end; i += 2) hash = mixBlock(hash, text.charCodeAt(i) | (text.charCodeAt(i + 1) << 16));
  if (i < end) hash ^= scramble(text.charCodeAt(i));
  return finalize(hash ^ ((end - start) * 2));
}

/** MurmurHash3 over a window of 32-bit words. */
export function murmur3Words(words: Int32Array, seed: number, start: number, end: number): number {
  let hash = seed | 0;
  for (let i = start; i < end; i++) hash = mixBlock(hash, words[i]!);
  return finalize(hash ^ ((end - start) * 4));
}

/** 53-bit hash of a text, for map keys: collisions are below 1e-4 for a million texts. */
export function hash53(text: string, seed: number = 0): number {
  return join53(murmur3(text, seed), murmur3(text, seed ^ 0x9e3779b9));
}

/** A number in [0, 1) that depends on every character of `text` and on `seed`. */
export function unitHash(text: string, seed: number): number {
  return hash53(text, seed) / 2 ** 53;
}

/** Two 32-bit hashes as one exact integer of 53 bits; the first is its upper part. */
export function join53(high: number, low: number): number {
  return (high >>> 0) * 0x200000 + (low >>> 11);
}

/** Upper 32 bits of a {@link join53} value. */
export function high32(key: number): number {
  return Math.floor(key / 0x200000) | 0;
}

/** The finalizer of MurmurHash3: a bijection on 32 bits in which each input bit flips half of the output bits. */
export function finalize(value: number): number {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

function mixBlock(hash: number, block: number): number {
  const mixed = hash ^ scramble(block);
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0;
}

function scramble(block: number): number {
  const product = Math.imul(block, 0xcc9e2d51);
  return Math.imul((product << 15) | (product >>> 17), 0x1b873593);
}
