import { attr, GraphError, sizeOf } from '@anneal/graph';
import type { Elements, Kernels, Tensor } from '../device/kernels.ts';
import { heldAs, toDevice } from '../device/types.ts';
import {
  broadcast,
  concat,
  expand,
  fill,
  pad,
  repeat,
  sliceAxis,
  strided,
  stridesOf,
  transpose,
  viaInt,
} from './calc.ts';
import { gatherAxis } from './indexing.ts';
import { arg, axisAttribute, axisOf, type Call, ints, numbers, outputSlot, type Rule } from './rule.ts';

const reshape: Rule = (step) => {
  const copyZero = attr.int(step, 'allowzero', 0) === 0;
  return (call) => {
    const x = arg(call, 0);
    const target = (ints(step, call, 1, 'shape') ?? []).map((dim, i) =>
      dim === 0 && copyZero ? (x.shape[i] ?? 0) : dim,
    );
    const rest = sizeOf(target.filter((dim) => dim !== -1));
    const shape = target.map((dim) => (dim === -1 ? sizeOf(x.shape) / rest : dim));
    if (sizeOf(shape) !== sizeOf(x.shape)) {
      throw new GraphError('ANNEAL_E_SHAPE', `[${x.shape}] cannot be reshaped to [${target}]`);
    }
    return call.k.alias(x, shape);
  };
};

const squeeze: Rule = (step) => (call) => {
  const x = arg(call, 0);
  const axes = ints(step, call, 1, 'axes')?.map((axis) => axisOf(axis, x.shape.length));
  return call.k.alias(
    x,
    x.shape.filter((dim, i) => (axes ? !axes.includes(i) : dim !== 1)),
  );
};

const unsqueeze: Rule = (step) => (call) => {
  const x = arg(call, 0);
  const given = ints(step, call, 1, 'axes') ?? [];
  const rank = x.shape.length + given.length;
  const axes = given.map((axis) => axisOf(axis, rank));
  const rest = x.shape[Symbol.iterator]();
  return call.k.alias(
    x,
    Array.from({ length: rank }, (_, i) => (axes.includes(i) ? 1 : (rest.next().value ?? 1))),
  );
};

const flatten: Rule = (step) => (call) => {
  const x = arg(call, 0);
  const axis = attr.int(step, 'axis', 1);
  const at = axis < 0 ? axis + x.shape.length : axis;
  return call.k.alias(x, [sizeOf(x.shape.slice(0, at)), sizeOf(x.shape.slice(at))]);
};

const permute: Rule = (step) => {
  const perm = attr.ints(step, 'perm');
  return (call) => {
    const x = arg(call, 0);
    return transpose(call.k, x, perm ?? x.shape.map((_, i) => x.shape.length - 1 - i));
  };
};

const tile: Rule = (step) => (call) => {
  const x = arg(call, 0);
  return repeat(call.k, x, ints(step, call, 1, 'repeats') ?? x.shape.map(() => 1));
};

const join: Rule = (step) => (call) => {
  const parts = call.inputs.map((_, i) => arg(call, i));
  return concat(call.k, parts, axisAttribute(step, arg(call, 0).shape.length, 0));
};

const split: Rule = (step) => {
  const count = step.outputs.length;
  return (call) => {
    const x = arg(call, 0);
    const axis = axisAttribute(step, x.shape.length, 0);
    const all = x.shape[axis] as number;
    const chunk = Math.ceil(all / count);
    const sizes =
      ints(step, call, 1, 'split') ??
      Array.from({ length: count }, (_, i) => Math.max(0, Math.min(chunk, all - chunk * i)));
    let start = 0;
    return sizes.flatMap((size, i) => {
      const at = start;
      start += size;
      return step.outputs[i] === undefined ? [] : [partOf(call, x, axis, at, size)];
    });
  };
};

