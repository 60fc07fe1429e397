import { DTYPES, type DType, type TypedArray } from './dtype.ts';
import { GraphError } from './error.ts';
import { encodeFloat, isSmallFloat } from './float16.ts';

/** A tensor in memory: row-major elements; `float16`/`bfloat16` as their bits, 4-bit types packed two a byte. */
export interface TensorData {
  /** Of the elements. */
  readonly dtype: DType;
  /** Static shape; `[]` is a scalar. */
  readonly shape: readonly number[];
  /** Row by row. */
  readonly data: TypedArray;
}

/** Where bytes come from: a file range, memory, or an HTTP range. `size` is the number of bytes in it. */
export interface ByteSource {
  /** Shown in errors: a path or URL. */
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  /** Exactly `length` bytes from `offset`. Rejects when the range is outside the source. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** The path of the file behind it, when there is one: lets a runtime map it into memory instead of copying. */
  readonly path?: string | undefined;
}

/** A tensor whose bytes stay where they are until asked for. */
export interface LazyTensor {
  /** Of the elements. */
  readonly dtype: DType;
  /** Outermost axis first. */
  readonly shape: readonly number[];
  /** Where the bytes lie. */
  readonly source: ByteSource;
  /** Byte offset of the first element in `source`. */
  readonly offset: number;
}

/** Elements in memory, or where they lie. */
export type TensorSource = TensorData | LazyTensor;

/** Number of elements of a static shape. */
export function sizeOf(shape: readonly number[]): number {
  let size = 1;
  for (const dim of shape) size *= dim;
  return size;
}

/** Bytes that the elements take (packed types rounded up). */
export function byteLengthOf(dtype: DType, shape: readonly number[]): number {
  return Math.ceil((sizeOf(shape) * DTYPES[dtype].bits) / 8);
}

/** Elements of the backing array for `shape` elements of `dtype`. */
function arrayLength(dtype: DType, shape: readonly number[]): number {
  const info = DTYPES[dtype];
  return Math.ceil((sizeOf(shape) * info.bits) / 8 / info.array.BYTES_PER_ELEMENT);
}

/**
 * A tensor from numbers (converted to `dtype`), or from a typed array that already holds the elements (not copied).
 *
 * @throws GraphError `ANNEAL_E_SHAPE` when the number of elements does not fit the shape.
 */
export function tensor(
  dtype: DType,
  shape: readonly number[],
  data: TypedArray | readonly number[] | readonly bigint[] | readonly boolean[],
): TensorData {
  const length = arrayLength(dtype, shape);
  if (data.length !== length) {
    throw new GraphError(
      'ANNEAL_E_SHAPE',
      `tensor: ${dtype}[${shape}] needs ${length} elements, received ${data.length}`,
    );
  }
  const { array } = DTYPES[dtype];
  if (data instanceof array) return { dtype, shape: [...shape], data };
  const out = new array(length);
  const convert = converterTo(dtype);
  for (let i = 0; i < length; i++) {
    (out as { [index: number]: number | bigint })[i] = convert(data[i] as number | bigint | boolean);
  }
  return { dtype, shape: [...shape], data: out };
}

/** Numbers as a backing array holds them. Elements of less than a byte are given as they are packed. */
function converterTo(dtype: DType): (item: number | bigint | boolean) => number | bigint {
  const { array, bits } = DTYPES[dtype];
  if (array === BigInt64Array || array === BigUint64Array) return BigInt;
  return isSmallFloat(dtype) && bits >= 8 ? (item) => encodeFloat(Number(item), dtype) : Number;
}

/** A tensor of zeros. */
export function zeros(dtype: DType, shape: readonly number[]): TensorData {
  return { dtype, shape: [...shape], data: new DTYPES[dtype].array(arrayLength(dtype, shape)) };
}

/** The elements as bytes, without a copy. */
export function bytesOf(t: TensorData): Uint8Array {
  return new Uint8Array(t.data.buffer, t.data.byteOffset, t.data.byteLength);
}

/**
 * A tensor over `bytes` (little-endian elements), copied only when the alignment demands it.
 *
 * @throws GraphError `ANNEAL_E_SHAPE` when the number of bytes does not fit.
 */
export function tensorFromBytes(dtype: DType, shape: readonly number[], bytes: Uint8Array): TensorData {
  const expected = byteLengthOf(dtype, shape);
  if (bytes.byteLength !== expected) {
    throw new GraphError(
      'ANNEAL_E_SHAPE',
      `tensor: ${dtype}[${shape}] takes ${expected} bytes, received ${bytes.byteLength}`,
    );
  }
  const { array } = DTYPES[dtype];
  const aligned = bytes.byteOffset % array.BYTES_PER_ELEMENT === 0 ? bytes : new Uint8Array(bytes);
  return {
    dtype,
    shape: [...shape],
    data: new array(aligned.buffer, aligned.byteOffset, arrayLength(dtype, shape)),
  };
}

/** Whether the elements lie elsewhere. */
export function isLazy(t: TensorSource): t is LazyTensor {
  return 'source' in t;
}

/** The tensor's elements in memory; reads them when they are lazy. */
export async function loadTensor(t: TensorSource): Promise<TensorData> {
  if (!isLazy(t)) return t;
  return tensorFromBytes(t.dtype, t.shape, await t.source.read(t.offset, byteLengthOf(t.dtype, t.shape)));
}
