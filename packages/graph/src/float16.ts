import type { DType } from './dtype.ts';

/** Element types that {@link encodeFloat} and {@link decodeFloat} know. */
export type SmallFloat =
  | 'float16'
  | 'bfloat16'
  | 'float8e5m2'
  | 'float8e5m2fnuz'
  | 'float8e4m3fn'
  | 'float8e4m3fnuz'
  | 'float4e2m1';

/** A small floating-point format: sign, exponent, mantissa; `specials` says which codes are not numbers. */
interface FloatFormat {
  readonly exponentBits: number;
  readonly mantissaBits: number;
  readonly bias: number;
  /** Largest finite value. */
  readonly max: number;
  /** `ieee`: infinities and NaN; `fn`: only NaN, all ones; `fnuz`: NaN is the code of -0; `none`: all are numbers. */
  readonly specials: 'ieee' | 'fn' | 'fnuz' | 'none';
}

/** Floats narrower than 32 bits, as the ONNX specification lists them (IEEE 754-2008; Micikevicius et al., 2022; OCP MX). */
const FORMATS: Readonly<Record<SmallFloat, FloatFormat>> = {
  float16: { exponentBits: 5, mantissaBits: 10, bias: 15, max: 65504, specials: 'ieee' },
  bfloat16: { exponentBits: 8, mantissaBits: 7, bias: 127, max: 0xff * 2 ** 120, specials: 'ieee' },
  float8e5m2: { exponentBits: 5, mantissaBits: 2, bias: 15, max: 57344, specials: 'ieee' },
  float8e5m2fnuz: { exponentBits: 5, mantissaBits: 2, bias: 16, max: 57344, specials: 'fnuz' },
  float8e4m3fn: { exponentBits: 4, mantissaBits: 3, bias: 7, max: 448, specials: 'fn' },
  float8e4m3fnuz: { exponentBits: 4, mantissaBits: 3, bias: 8, max: 240, specials: 'fnuz' },
  float4e2m1: { exponentBits: 2, mantissaBits: 1, bias: 1, max: 6, specials: 'none' },
};

/** Whether an element type is float16 or bfloat16. */
export function isSmallFloat(dtype: DType): dtype is SmallFloat {
  return Object.hasOwn(FORMATS, dtype);
}

/** The largest finite number of a small format. */
export function largestFloat(dtype: SmallFloat): number {
  return FORMATS[dtype].max;
}

/** Half to even, as IEEE 754 and ONNX `Round` do. */
export function roundHalfEven(x: number): number {
  if (!Number.isFinite(x)) return x;
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest < 0.5) return floor;
  if (rest > 0.5) return floor + 1 === 0 ? -0 : floor + 1;
  const even = floor % 2 === 0 ? floor : floor + 1;
  return even === 0 && x < 0 ? -0 : even;
}

const scratch: Float64Array = new Float64Array(1);
const scratchWords: Uint32Array = new Uint32Array(scratch.buffer);
const scratchFloat: Float32Array = new Float32Array(scratch.buffer);

/** `floor(log2(x))` of a positive number, from its bits; at most -1023 for subnormal ones. */
function exponentOf(x: number): number {
  scratch[0] = x;
  return (((scratchWords[1] as number) >>> 20) & 0x7ff) - 1023;
}

/**
 * The bits of the nearest number of a small format, ties to even. What is beyond the range becomes infinite, or NaN
 * where the format has no infinity, or with `saturate` (and where it has neither) the largest finite number.
 */
