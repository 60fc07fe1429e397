import type { DType, TypedArray } from '@anneal/graph';

/** Element types that onnxruntime-node 1.30 takes and gives at the edge of a graph. */
export type EdgeType =
  | 'float32'
  | 'float64'
  | 'float16'
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'uint8'
  | 'uint16'
  | 'uint32'
  | 'uint64'
  | 'bool';

/** Their arrays: 16-bit floats as their bits. The worker loads this file, so it imports nothing. */
export const EDGE_ARRAYS: Readonly<Record<EdgeType, new (length: number) => TypedArray>> = {
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
};

export function isEdgeType(dtype: DType): dtype is EdgeType {
  return Object.hasOwn(EDGE_ARRAYS, dtype);
}
