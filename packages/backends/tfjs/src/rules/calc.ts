import { sizeOf } from '@anneal/graph';
import type { Kernels, Tensor, Type } from '../device/kernels.ts';
import { copyStrided, transposeMatrix } from './strided.ts';

/** A tensor, or a number that takes the type of the other operand. */
export type Operand = Tensor | number;

const lift = (k: Kernels, x: Operand, like: Operand): Tensor =>
  typeof x === 'number' ? k.scalar(x, typeof like === 'number' ? 'float32' : like.dtype) : x;

/** Axes from which on kernels of two operands fail, those of wasm without a word. */
const MAX_BROADCAST = 4;

/** A kernel of two operands that broadcast. */
export function binary(k: Kernels, kernel: string, a: Operand, b: Operand): Tensor {
  const [x, y] = [lift(k, a, b), lift(k, b, a)];
  if (x.shape.length <= MAX_BROADCAST && y.shape.length <= MAX_BROADCAST) return k.run(kernel, { a: x, b: y });
  const shape = broadcast(x.shape, y.shape);
  const [left, right] = merged(shape, x.shape, y.shape);
  const small = left.length <= MAX_BROADCAST;
  const flat = [sizeOf(shape)];
  const one = (t: Tensor, own: readonly number[]): Tensor =>
    k.alias(small ? t : expand(k, t, shape), small ? own : flat);
  return k.alias(k.run(kernel, { a: one(x, left), b: one(y, right) }), shape);
}

/** Two shapes with the axes joined that broadcast alike, as they meet in `shape`. */
function merged(shape: readonly number[], a: readonly number[], b: readonly number[]): readonly [number[], number[]] {
  const [left, right]: [number[], number[]] = [[], []];
  let before: readonly [boolean, boolean] | undefined;
  shape.forEach((dim, i) => {
    if (dim === 1) return;
    const [x, y] = [a[i - shape.length + a.length] ?? 1, b[i - shape.length + b.length] ?? 1];
    const kind = [x === 1, y === 1] as const;
    const at = left.length - 1;
    if (before !== undefined && before[0] === kind[0] && before[1] === kind[1]) {
      left[at] = (left[at] as number) * x;
      right[at] = (right[at] as number) * y;
    } else {
      left.push(x);
      right.push(y);
    }
    before = kind;
  });
  return [left, right];
}

/** A function of two integers where kernels compute in floats, exact on devices of this process. */
export function integers(
  k: Kernels,
  kernel: string,
  a: Tensor,
  b: Tensor,
  f: (a: number, b: number) => number,
): Tensor {
  if (!k.isHost) return binary(k, kernel, a, b);
  const shape = broadcast(a.shape, b.shape);
  const [x, y] = [expand(k, a, shape), expand(k, b, shape)];
  const out = k.blank(shape, 'int32');
  const [to, left, right] = [k.view(out), k.view(x), k.view(y)];
  for (let i = 0; to && i < to.length; i++) to[i] = f(left?.[i] as number, right?.[i] as number);
  return out;
}

export const add = (k: Kernels, a: Operand, b: Operand): Tensor => binary(k, 'Add', a, b);
export const sub = (k: Kernels, a: Operand, b: Operand): Tensor => binary(k, 'Sub', a, b);
export const mul = (k: Kernels, a: Operand, b: Operand): Tensor => binary(k, 'Multiply', a, b);
export const div = (k: Kernels, a: Operand, b: Operand): Tensor => binary(k, 'RealDiv', a, b);
/** A kernel of one operand, whose axes do not matter: shaders have six at most. */
export const unary = (k: Kernels, kernel: string, x: Tensor): Tensor =>
  x.shape.length <= MAX_BROADCAST
    ? k.run(kernel, { x })
    : k.alias(k.run(kernel, { x: k.alias(x, [sizeOf(x.shape)]) }), x.shape);

export function cast(k: Kernels, x: Tensor, dtype: Type): Tensor {
  if (x.dtype === dtype) return x;
  // Some devices cut a number down to the bits of a boolean.
  if (dtype === 'bool') return binary(k, 'NotEqual', x, 0);
  return k.run('Cast', { x }, { dtype });
}

/** Static broadcasting of shapes that are known to fit. */
export function broadcast(...shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, i) => {
    const dims = shapes.map((shape) => shape[i - rank + shape.length] ?? 1);
    return dims.find((dim) => dim !== 1) ?? 1;
  });
}

export const sameShape = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((dim, i) => dim === b[i]);

