import { tensor, type TensorData } from '@anneal/graph';

/** `scale · A B`, row by row, accumulated in double precision. */
function* productRows(a: TensorData, b: TensorData, scale: number): Generator<Float64Array> {
  const [rows, rank] = a.shape as [number, number];
  const columns = b.shape[1] as number;
  const row = new Float64Array(columns);
  for (let i = 0; i < rows; i++) {
    row.fill(0);
    for (let k = 0; k < rank; k++) {
      const left = scale * Number(a.data[i * rank + k]);
      for (let j = 0; j < columns; j++) row[j] = (row[j] as number) + left * Number(b.data[k * columns + j]);
    }
    yield row;
  }
}

/** `W + scale · A B`. */
export function addProduct(w: TensorData, a: TensorData, b: TensorData, scale: number): Float64Array {
  const columns = w.shape[1] as number;
  const out = new Float64Array(w.data.length);
  let i = 0;
  for (const row of productRows(a, b, scale)) {
    for (let j = 0; j < columns; j++) out[i * columns + j] = Number(w.data[i * columns + j]) + (row[j] as number);
    i++;
  }
  return out;
}

/** Euclidean lengths of the columns of a matrix `[rows, columns]`. */
export function columnNorms(data: ArrayLike<number>, columns: number): Float64Array {
  const sums = new Float64Array(columns);
  for (let i = 0; i < data.length; i++) sums[i % columns] = (sums[i % columns] as number) + (data[i] as number) ** 2;
  return sums.map(Math.sqrt);
}

/** Columns shorter than this count as this long: a column of zeros has no direction. */
export const MIN_NORM = 1e-12;

/** The matrix with its columns stretched to the lengths of `magnitude`. */
export function stretchColumns(data: Float64Array, magnitude: TensorData): Float64Array {
  const columns = magnitude.data.length;
  const norms = columnNorms(data, columns);
  return data.map((value, i) => {
    const column = i % columns;
    return (value * Number(magnitude.data[column])) / Math.max(norms[column] as number, MIN_NORM);
  });
}

/** float32 `[rows, columns]`. */
export function matrix(shape: readonly number[], data: Float64Array): TensorData {
  return tensor('float32', shape, Float32Array.from(data));
}