function partOf({ k }: Call, x: Tensor, axis: number, start: number, size: number): Tensor {
  if (size > 0) return sliceAxis(k, x, axis, start, size);
  return k.write(
    emptyOf(x),
    x.shape.map((dim, i) => (i === axis ? 0 : dim)),
    x.dtype,
  );
}

const emptyOf = ({ dtype }: Tensor): Elements =>
  dtype === 'float32' ? new Float32Array(0) : dtype === 'int32' ? new Int32Array(0) : new Uint8Array(0);

/** Where a slice starts on an axis, and how many elements it takes, with ONNX's clamping. */
function cut(
  dim: number,
  start: number,
  end: number,
  step: number,
): { readonly from: number; readonly length: number } {
  const clamp = (v: number, low: number, high: number): number => Math.min(Math.max(v < 0 ? v + dim : v, low), high);
  const [from, to] =
    step > 0 ? [clamp(start, 0, dim), clamp(end, 0, dim)] : [clamp(start, 0, dim - 1), clamp(end, -1, dim - 1)];
  return { from, length: Math.max(0, Math.ceil((to - from) / step)) };
}

const slices: Rule = (step) => (call) => {
  const { k } = call;
  const x = arg(call, 0);
  const starts = ints(step, call, 1, 'starts') ?? [];
  const ends = ints(step, call, 2, 'ends') ?? [];
  const axes = ints(step, call, 3, 'axes') ?? starts.map((_, i) => i);
  const steps = numbers(call, 4);
  const [begin, shape, pace] = [x.shape.map(() => 0), [...x.shape], x.shape.map(() => 1)];
  axes.forEach((given, i) => {
    const axis = axisOf(given, x.shape.length);
    pace[axis] = steps?.[i] ?? 1;
    const { from, length } = cut(x.shape[axis] as number, starts[i] as number, ends[i] as number, pace[axis] as number);
    [begin[axis], shape[axis]] = [from, length];
  });
  if (sizeOf(shape) === 0) return k.write(emptyOf(x), shape, x.dtype);
  if (k.isHost) {
    const strides = stridesOf(x.shape);
    const base = begin.reduce((sum, at, i) => sum + at * (strides[i] as number), 0);
    return strided(
      k,
      x,
      shape,
      strides.map((stride, i) => stride * (pace[i] as number)),
      base,
    );
  }
  return viaInt(k, x, (y) => sliced(k, y, begin, shape, pace));
};

/** Kernels go forwards: an axis that goes backwards is turned over first. */
function sliced(k: Kernels, x: Tensor, begin: number[], shape: number[], pace: number[]): Tensor {
  const back = pace.flatMap((step, axis) => (step < 0 ? [axis] : []));
  const turned = back.length === 0 ? x : k.run('Reverse', { x }, { dims: back });
  const from = begin.map((at, axis) => (back.includes(axis) ? (x.shape[axis] as number) - 1 - at : at));
  if (pace.every((step) => Math.abs(step) === 1)) {
    return k.run('Slice', { x: turned }, { begin: from, size: shape });
  }
  const strides = pace.map(Math.abs);
  const end = from.map((at, axis) => at + ((shape[axis] as number) - 1) * (strides[axis] as number) + 1);
  const masks = { beginMask: 0, endMask: 0, ellipsisMask: 0, newAxisMask: 0, shrinkAxisMask: 0 };
  return k.run('StridedSlice', { x: turned }, { begin: from, end, strides, ...masks });
}

/** Where position `i` of a padded axis of `n` elements comes from. */
const PAD_SOURCE: Readonly<Record<string, (i: number, n: number) => number>> = {
  edge: (i, n) => Math.min(Math.max(i, 0), n - 1),
  reflect: (i, n) => {
    if (n === 1) return 0;
    const period = 2 * (n - 1);
    const at = ((i % period) + period) % period;
    return at < n ? at : period - at;
  },
  wrap: (i, n) => ((i % n) + n) % n,
};

