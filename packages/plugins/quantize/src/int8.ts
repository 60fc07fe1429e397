import { tensor, type TensorData } from '@anneal/graph';

/** Integers with their scales: `value ≈ integer · scale`. */
export interface Quantized {
  readonly values: TensorData;
  readonly scales: TensorData;
}

/** Symmetric int8 with one scale per column of `[rows, columns]`: the largest magnitude becomes `limit`. */
export function quantizeColumns(weight: TensorData, limit: number = 127): Quantized {
  const [rows, columns] = weight.shape as [number, number];
  const scales = new Float32Array(columns);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++)
      scales[j] = Math.max(scales[j] as number, Math.abs(Number(weight.data[i * columns + j])));
  }
  for (let j = 0; j < columns; j++) scales[j] = (scales[j] as number) / limit;
  return round(weight, scales, (i) => i % columns, [columns]);
}

/** Symmetric int8 with one scale per row: for tables, whose rows are looked up one by one. */
export function quantizeRows(weight: TensorData, limit: number = 127): Quantized {
  const [rows, columns] = weight.shape as [number, number];
  const scales = new Float32Array(rows);
  for (let i = 0; i < weight.data.length; i++) {
    const row = Math.floor(i / columns);
    scales[row] = Math.max(scales[row] as number, Math.abs(Number(weight.data[i])));
  }
  for (let i = 0; i < rows; i++) scales[i] = (scales[i] as number) / limit;
  return round(weight, scales, (i) => Math.floor(i / columns), [rows, 1]);
}

function round(
  weight: TensorData,
  scales: Float32Array,
  scaleOf: (index: number) => number,
  shape: readonly number[],
): Quantized {
  const values = new Int8Array(weight.data.length);
  for (let i = 0; i < values.length; i++) {
    const scale = scales[scaleOf(i)] as number;
    // A column of zeros has scale 0 and stays zero.
    values[i] = scale === 0 ? 0 : Math.round(Number(weight.data[i]) / scale);
  }
  return { values: tensor('int8', weight.shape, values), scales: tensor('float32', shape, scales) };
}
