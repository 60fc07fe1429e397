import { DTYPES, type DType } from '../dtype.ts';
import { GraphError } from '../error.ts';
import { decodeFloat, encodeFloat, isSmallFloat, largestFloat, roundFloat } from '../float16.ts';
import { sizeOf, type TensorData, zeros } from '../tensor.ts';

/** A tensor as the interpreter computes with it: every element as a double. Integers are exact below 2^53. */
export interface NdArray {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/** Ends of the 64-bit ranges: as doubles they lie one above the largest integer, so conversions meet them by clamping. */
const INT64_MAX = 2n ** 63n - 1n;
const UINT64_MAX = 2n ** 64n - 1n;

const MAX_FLOAT32 = (2 - 2 ** -23) * 2 ** 127;

/** Smallest and largest number of an integer type. */
export function integerRange(dtype: DType): readonly [low: number, high: number] {
  const { bits, kind } = DTYPES[dtype];
  if (kind === 'bool') return [0, 1];
  return kind === 'int' ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
}

/** Smallest and largest finite number of a type. */
export function finiteRange(dtype: DType): readonly [low: number, high: number] {
  if (DTYPES[dtype].kind !== 'float') return integerRange(dtype);
  const high = isSmallFloat(dtype) ? largestFloat(dtype) : dtype === 'float32' ? MAX_FLOAT32 : Number.MAX_VALUE;
  return [-high, high];
}

/** A 64-bit integer from a double; what is out of range meets the nearest end, so `INT64_MAX` survives a round trip. */
function toWide(value: number, dtype: 'int64' | 'uint64'): bigint {
  if (Number.isNaN(value)) return 0n;
  if (value >= 2 ** 64) return dtype === 'int64' ? INT64_MAX : UINT64_MAX;
  if (value >= 2 ** 63 && dtype === 'int64') return INT64_MAX;
  if (value <= -(2 ** 63)) return dtype === 'int64' ? -(2n ** 63n) : BigInt.asUintN(64, -(2n ** 63n));
  const whole = BigInt(Math.trunc(value));
  return dtype === 'uint64' ? BigInt.asUintN(64, whole) : whole;
}

function packedBits(dtype: DType): number {
  const { bits, kind } = DTYPES[dtype];
  return (kind === 'int' || kind === 'uint') && bits < 8 ? bits : 0;
}

/** Low bits of an integer, with the sign of its type. */
function wrapBits(value: number, bits: number, signed: boolean): number {
  const low = value & ((1 << bits) - 1);
  return signed && low >= 1 << (bits - 1) ? low - (1 << bits) : low;
}

/**
 * What becomes of a computed number when it is stored as `dtype`: floats round half to even, integers are truncated and
 * wrap around as in C++, booleans are 0 or 1.
 *
 * @throws GraphError `ANNEAL_E_DTYPE` for strings and complex numbers.
 */
export function roundTo(dtype: DType, data: Float64Array): Float64Array {
  if (dtype === 'float64') return data;
  if (isSmallFloat(dtype)) return data.map((v) => roundFloat(v, dtype));
  if (dtype === 'bool') return data.map((v) => (v === 0 ? 0 : 1));
  if (dtype === 'int64' || dtype === 'uint64') return data.map((v) => Number(toWide(v, dtype)));
  const bits = packedBits(dtype);
  if (bits > 0) return data.map((v) => wrapBits(v, bits, DTYPES[dtype].kind === 'int'));
  checkNumeric(dtype);
  const { array } = DTYPES[dtype];
  const stored = new array(data.length) as Float32Array;
  stored.set(data);
  return Float64Array.from(stored);
}

function checkNumeric(dtype: DType): void {
  const { kind } = DTYPES[dtype];
  if (kind === 'string' || kind === 'complex' || dtype === 'float8e8m0') {
    throw new GraphError('ANNEAL_E_DTYPE', `the interpreter does not compute with ${dtype} tensors`);
  }
}

/** The elements of a tensor as doubles. */
export function load({ dtype, shape, data }: TensorData): NdArray {
  checkNumeric(dtype);
  const out = new Float64Array(sizeOf(shape));
  const bits = DTYPES[dtype].bits;
  if (bits < 8) {
    const perByte = 8 / bits;
    const signed = DTYPES[dtype].kind === 'int';
    for (let i = 0; i < out.length; i++) {
      const code = (Number(data[Math.floor(i / perByte)]) >> ((i % perByte) * bits)) & ((1 << bits) - 1);
      out[i] = isSmallFloat(dtype) ? decodeFloat(code, dtype) : wrapBits(code, bits, signed);
    }
  } else if (isSmallFloat(dtype)) {
    for (let i = 0; i < out.length; i++) out[i] = decodeFloat(data[i] as number, dtype);
  } else {
    for (let i = 0; i < out.length; i++) out[i] = Number(data[i]);
  }
  return { dtype, shape, data: out };
}

/**
 * The elements as numbers, whatever they are stored as: 16-bit floats decoded, packed types unpacked.
 *
 * @throws GraphError `ANNEAL_E_DTYPE` for strings and complex numbers.
 */
export function toNumbers(t: TensorData): Float64Array {
  return load(t).data;
}

/** The tensor of elements that {@link roundTo} has rounded. */
export function store({ dtype, shape, data }: NdArray): TensorData {
  checkNumeric(dtype);
  const out = zeros(dtype, shape);
  const bits = DTYPES[dtype].bits;
  const target = out.data as { [index: number]: number | bigint };
  if (bits < 8) {
    const perByte = 8 / bits;
    data.forEach((value, i) => {
      const code = (isSmallFloat(dtype) ? encodeFloat(value, dtype) : value) & ((1 << bits) - 1);
      const at = Math.floor(i / perByte);
      target[at] = Number(target[at]) | (code << ((i % perByte) * bits));
    });
  } else if (isSmallFloat(dtype)) {
    for (let i = 0; i < data.length; i++) target[i] = encodeFloat(data[i] as number, dtype);
  } else if (dtype === 'int64' || dtype === 'uint64') {
    for (let i = 0; i < data.length; i++) target[i] = toWide(data[i] as number, dtype);
  } else (out.data as Float32Array).set(data);
  return out;
}