const pads: Rule = (step) => {
  const mode = attr.string(step, 'mode', 'constant');
  const source = Object.hasOwn(PAD_SOURCE, mode) ? PAD_SOURCE[mode] : undefined;
  if (source === undefined && mode !== 'constant') throw new GraphError('ANNEAL_E_OP', `Pad: unknown mode ${mode}`);
  return (call) => {
    const { k } = call;
    const x = arg(call, 0);
    const amounts = ints(step, call, 1, 'pads') ?? [];
    const axes = numbers(call, 3)?.map((axis) => axisOf(axis, x.shape.length));
    const half = amounts.length / 2;
    const around = x.shape.map((_, i): [number, number] => {
      const at = axes ? axes.indexOf(i) : i;
      return at < 0 ? [0, 0] : [amounts[at] ?? 0, amounts[at + half] ?? 0];
    });
    if (source === undefined) return pad(k, x, around, numbers(call, 2)?.[0] ?? attr.float(step, 'value', 0));
    return around.reduce((out, [before, after], axis) => {
      if (before === 0 && after === 0) return out;
      const size = out.shape[axis] as number;
      const at = Int32Array.from({ length: before + size + after }, (_, i) => source(i - before, size));
      return gatherAxis(k, out, k.write(at, [at.length], 'int32'), axis);
    }, x);
  };
};

/** A vector or scalar that the host computes. */
function written(k: Kernels, values: readonly number[], shape: readonly number[]): Tensor {
  return k.write(Int32Array.from(values), shape, 'int32');
}

const shapeOf: Rule = (step) => (call) => {
  const { shape } = arg(call, 0);
  const part = shape.slice(attr.int(step, 'start', 0), attr.int(step, 'end', shape.length));
  return written(call.k, part, [part.length]);
};

const constantOfShape: Rule = (step) => {
  const value = attr.tensor(step, 'value');
  const number = value === undefined ? 0 : Number(value.data[0]);
  const type = heldAs(value?.dtype ?? 'float32') ?? 'float32';
  return (call) => fill(call.k, numbers(call, 0) ?? [], number, type);
};

const range: Rule = (step) => {
  const type = heldAs(outputSlot(step).dtype) ?? 'float32';
  return (call) => {
    const [start = 0, limit = 0, delta = 1] = [0, 1, 2].map((i) => numbers(call, i)?.[0]);
    const length = Math.max(0, Math.ceil((limit - start) / delta));
    if (!Number.isFinite(length)) throw new GraphError('ANNEAL_E_SHAPE', 'the step must not be zero');
    const values = Array.from({ length }, (_, i) => start + i * delta);
    return call.k.write(type === 'float32' ? Float32Array.from(values) : Int32Array.from(values), [length], type);
  };
};

const constant: Rule = (step) => {
  const value = attr.tensor(step, 'value');
  if (value === undefined) throw new GraphError('ANNEAL_E_OP', 'Constant: only the `value` attribute is canonical');
  const { data, dtype } = toDevice('Constant', value);
  return (call) => call.k.write(data.slice(), value.shape, dtype);
};

export const movement: Record<
  | 'Reshape'
  | 'Squeeze'
  | 'Unsqueeze'
  | 'Flatten'
  | 'Transpose'
  | 'Expand'
  | 'Tile'
  | 'Concat'
  | 'Split'
  | 'Slice'
  | 'Pad'
  | 'Shape'
  | 'Size'
  | 'ConstantOfShape'
  | 'Range'
  | 'Constant',
  Rule
> = {
  Reshape: reshape,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Flatten: flatten,
  Transpose: permute,
  Expand: (step) => (call) => {
    const x = arg(call, 0);
    return expand(call.k, x, broadcast(x.shape, ints(step, call, 1, 'shape') ?? []));
  },
  Tile: tile,
  Concat: join,
  Split: split,
  Slice: slices,
  Pad: pads,
  Shape: shapeOf,
  Size: () => (call) => written(call.k, [sizeOf(arg(call, 0).shape)], []),
  ConstantOfShape: constantOfShape,
  Range: range,
  Constant: constant,
};
