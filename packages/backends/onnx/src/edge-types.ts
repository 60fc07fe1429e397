import type { DType, TypedArray } from '@anneal/graph';

/**
 * Element types that onnxruntime-node 1.30 takes and gives at the edge of a graph, and the arrays that hold them: 16-bit
 * floats as their bits. The worker loads this file, so it imports nothing.
 */
export const EDGE_ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
} as const satisfies Partial<Record<DType, unknown>>;

export type EdgeType = keyof typeof EDGE_ARRAYS;

export function isEdgeType(dtype: DType): dtype is EdgeType {
  return Object.hasOwn(EDGE_ARRAYS, dtype);
}

/** The elements as the array of their type, without a copy. */
export function asArray(dtype: EdgeType, { buffer, byteOffset, length }: TypedArray): TypedArray {
  return new EDGE_ARRAYS[dtype](buffer as ArrayBuffer, byteOffset, length);
}
