import {
  DTYPES,
  type DType,
  GraphError,
  sizeOf,
  type TensorData,
  toNumbers,
  type TypedArray,
  zeros,
} from '@anneal/graph';
import type { Elements, Type } from './kernels.ts';

/** What holds the elements of each type on a device. Integers have 32 bits there, and there are no other floats. */
const HELD: Partial<Record<DType, Type>> = {
  float32: 'float32',
  bool: 'bool',
  int64: 'int32',
  int32: 'int32',
  int16: 'int32',
  int8: 'int32',
  int4: 'int32',
  int2: 'int32',
  uint16: 'int32',
  uint8: 'int32',
  uint4: 'int32',
  uint2: 'int32',
};

/** Floats that weights may be stored in: they are widened when they are placed. */
const STORED: ReadonlySet<DType> = new Set(['float16', 'bfloat16', 'float8e4m3fn', 'float8e5m2']);

/** How elements of `dtype` are held; `undefined` when they cannot be. */
export function heldAs(dtype: DType): Type | undefined {
  return HELD[dtype];
}

/** The same for weights and constants, which are converted on their way. */
export function placedAs(dtype: DType): Type | undefined {
  return HELD[dtype] ?? (STORED.has(dtype) ? 'float32' : undefined);
}

const MIN = -(2n ** 31n);
const MAX = 2n ** 31n - 1n;

function narrowed(what: string, data: BigInt64Array): Int32Array {
  const out = new Int32Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const value = data[i] as bigint;
    if (value < MIN || value > MAX) {
      throw new GraphError(
        'ANNEAL_E_DTYPE',
        `${what}: element ${i} is ${value}, TensorFlow.js has integers of 32 bits`,
        {
          fix: 'use numbers from -2147483648 to 2147483647, or the backend `onnx`',
        },
      );
    }
    out[i] = Number(value);
  }
  return out;
}

/**
 * The elements of a tensor as a device takes them; in an array of their own unless they are so already.
 *
 * @throws GraphError `ANNEAL_E_DTYPE` when it has no such type, or a number is outside its range.
 */
export function toDevice(what: string, tensor: TensorData): { readonly data: Elements; readonly dtype: Type } {
  const { dtype, data } = tensor;
  const type = placedAs(dtype);
  if (type === undefined) throw unsupported(what, dtype);
  if (dtype === 'float32' || dtype === 'int32' || dtype === 'bool') return { data: data as Elements, dtype: type };
  if (dtype === 'int64') return { data: narrowed(what, data as BigInt64Array), dtype: type };
  return {
    data: type === 'float32' ? Float32Array.from(toNumbers(tensor)) : Int32Array.from(toNumbers(tensor)),
    dtype: type,
  };
}

/** Elements that came from a device, as a tensor of `dtype`. */
export function fromDevice(data: Elements, dtype: DType, shape: readonly number[]): TensorData {
  const { array } = DTYPES[dtype];
  if (data instanceof array) return { dtype, shape, data };
  const out = zeros(dtype, shape);
  const target = out.data as { [index: number]: number | bigint };
  const count = sizeOf(shape);
  if (dtype === 'int64') for (let i = 0; i < count; i++) target[i] = BigInt(data[i] as number);
  else (out.data as Exclude<TypedArray, BigInt64Array | BigUint64Array>).set(data);
  return out;
}

export function unsupported(what: string, dtype: DType, at?: Readonly<Record<string, string>>): GraphError {
  return new GraphError('ANNEAL_E_DTYPE', `${what} is ${dtype}, which TensorFlow.js does not have`, {
    fix:
      DTYPES[dtype].kind === 'float'
        ? 'cast to float32 before it, or use the backend `onnx`'
        : 'use int32 or int64, or the backend `onnx`',
    at,
  });
}
