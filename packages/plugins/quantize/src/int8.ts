import { roundHalfEven, tensor, type TensorData } from '@anneal/graph';

/** Integers with their scales: `value ≈ integer · scale`. */
export interface Quantized {
  /** int8, the shape of the weight. */
  readonly values: TensorData;
  /** float32. */
  readonly scales: TensorData;
}

/**
 * Symmetric int8 with one scale per column of `[rows, columns]`: the largest magnitude of a column becomes `limit`.
 * `scales` is `[columns]`; a column of zeros has scale 0.
 */
export function quantizeColumns(weight: TensorData, limit: number = 127): Quantized {
  const columns = weight.shape[1] as number;
  return quantizeBy(weight, (i) => i % columns, [columns], limit);
}

/**
 * Symmetric int8 with one scale per row, for tables, whose rows are looked up one by one. `scales` is `[rows, 1]`.
 */
export function quantizeRows(weight: TensorData, limit: number = 127): Quantized {
  const [rows, columns] = weight.shape as [number, number];
  return quantizeBy(weight, (i) => Math.floor(i / columns), [rows, 1], limit);
}

function quantizeBy(
  weight: TensorData,
  scaleOf: (index: number) => number,
  shape: readonly number[],
  limit: number,
): Quantized {
  const { data } = weight;
  const scales = new Float32Array(shape.reduce((a, b) => a * b, 1));
  for (let i = 0; i < data.length; i++) {
    const at = scaleOf(i);
    scales[at] = Math.max(scales[at] as number, Math.abs(Number(data[i])));
  }
  for (let at = 0; at < scales.length; at++) scales[at] = (scales[at] as number) / limit;
  const values = new Int8Array(data.length);
  for (let i = 0; i < values.length; i++) {
    const scale = scales[scaleOf(i)] as number;
    values[i] = scale === 0 ? 0 : roundHalfEven(Number(data[i]) / scale);
  }
  return { values: tensor('int8', weight.shape, values), scales: tensor('float32', shape, scales) };
}
