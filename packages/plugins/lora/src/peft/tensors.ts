import { decodeFloat, DTYPES, isSmallFloat, sizeOf, tensor, type TensorData } from '@anneal/graph';

/** A matrix with rows and columns swapped: checkpoints hold linear weights as `[out, in]`. */
export function transposed({ dtype, shape, data }: TensorData): TensorData {
  const [rows, columns] = shape as [number, number];
  const out = data.slice() as unknown as { [index: number]: number | bigint };
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) out[j * rows + i] = data[i * columns + j] as number | bigint;
  }
  return { dtype, shape: [columns, rows], data: out as unknown as TensorData['data'] };
}

/** The tensor as float32; `undefined` when it does not hold floats. */
export function toFloat32({ dtype, shape, data }: TensorData): TensorData | undefined {
  if (DTYPES[dtype].kind !== 'float' || DTYPES[dtype].bits < 8) return undefined;
  const out = new Float32Array(sizeOf(shape));
  for (let i = 0; i < out.length; i++) {
    const item = data[i] as number;
    out[i] = isSmallFloat(dtype) ? decodeFloat(item, dtype) : item;
  }
  return tensor('float32', shape, out);
}