/** Row-major strides. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides: number[] = [];
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = step;
    step *= shape[i] as number;
  }
  return strides;
}

/** `shape` filled with one number. */
export function fill(k: Kernels, shape: readonly number[], value: number, dtype: Type = 'float32'): Tensor {
  if (sizeOf(shape) === 1) return k.alias(k.scalar(value, dtype), shape);
  const out = k.isHost ? k.blank(shape, dtype) : undefined;
  if (out === undefined) {
    if (dtype === 'bool') return cast(k, fill(k, shape, value, 'int32'), 'bool');
    return k.run('Fill', {}, { shape: [...shape], value, dtype });
  }
  k.view(out)?.fill(value);
  return out;
}

/** Elements at `base` and from there by `strides`: a new tensor of `shape`. For devices that compute in this process. */
export function strided(
  k: Kernels,
  x: Tensor,
  shape: readonly number[],
  strides: readonly number[],
  base: number = 0,
): Tensor {
  const out = k.blank(shape, x.dtype);
  const [from, to] = [k.view(x), k.view(out)];
  if (from === undefined || to === undefined) throw new Error(`the elements are not in this process`);
  copyStrided(from, to, shape, strides, base);
  return out;
}

/** NumPy's broadcasting to a given shape. */
export function expand(k: Kernels, x: Tensor, shape: readonly number[]): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const front = shape.length - x.shape.length;
  const aligned = [...Array.from({ length: front }, () => 1), ...x.shape];
  if (sizeOf(aligned) === sizeOf(shape)) return k.alias(x, shape);
  if (k.isHost) {
    const strides = stridesOf(aligned).map((stride, i) => (aligned[i] === 1 ? 0 : stride));
    return strided(k, x, shape, strides);
  }
  const [own, wanted] = merged(shape, aligned, shape);
  const reps = wanted.map((dim, i) => dim / (own[i] as number));
  return k.alias(repeat(k, k.alias(x, own), reps), shape);
}

/** Repeats along axes. Devices of shaders read booleans as integers. */
export function repeat(k: Kernels, x: Tensor, reps: readonly number[]): Tensor {
  if (k.isHost) {
    const strides = stridesOf(x.shape);
    const tiled = strided(
      k,
      x,
      x.shape.flatMap((dim, i) => [reps[i] ?? 1, dim]),
      strides.flatMap((stride) => [0, stride]),
    );
    return k.alias(
      tiled,
      x.shape.map((dim, i) => dim * (reps[i] ?? 1)),
    );
  }
  return viaInt(k, x, (moved) => k.run('Tile', { x: moved }, { reps: [...reps] }));
}

/** Moves booleans as integers where kernels are for numbers only. */
export function viaInt(k: Kernels, x: Tensor, move: (x: Tensor) => Tensor): Tensor {
  return x.dtype === 'bool' && !k.isHost ? cast(k, move(cast(k, x, 'int32')), 'bool') : move(x);
}

/** Axes that stay together become one: fewer axes than any kernel's limit, and longer runs to copy. */
function collapsed(shape: readonly number[], perm: readonly number[]): { shape: number[]; perm: number[] } {
  const runs: number[][] = [];
  for (const axis of perm) {
    if (shape[axis] === 1) continue;
    const last = runs.at(-1);
    const follows = last !== undefined && between(shape, last.at(-1) as number, axis);
    if (follows) last.push(axis);
    else runs.push([axis]);
  }
  const order = runs.map((run, i) => [run[0] as number, i] as const).sort(([a], [b]) => a - b);
  const place = new Map(order.map(([, run], position) => [run, position]));
  return {
    shape: order.map(([, run]) => sizeOf((runs[run] as number[]).map((axis) => shape[axis] as number))),
    perm: runs.map((_, run) => place.get(run) as number),
  };
}

/** Whether `next` comes right after `axis`, but for axes of one element. */
function between(shape: readonly number[], axis: number, next: number): boolean {
  if (next <= axis) return false;
  for (let i = axis + 1; i < next; i++) if (shape[i] !== 1) return false;
  return true;
}

