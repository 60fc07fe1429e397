import { fromFloat16Bits, tensor, type TensorData } from '@anneal/graph';
import { describe, expect, it } from 'vitest';

import { quantizeBlocks, quantizeColumns, quantizeRows, toFloat16 } from '../src/index.ts';
import { gaussian } from './models.ts';

const numbers = ({ data }: TensorData): number[] => Array.from(data as Float32Array);

describe('int8', () => {
  it('has one scale a column, whose largest magnitude becomes 127', () => {
    const { values, scales } = quantizeColumns(tensor('float32', [3, 2], [127, 0.5, -63.5, -2, 1.4, 1]));
    expect(numbers(scales)).toEqual([1, Math.fround(2 / 127)]);
    expect(numbers(values)).toEqual([127, 32, -64, -127, 1, 64]);
    expect(values).toMatchObject({ dtype: 'int8', shape: [3, 2] });
    expect(scales.shape).toEqual([2]);
  });

  it('has one scale a row of a table', () => {
    const { values, scales } = quantizeRows(tensor('float32', [2, 2], [127, -1, 0.254, 0.1]));
    expect(scales).toMatchObject({ dtype: 'float32', shape: [2, 1] });
    expect(numbers(values)).toEqual([127, -1, 127, 50]);
  });

  it('rounds half to even', () => {
    // Scale 1: the last row sets it.
    const { values } = quantizeColumns(tensor('float32', [7, 1], [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 127]));
    expect(numbers(values)).toEqual([0, 2, 2, 0, -2, -2, 127]);
  });

  it('keeps a column of zeros, and of numbers too small to have a scale', () => {
    const { values, scales } = quantizeColumns(tensor('float32', [2, 3], [0, 1, 1e-45, 0, -1, 0]));
    expect(numbers(scales)).toEqual([0, Math.fround(1 / 127), 0]);
    expect(numbers(values)).toEqual([0, 127, 0, 0, -127, 0]);
  });

  it.each([127, 63])('is within half a step, and symmetric, with the limit %i', (limit) => {
    const weight = gaussian('int8', 64, 33);
    const { values, scales } = quantizeColumns(weight, limit);
    const negated = quantizeColumns(
      tensor(
        'float32',
        weight.shape,
        numbers(weight).map((value) => -value),
      ),
      limit,
    );
    expect(numbers(negated.values)).toEqual(numbers(values).map((value) => 0 - value));
    numbers(weight).forEach((value, i) => {
      const scale = numbers(scales)[i % 33]!;
      expect(Math.abs(numbers(values)[i]!)).toBeLessThanOrEqual(limit);
      expect(Math.abs(value - numbers(values)[i]! * scale)).toBeLessThanOrEqual(0.5 * scale * (1 + 1e-6));
    });
  });
});

describe('int4', () => {
  /** The numbers that blocks stand for, `[rows, columns]`. */
  function restored({ values, scales }: ReturnType<typeof quantizeBlocks>, rows: number, columns: number): number[] {
    const [, blocks, half] = values.shape as [number, number, number];
    return Array.from({ length: rows * columns }, (_, i) => {
      const [row, column] = [Math.floor(i / columns), i % columns];
      const at = column * blocks + Math.floor(row / (2 * half));
      const within = row % (2 * half);
      const byte = values.data[at * half + (within >> 1)] as number;
      return (((within % 2 === 0 ? byte : byte >> 4) & 15) - 8) * numbers(scales)[at]!;
    });
  }

  it('makes the number of the largest magnitude code 0, and packs the even row low', () => {
    const { values, scales } = quantizeBlocks(tensor('float32', [4, 1], [-8, 1, 3.5, -4.4]), 4);
    expect(numbers(scales)).toEqual([1]);
    expect(Array.from(values.data, Number)).toEqual([0 | (9 << 4), 12 | (4 << 4)]);
    expect(values).toMatchObject({ dtype: 'uint8', shape: [1, 1, 2] });
    // A positive one gives a negative scale.
    expect(numbers(quantizeBlocks(tensor('float32', [2, 1], [8, -1]), 2).scales)).toEqual([-1]);
  });

  it('fills the last block of a column up with zeros', () => {
    const block = quantizeBlocks(tensor('float32', [3, 2], [1, -8, 2, 4, -16, 2]), 4);
    expect(block.values.shape).toEqual([2, 1, 2]);
    expect((block.values.data[1] as number) >> 4).toBe(8);
    expect(restored(block, 3, 2)).toEqual([0, -8, 2, 4, -16, 2]);
  });

  it('keeps blocks of zeros', () => {
    const block = quantizeBlocks(tensor('float32', [4, 1], [0, 0, 1, -1]), 2);
    expect(numbers(block.scales)).toEqual([-0, -0.125]);
    expect(restored(block, 4, 1).map((value) => value + 0)).toEqual([0, 0, 1, -0.875]);
  });

  it.each([
    [64, 5],
    [40, 3],
    [7, 2],
  ])('is within half a step, but for the far end, of [%i, %i]', (rows, columns) => {
    const weight = gaussian('int4', rows, columns);
    const blocks = quantizeBlocks(weight, 32);
    const back = restored(blocks, rows, columns);
    const perColumn = Math.ceil(rows / 32);
    numbers(weight).forEach((value, i) => {
      const scale = numbers(blocks.scales)[(i % columns) * perColumn + Math.floor(i / columns / 32)]!;
      // Codes end at 7: what lies between 7.5 and 8 steps on the other side is cut.
      const limit = value / scale > 7.5 ? 1 : 0.5;
      expect(Math.abs(value - back[i]!)).toBeLessThanOrEqual(limit * Math.abs(scale) * (1 + 1e-6));
    });
  });
});

describe('fp16', () => {
  it('rounds to the nearest half, and leaves what is too large', () => {
    const weight = gaussian('fp16', 100);
    const half = toFloat16(weight)!;
    expect(half).toMatchObject({ dtype: 'float16', shape: [100] });
    const back = fromFloat16Bits(half.data as Uint16Array, 'float16');
    numbers(weight).forEach((value, i) =>
      expect(Math.abs(value - back[i]!)).toBeLessThanOrEqual(Math.abs(value) * 2 ** -11),
    );
    expect(toFloat16(tensor('float32', [2], [1, 65_504]))).toBeDefined();
    expect(toFloat16(tensor('float32', [2], [1, -65_505]))).toBeUndefined();
  });
});
