import type { Elements } from '../device/kernels.ts';

/** Runs shorter than this are copied element by element: a call of `set` costs as much. */
const SHORT = 24;

/**
 * Writes, for every index of `shape` in order, the element that `strides` put it at: slicing, broadcasting, repeating and
 * transposing are this one loop.
 */
export function copyStrided(
  from: Elements,
  to: Elements,
  shape: readonly number[],
  strides: readonly number[],
  base: number,
): void {
  const axes = merged(shape, strides);
  const inner = axes.pop();
  if (inner === undefined) {
    if (to.length > 0) to[0] = from[base] as number;
    return;
  }
  const [length, stride] = inner;
  const index = axes.map(() => 0);
  let source = base;
  for (let target = 0; target < to.length; target += length) {
    if (stride === 1 && length >= SHORT) to.set(from.subarray(source, source + length), target);
    else if (stride === 0) to.fill(from[source] as number, target, target + length);
    else for (let i = 0, at = source; i < length; i++, at += stride) to[target + i] = from[at] as number;
    for (let axis = axes.length - 1; axis >= 0; axis--) {
      const [dim, step] = axes[axis] as [number, number];
      const next = (index[axis] as number) + 1;
      source += step;
      if (next < dim) {
        index[axis] = next;
        break;
      }
      index[axis] = 0;
      source -= step * dim;
    }
  }
}

/** `[dim, stride]` of axes, neighbours that follow each other in memory as one. */
function merged(shape: readonly number[], strides: readonly number[]): [number, number][] {
  const axes: [number, number][] = [];
  shape.forEach((dim, i) => {
    if (dim === 1) return;
    const stride = strides[i] as number;
    const last = axes.at(-1);
    if (last !== undefined && last[1] === stride * dim) {
      last[0] *= dim;
      last[1] = stride;
    } else axes.push([dim, stride]);
  });
  return axes;
}

const BLOCK = 32;

/** In blocks that a cache holds. */
export function transposeMatrix(from: Elements, to: Elements, rows: number, columns: number): void {
  for (let top = 0; top < rows; top += BLOCK) {
    const bottom = Math.min(rows, top + BLOCK);
    for (let left = 0; left < columns; left += BLOCK) {
      const right = Math.min(columns, left + BLOCK);
      for (let column = left; column < right; column++) {
        for (let row = top, at = column * rows + top; row < bottom; row++, at++) {
          to[at] = from[row * columns + column] as number;
        }
      }
    }
  }
}