export function encodeFloat(value: number, dtype: SmallFloat, saturate: boolean = false): number {
  const { exponentBits, mantissaBits, bias, max, specials } = FORMATS[dtype];
  const sign = value < 0 || Object.is(value, -0) ? 1 << (exponentBits + mantissaBits) : 0;
  const ones = (1 << (exponentBits + mantissaBits)) - 1;
  const infinity = ((1 << exponentBits) - 1) << mantissaBits;
  const nan = { ieee: infinity | (1 << (mantissaBits - 1)), fn: ones, fnuz: ones + 1, none: ones }[specials];
  if (Number.isNaN(value)) return nan;
  const size = Math.abs(value);
  const least = 1 - bias;
  const exponent = Math.max(exponentOf(size), least);
  const quantum = 2 ** (exponent - mantissaBits);
  let rounded = Number.isFinite(size) ? roundHalfEven(size / quantum) * quantum : size;
  if (rounded > max) {
    if (!saturate && specials === 'ieee') return sign | infinity;
    if (!saturate && specials !== 'none') return nan;
    rounded = max;
  }
  if (rounded === 0) return specials === 'fnuz' ? 0 : sign;
  if (rounded < 2 ** least) return sign | (rounded / 2 ** (least - mantissaBits));
  const e = exponentOf(rounded);
  return sign | ((e + bias) << mantissaBits) | ((rounded / 2 ** e - 1) * (1 << mantissaBits));
}

/** The number that bits of a small format stand for. */
export function decodeFloat(bits: number, dtype: SmallFloat): number {
  const { exponentBits, mantissaBits, bias, specials } = FORMATS[dtype];
  const ones = (1 << (exponentBits + mantissaBits)) - 1;
  const negative = bits > ones;
  const code = bits & ones;
  if (specials === 'fnuz' && negative && code === 0) return Number.NaN;
  if (specials === 'fn' && code === ones) return Number.NaN;
  const exponent = code >> mantissaBits;
  const mantissa = code & ((1 << mantissaBits) - 1);
  let size: number;
  if (specials === 'ieee' && exponent === (1 << exponentBits) - 1) size = mantissa === 0 ? Infinity : Number.NaN;
  else if (exponent === 0) size = mantissa * 2 ** (1 - bias - mantissaBits);
  else size = (1 + mantissa / (1 << mantissaBits)) * 2 ** (exponent - bias);
  return negative ? -size : size;
}

/** The nearest number of a small format. */
export function roundFloat(value: number, dtype: SmallFloat): number {
  return decodeFloat(encodeFloat(value, dtype), dtype);
}

/** Bits of `float16` or `bfloat16` numbers, rounded half to even. Fast for a `Float32Array`. */
export function toFloat16Bits(values: ArrayLike<number>, dtype: 'float16' | 'bfloat16'): Uint16Array<ArrayBuffer> {
  const out = new Uint16Array(values.length);
  if (!(values instanceof Float32Array)) {
    for (let i = 0; i < out.length; i++) out[i] = encodeFloat(values[i] as number, dtype);
    return out;
  }
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const narrow = dtype === 'float16' ? float16OfWord : bfloat16OfWord;
  for (let i = 0; i < out.length; i++) out[i] = narrow(words[i] as number);
  return out;
}

/** From the bits of a float32: adding just under half of what is cut off, or half when the result is odd, rounds. */
function bfloat16OfWord(word: number): number {
  if ((word & 0x7fffffff) > 0x7f800000) return 0x7fc0;
  return (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
}

function float16OfWord(word: number): number {
  const size = word & 0x7fffffff;
  const sign = (word >>> 16) & 0x8000;
  if (size > 0x7f800000) return 0x7e00;
  if (size >= 0x47800000) return sign | 0x7c00;
  if (size < 0x38800000) {
    // Below the normal numbers steps are 2^-24.
    scratchWords[0] = size;
    return sign | roundHalfEven((scratchFloat[0] as number) * 2 ** 24);
  }
  const biased = size - 0x38000000;
  return sign | ((biased + 0xfff + ((biased >>> 13) & 1)) >>> 13);
}

/** The numbers that bits of `float16` or `bfloat16` stand for; float32 holds each exactly. */
export function fromFloat16Bits(bits: Uint16Array, dtype: 'float16' | 'bfloat16'): Float32Array<ArrayBuffer> {
  const out = new Float32Array(bits.length);
  const words = new Uint32Array(out.buffer);
  for (let i = 0; i < out.length; i++) {
    const code = bits[i] as number;
    const exponent = code & 0x7c00;
    if (dtype === 'bfloat16') words[i] = code << 16;
    else if (exponent === 0 || exponent === 0x7c00) out[i] = decodeFloat(code, 'float16');
    else words[i] = ((code & 0x8000) << 16) | (((code & 0x7fff) << 13) + 0x38000000);
  }
  return out;
}
