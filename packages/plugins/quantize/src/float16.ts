import { tensor, type TensorData, toFloat16Bits } from '@anneal/graph';

/** Largest float16. */
const MAX = 65_504;

/** The weight rounded to float16; `undefined` when a number is too large for it. */
export function toFloat16(weight: TensorData): TensorData | undefined {
  const values = Float32Array.from(weight.data as Float32Array);
  if (values.some((value) => Math.abs(value) > MAX)) return undefined;
  return tensor('float16', weight.shape, toFloat16Bits(values, 'float16'));
}
