/** Element types, named as in safetensors/NumPy; the set is ONNX's. */
export type DType =
  | 'float32'
  | 'float64'
  | 'float16'
  | 'bfloat16'
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'uint8'
  | 'uint16'
  | 'uint32'
  | 'uint64'
  | 'bool'
  | 'string'
  | 'int4'
  | 'uint4'
  | 'int2'
  | 'uint2'
  | 'float8e4m3fn'
  | 'float8e4m3fnuz'
  | 'float8e5m2'
  | 'float8e5m2fnuz'
  | 'float8e8m0'
  | 'float4e2m1'
  | 'complex64'
  | 'complex128';

/** Elements of a tensor in memory. */
export type TypedArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

interface TypedArrayConstructor {
  readonly BYTES_PER_ELEMENT: number;
  new (length: number): TypedArray;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): TypedArray;
}

/** What an element type is. */
export interface DTypeInfo {
  /** `TensorProto.DataType` number. */
  readonly onnx: number;
  /** Bits per element: 4-bit and 2-bit elements are packed, little end first. `0` for strings. */
  readonly bits: number;
  /** What arithmetic applies. */
  readonly kind: 'float' | 'int' | 'uint' | 'bool' | 'complex' | 'string';
  /** The array that holds the raw elements (16-bit floats as their bits, packed types as bytes). */
  readonly array: TypedArrayConstructor;
}

/** Every fact about element types that the packages need, in one table. */
export const DTYPES: Readonly<Record<DType, DTypeInfo>> = {
  float32: { onnx: 1, bits: 32, kind: 'float', array: Float32Array },
  uint8: { onnx: 2, bits: 8, kind: 'uint', array: Uint8Array },
  int8: { onnx: 3, bits: 8, kind: 'int', array: Int8Array },
  uint16: { onnx: 4, bits: 16, kind: 'uint', array: Uint16Array },
  int16: { onnx: 5, bits: 16, kind: 'int', array: Int16Array },
  int32: { onnx: 6, bits: 32, kind: 'int', array: Int32Array },
  int64: { onnx: 7, bits: 64, kind: 'int', array: BigInt64Array },
  string: { onnx: 8, bits: 0, kind: 'string', array: Uint8Array },
  bool: { onnx: 9, bits: 8, kind: 'bool', array: Uint8Array },
  float16: { onnx: 10, bits: 16, kind: 'float', array: Uint16Array },
  float64: { onnx: 11, bits: 64, kind: 'float', array: Float64Array },
  uint32: { onnx: 12, bits: 32, kind: 'uint', array: Uint32Array },
  uint64: { onnx: 13, bits: 64, kind: 'uint', array: BigUint64Array },
  complex64: { onnx: 14, bits: 64, kind: 'complex', array: Float32Array },
  complex128: { onnx: 15, bits: 128, kind: 'complex', array: Float64Array },
  bfloat16: { onnx: 16, bits: 16, kind: 'float', array: Uint16Array },
  float8e4m3fn: { onnx: 17, bits: 8, kind: 'float', array: Uint8Array },
  float8e4m3fnuz: { onnx: 18, bits: 8, kind: 'float', array: Uint8Array },
  float8e5m2: { onnx: 19, bits: 8, kind: 'float', array: Uint8Array },
  float8e5m2fnuz: { onnx: 20, bits: 8, kind: 'float', array: Uint8Array },
  uint4: { onnx: 21, bits: 4, kind: 'uint', array: Uint8Array },
  int4: { onnx: 22, bits: 4, kind: 'int', array: Uint8Array },
  float4e2m1: { onnx: 23, bits: 4, kind: 'float', array: Uint8Array },
  float8e8m0: { onnx: 24, bits: 8, kind: 'float', array: Uint8Array },
  uint2: { onnx: 25, bits: 2, kind: 'uint', array: Uint8Array },
  int2: { onnx: 26, bits: 2, kind: 'int', array: Uint8Array },
};

const byOnnx: ReadonlyMap<number, DType> = new Map(
  Object.entries(DTYPES).map(([name, { onnx }]): [number, DType] => [onnx, name as DType]),
);

/** The dtype of an ONNX `TensorProto.DataType` number, or `undefined`. */
export function dtypeFromOnnx(code: number): DType | undefined {
  return byOnnx.get(code);
}

/** Whether an element type is a floating-point number. */
export function isFloat(dtype: DType): boolean {
  return DTYPES[dtype].kind === 'float';
}
