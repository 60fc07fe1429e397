import { roundHalfEven, tensor, type TensorData } from '@anneal/graph';

/** 4-bit codes in blocks, as the operator `MatMulNBits` reads them: `value ≈ (code - 8) · scale`. */
export interface BlockQuantized {
  /** uint8 `[columns, blocks, blockSize / 2]`: two codes a byte, the even one in the low half. */
  readonly values: TensorData;
  /** float32 `[columns · blocks]`. */
  readonly scales: TensorData;
}

/** The code of 0. */
const ZERO = 8;

/**
 * Symmetric 4 bits for `[rows, columns]`, one scale for each `blockSize` rows of a column. The number of the largest
 * magnitude in a block becomes exactly code 0, that is -8 · scale, so that all sixteen codes are of use. Rows beyond
 * the last are 0.
 */
export function quantizeBlocks(weight: TensorData, blockSize: number): BlockQuantized {
  const [rows, columns] = weight.shape as [number, number];
  const blocks = Math.ceil(rows / blockSize);
  const values = new Uint8Array((columns * blocks * blockSize) / 2).fill(ZERO * 0x11);
  const scales = new Float32Array(columns * blocks);
  for (let column = 0; column < columns; column++) {
    for (let block = 0; block < blocks; block++) {
      const [from, to] = [block * blockSize, Math.min((block + 1) * blockSize, rows)];
      const at = column * blocks + block;
      const scale = Math.fround(extreme(weight.data, columns, column, from, to) / -ZERO);
      scales[at] = scale;
      if (scale === 0) continue;
      for (let row = from; row < to; row++) {
        const code = Math.min(
          15,
          Math.max(0, roundHalfEven(Number(weight.data[row * columns + column]) / scale) + ZERO),
        );
        const index = at * blockSize + row - from;
        const byte = index >> 1;
        const kept = values[byte] as number;
        values[byte] = index % 2 === 0 ? (kept & 0xf0) | code : (kept & 0x0f) | (code << 4);
      }
    }
  }
  return {
    values: tensor('uint8', [columns, blocks, blockSize / 2], values),
    scales: tensor('float32', [columns * blocks], scales),
  };
}

/** The number of the largest magnitude, with its sign. */
function extreme(data: TensorData['data'], columns: number, column: number, from: number, to: number): number {
  let found = 0;
  for (let row = from; row < to; row++) {
    const value = Number(data[row * columns + column]);
    if (Math.abs(value) > Math.abs(found)) found = value;
  }
  return found;
}
