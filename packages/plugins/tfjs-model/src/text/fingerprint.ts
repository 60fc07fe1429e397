const MASK = (1n << 64n) - 1n;
const K0 = 0xc3a5c85c97cb3127n;
const K2 = 0x9ae16a3b2f90404fn;
/** Longer texts are hashed in another way. */
const MAX_BYTES = 16;

function word(bytes: Uint8Array, at: number, count: number): bigint {
  let value = 0n;
  for (let i = count - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[at + i] as number);
  return value;
}

const rotated = (value: bigint, by: bigint): bigint => ((value >> by) | (value << (64n - by))) & MASK;

function mixed(u: bigint, v: bigint, factor: bigint): bigint {
  let a = ((u ^ v) * factor) & MASK;
  a ^= a >> 47n;
  let b = ((v ^ a) * factor) & MASK;
  b ^= b >> 47n;
  return (b * factor) & MASK;
}

/** `Fingerprint64` of FarmHash (Pike & Alakuijala, 2014), for up to 16 bytes. */
export function fingerprint64(bytes: Uint8Array): bigint {
  const { length } = bytes;
  if (length > MAX_BYTES) throw new RangeError(`at most ${MAX_BYTES} bytes, received ${length}`);
  const factor = K2 + BigInt(2 * length);
  if (length >= 8) {
    const a = (word(bytes, 0, 8) + K2) & MASK;
    const b = word(bytes, length - 8, 8);
    const c = (rotated(b, 37n) * factor + a) & MASK;
    const d = ((rotated(a, 25n) + b) * factor) & MASK;
    return mixed(c, d, factor);
  }
  if (length >= 4) return mixed(BigInt(length) + (word(bytes, 0, 4) << 3n), word(bytes, length - 4, 4), factor);
  if (length === 0) return K2;
  const y = BigInt((bytes[0] as number) + ((bytes[length >> 1] as number) << 8));
  const z = BigInt(length + ((bytes[length - 1] as number) << 2));
  const x = ((y * K2) ^ (z * K0)) & MASK;
  return ((x ^ (x >> 47n)) * K2) & MASK;
}