export function transpose(k: Kernels, x: Tensor, perm: readonly number[]): Tensor {
  const shape = perm.map((axis) => x.shape[axis] as number);
  const small = collapsed(x.shape, perm);
  if (small.perm.every((axis, i) => axis === i)) return k.alias(x, shape);
  if (k.isHost) {
    const [rows, columns] = small.shape as [number, number];
    const strides = stridesOf(small.shape);
    if (small.shape.length > 2) {
      const inner = small.perm.at(-1) === small.shape.length - 1;
      if (inner || k.device === 'cpu') {
        const dims = small.perm.map((axis) => small.shape[axis] as number);
        const moved = strided(
          k,
          x,
          dims,
          small.perm.map((axis) => strides[axis] as number),
        );
        return k.alias(moved, shape);
      }
    } else {
      const out = k.blank(shape, x.dtype);
      const [from, to] = [k.view(x), k.view(out)];
      if (from && to) transposeMatrix(from, to, rows, columns);
      return out;
    }
  }
  const moved = viaInt(k, k.alias(x, small.shape), (y) => k.run('Transpose', { x: y }, { perm: small.perm }));
  return k.alias(moved, shape);
}

/** Swaps the last two axes. */
export function swapLast(k: Kernels, x: Tensor): Tensor {
  const rank = x.shape.length;
  const perm = x.shape.map((_, i) => (i < rank - 2 ? i : 2 * rank - 3 - i));
  return transpose(k, x, perm);
}

/** `condition ? a : b`, all of them broadcast. */
export function where(k: Kernels, condition: Tensor, a: Operand, b: Operand): Tensor {
  const [t, e] = [lift(k, a, b), lift(k, b, a)];
  const shape = broadcast(condition.shape, t.shape, e.shape);
  const [c, x, y] = [condition, t, e].map((operand) => expand(k, operand, shape)) as [Tensor, Tensor, Tensor];
  if (t.dtype === 'bool') {
    return cast(k, where(k, c, cast(k, x, 'int32'), cast(k, y, 'int32')), 'bool');
  }
  const flat = [sizeOf(shape)];
  return k.alias(k.run('Select', { condition: k.alias(c, flat), t: k.alias(x, flat), e: k.alias(y, flat) }), shape);
}

/** `[begin, begin + size)` of every axis. */
export function slice(k: Kernels, x: Tensor, begin: readonly number[], size: readonly number[]): Tensor {
  if (sameShape(x.shape, size)) return x;
  if (k.isHost) {
    const strides = stridesOf(x.shape);
    const base = begin.reduce((sum, at, i) => sum + at * (strides[i] as number), 0);
    return strided(k, x, size, strides, base);
  }
  return viaInt(k, x, (y) => k.run('Slice', { x: y }, { begin: [...begin], size: [...size] }));
}

/** A part of one axis. */
export function sliceAxis(k: Kernels, x: Tensor, axis: number, start: number, length: number): Tensor {
  const begin = x.shape.map((_, i) => (i === axis ? start : 0));
  return slice(
    k,
    x,
    begin,
    x.shape.map((dim, i) => (i === axis ? length : dim)),
  );
}

export function concat(k: Kernels, parts: readonly Tensor[], axis: number): Tensor {
  const filled = parts.filter(({ shape }) => sizeOf(shape) > 0);
  const [only] = filled;
  if (only === undefined) return parts[0] as Tensor;
  if (filled.length === 1) return only;
  if (only.dtype === 'bool' && !k.isHost) {
    return cast(
      k,
      concat(
        k,
        filled.map((part) => cast(k, part, 'int32')),
        axis,
      ),
      'bool',
    );
  }
  return k.run('Concat', filled, { axis });
}

/** Elements around: `[before, after]` of every axis; what is below zero is cut off. */
export function pad(k: Kernels, x: Tensor, around: readonly (readonly [number, number])[], value: number): Tensor {
  const cut = around.map(([before, after], i): [number, number] => [
    Math.max(0, -before),
    Math.max(0, (x.shape[i] as number) - Math.max(0, -before) - Math.max(0, -after)),
  ]);
  const inner = slice(
    k,
    x,
    cut.map(([begin]) => begin),
    cut.map(([, size]) => size),
  );
  const paddings = around.map(([before, after]): [number, number] => [Math.max(0, before), Math.max(0, after)]);
  if (paddings.every(([before, after]) => before === 0 && after === 0)) return inner;
  const shape = inner.shape.map((dim, i) => dim + (paddings[i]?.[0] ?? 0) + (paddings[i]?.[1] ?? 0));
  if (sizeOf(inner.shape) === 0) return fill(k, shape, value, x.dtype);
  if (x.dtype === 'bool') return cast(k, pad(k, cast(k, x, 'int32'), around, value), 'bool');
  return k.run('PadV2', { x: inner }, { paddings, constantValue: value });
}
