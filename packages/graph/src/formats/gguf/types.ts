import type { DType } from '../../dtype.ts';
import { DEQUANTIZE, type Dequantize } from './dequantize.ts';

/** How a tensor type of the format stores its elements. */
export interface GgufType {
  readonly name: string;
  /** Elements of a block. */
  readonly elements: number;
  /** Bytes of a block. */
  readonly bytes: number;
  /** Plain elements of this type. */
  readonly dtype?: DType | undefined;
  /** Turns blocks into floats, where that is known. */
  readonly dequantize?: Dequantize | undefined;
}

const plain = (name: string, dtype: DType, bytes: number): GgufType => ({ name, elements: 1, bytes, dtype });

const blocks = (name: string, elements: number, bytes: number): GgufType => ({
  name,
  elements,
  bytes,
  dequantize: Object.hasOwn(DEQUANTIZE, name) ? DEQUANTIZE[name] : undefined,
});

/** Tensor types by their number in files (ggml's `ggml_type`); numbers that are not here were never used or removed. */
export const GGUF_TYPES: ReadonlyMap<number, GgufType> = new Map([
  [0, plain('F32', 'float32', 4)],
  [1, plain('F16', 'float16', 2)],
  [2, blocks('Q4_0', 32, 18)],
  [3, blocks('Q4_1', 32, 20)],
  [6, blocks('Q5_0', 32, 22)],
  [7, blocks('Q5_1', 32, 24)],
  [8, blocks('Q8_0', 32, 34)],
  [9, blocks('Q8_1', 32, 40)],
  [10, blocks('Q2_K', 256, 84)],
  [11, blocks('Q3_K', 256, 110)],
  [12, blocks('Q4_K', 256, 144)],
  [13, blocks('Q5_K', 256, 176)],
  [14, blocks('Q6_K', 256, 210)],
  [15, blocks('Q8_K', 256, 292)],
  [16, blocks('IQ2_XXS', 256, 66)],
  [17, blocks('IQ2_XS', 256, 74)],
  [18, blocks('IQ3_XXS', 256, 98)],
  [19, blocks('IQ1_S', 256, 50)],
  [20, blocks('IQ4_NL', 32, 18)],
  [21, blocks('IQ3_S', 256, 110)],
  [22, blocks('IQ2_S', 256, 82)],
  [23, blocks('IQ4_XS', 256, 136)],
  [24, plain('I8', 'int8', 1)],
  [25, plain('I16', 'int16', 2)],
  [26, plain('I32', 'int32', 4)],
  [27, plain('I64', 'int64', 8)],
  [28, plain('F64', 'float64', 8)],
  [29, blocks('IQ1_M', 256, 56)],
  [30, plain('BF16', 'bfloat16', 2)],
  [34, blocks('TQ1_0', 256, 54)],
  [35, blocks('TQ2_0', 256, 66)],
  [39, blocks('MXFP4', 32, 17)],
  [40, blocks('NVFP4', 64, 36)],
  [41, blocks('Q1_0', 128, 18)],
]);
