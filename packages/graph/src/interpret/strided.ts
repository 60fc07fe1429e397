import { GraphError } from '../error.ts';
import { broadcastShapes } from '../infer/types.ts';
import { sizeOf } from '../tensor.ts';

/** Row-major strides, in elements. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides: number[] = [];
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = step;
    step *= shape[i] as number;
  }
  return strides;
}

/**
 * For every element of `shape` in row-major order, where `strides` put it: the whole of slicing, transposing,
 * broadcasting and reducing.
 */
export function offsets(shape: readonly number[], strides: readonly number[], base: number = 0): Int32Array {
  const out = new Int32Array(sizeOf(shape));
  const index = shape.map(() => 0);
  let at = base;
  for (let i = 0; i < out.length; i++) {
    out[i] = at;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const next = (index[axis] as number) + 1;
      at += strides[axis] as number;
      if (next < (shape[axis] as number)) {
        index[axis] = next;
        break;
      }
      index[axis] = 0;
      at -= (strides[axis] as number) * next;
    }
  }
  return out;
}

/** Offsets into a tensor of `shape` for every element of the shape that it is broadcast to. */
export function broadcastOffsets(shape: readonly number[], to: readonly number[]): Int32Array {
  const strides = stridesOf(shape);
  const shift = to.length - shape.length;
  return offsets(
    to,
    to.map((_, i) => (i < shift || shape[i - shift] === 1 ? 0 : (strides[i - shift] as number))),
  );
}

/** NumPy's broadcasting of shapes that are known to be static. @throws GraphError `ANNEAL_E_SHAPE` */
export function broadcastStatic(op: string, shapes: readonly (readonly number[])[]): readonly number[] {
  let out: readonly number[] = [];
  for (const shape of shapes) {
    const next = broadcastShapes(out, shape);
    if (next === undefined) {
      throw new GraphError(
        'ANNEAL_E_SHAPE',
        `${op}: shapes do not broadcast; received ${shapes.map((s) => `[${s}]`).join(', ')}`,
      );
    }
    out = next as readonly number[];
  }
  return out;
}

/** One line of elements along an axis: element `i` is at `start + i · stride`. */
export interface Lane {
  readonly start: number;
  readonly stride: number;
  readonly length: number;
}

/** Every line along `axis`. */
export function lanes(shape: readonly number[], axis: number): Lane[] {
  const length = shape[axis] ?? 1;
  const stride = sizeOf(shape.slice(axis + 1));
  const outer = sizeOf(shape.slice(0, axis));
  const out: Lane[] = [];
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < stride; i++) out.push({ start: o * length * stride + i, stride, length });
  }
  return out;
}

/** A possibly negative axis of a tensor of `rank`. @throws GraphError `ANNEAL_E_SHAPE` */
export function resolveAxis(op: string, axis: number, rank: number): number {
  const resolved = axis < 0 ? axis + rank : axis;
  if (resolved < 0 || resolved >= rank) {
    throw new GraphError('ANNEAL_E_SHAPE', `${op}: axis ${axis} is outside a tensor of rank ${rank}`);
  }
  return resolved;
}
