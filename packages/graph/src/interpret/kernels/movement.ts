import { GraphError } from '../../error.ts';
import { sliceLength } from '../../infer/movement.ts';
import { attr } from '../../ir.ts';
import { sizeOf } from '../../tensor.ts';
import { load, type NdArray } from '../array.ts';
import { arg, axisArg, type Call, intsArg, type Kernel, type Result, scalarArg, shapeMismatch } from '../kernel.ts';
import { broadcastOffsets, broadcastStatic, offsets, resolveAxis, stridesOf } from '../strided.ts';

/** The elements of `x` at given offsets. */
export function pick(x: NdArray, shape: readonly number[], at: ArrayLike<number>): Result {
  return { shape, data: Float64Array.from({ length: at.length }, (_, i) => x.data[at[i] as number] as number) };
}

function reshaped(call: Call, shape: readonly number[]): Result {
  const { data } = arg(call, 0);
  if (sizeOf(shape) !== data.length) throw shapeMismatch(call, `cannot take the shape [${shape}]`);
  return { shape, data };
}

const reshape: Kernel = (call) => {
  const x = arg(call, 0);
  const copyZero = attr.int(call.node, 'allowzero', 0) === 0;
  const target = (intsArg(call, 1, 'shape') ?? []).map((dim, i) => (dim === 0 && copyZero ? (x.shape[i] ?? 0) : dim));
  const rest = sizeOf(target.filter((dim) => dim !== -1));
  return reshaped(
    call,
    target.map((dim) => (dim === -1 ? x.data.length / rest : dim)),
  );
};

const squeeze: Kernel = (call) => {
  const { shape } = arg(call, 0);
  const axes = intsArg(call, 1, 'axes')?.map((axis) => resolveAxis('Squeeze', axis, shape.length));
  return reshaped(
    call,
    shape.filter((dim, i) => (axes ? !axes.includes(i) : dim !== 1)),
  );
};

const unsqueeze: Kernel = (call) => {
  const { shape } = arg(call, 0);
  const given = intsArg(call, 1, 'axes') ?? [];
  const rank = shape.length + given.length;
  const axes = given.map((axis) => resolveAxis('Unsqueeze', axis, rank));
  const rest = shape[Symbol.iterator]();
  return reshaped(
    call,
    Array.from({ length: rank }, (_, i) => (axes.includes(i) ? 1 : (rest.next().value ?? 1))),
  );
};

const flatten: Kernel = (call) => {
  const { shape } = arg(call, 0);
  const axis = attr.int(call.node, 'axis', 1);
  const at = axis < 0 ? axis + shape.length : axis;
  return reshaped(call, [sizeOf(shape.slice(0, at)), sizeOf(shape.slice(at))]);
};

const transpose: Kernel = (call) => {
  const x = arg(call, 0);
  const perm = attr.ints(call.node, 'perm') ?? x.shape.map((_, i) => x.shape.length - 1 - i);
  const strides = stridesOf(x.shape);
  const shape = perm.map((axis) => x.shape[axis] as number);
  return pick(
    x,
    shape,
    offsets(
      shape,
      perm.map((axis) => strides[axis] as number),
    ),
  );
};

const expand: Kernel = (call) => {
  const x = arg(call, 0);
  const shape = broadcastStatic('Expand', [x.shape, intsArg(call, 1, 'shape') ?? []]);
  return pick(x, shape, broadcastOffsets(x.shape, shape));
};

const tile: Kernel = (call) => {
  const x = arg(call, 0);
  const repeats = intsArg(call, 1, 'repeats') ?? [];
  const strides = stridesOf(x.shape);
  // Each axis becomes two, [repeat, dim]; the first does not move.
  const pairs = x.shape.flatMap((dim, i) => [repeats[i] ?? 1, dim]);
  const at = offsets(
    pairs,
    strides.flatMap((stride) => [0, stride]),
  );
  return pick(
    x,
    x.shape.map((dim, i) => dim * (repeats[i] ?? 1)),
    at,
  );
};

const concat: Kernel = (call) => {
  const parts = call.inputs.map((_, i) => arg(call, i));
  const first = arg(call, 0);
  const axis = axisArg(call, first.shape.length, 0);
  const total = parts.reduce((sum, { shape }) => sum + (shape[axis] as number), 0);
  const shape = first.shape.map((dim, i) => (i === axis ? total : dim));
  const strides = stridesOf(shape);
  const data = new Float64Array(sizeOf(shape));
  let start = 0;
  for (const part of parts) {
    if (part.shape.some((dim, i) => i !== axis && dim !== shape[i]))
      throw shapeMismatch(call, 'shapes differ off the axis');
    const at = offsets(part.shape, strides, start * (strides[axis] as number));
    for (let i = 0; i < at.length; i++) data[at[i] as number] = part.data[i] as number;
    start += part.shape[axis] as number;
  }
  return { shape, data };
};

const split: Kernel = (call) => {
  const x = arg(call, 0);
  const axis = axisArg(call, x.shape.length, 0);
  const total = x.shape[axis] as number;
  const count = call.node.outputs.length;
  const chunk = Math.ceil(total / count);
  const sizes =
    intsArg(call, 1, 'split') ??
    Array.from({ length: count }, (_, i) => Math.max(0, Math.min(chunk, total - chunk * i)));
  if (sizes.reduce((a, b) => a + b, 0) !== total)
    throw shapeMismatch(call, `sizes [${sizes}] do not add up to ${total}`);
  const strides = stridesOf(x.shape);
  let start = 0;
  return sizes.map((size) => {
    const shape = x.shape.map((dim, i) => (i === axis ? size : dim));
    const at = offsets(shape, strides, start * (strides[axis] as number));
    start += size;
    return pick(x, shape, at);
  });
};

const slice: Kernel = (call) => {
  const x = arg(call, 0);
  const starts = intsArg(call, 1, 'starts') ?? [];
  const ends = intsArg(call, 2, 'ends') ?? [];
  const axes = intsArg(call, 3, 'axes') ?? starts.map((_, i) => i);
  const steps = call.inputs[4]?.data;
  const shape = [...x.shape];
  const strides = stridesOf(x.shape);
  let base = 0;
  axes.forEach((given, i) => {
    const axis = resolveAxis('Slice', given, x.shape.length);
    const dim = x.shape[axis] as number;
    const [start, step] = [starts[i] as number, steps?.[i] ?? 1];
    if (step === 0) throw new GraphError('ANNEAL_E_SHAPE', 'Slice: a step must not be zero');
    const from = Math.min(Math.max(start < 0 ? start + dim : start, 0), step > 0 ? dim : dim - 1);
    shape[axis] = sliceLength(dim, start, ends[i] as number, step);
    base += from * (strides[axis] as number);
    strides[axis] = (strides[axis] as number) * step;
  });
  return pick(x, shape, offsets(shape, strides, base));
};

/** Where position `i` of a padded axis of `n` elements comes from; -1 is the constant. */
const PAD_SOURCE: Readonly<Record<string, (i: number, n: number) => number>> = {
  constant: (i, n) => (i >= 0 && i < n ? i : -1),
  edge: (i, n) => Math.min(Math.max(i, 0), n - 1),
  reflect: (i, n) => {
    if (n === 1) return 0;
    const period = 2 * (n - 1);
    const at = ((i % period) + period) % period;
    return at < n ? at : period - at;
  },
  wrap: (i, n) => ((i % n) + n) % n,
};

const pad: Kernel = (call) => {
  const x = arg(call, 0);
  const rank = x.shape.length;
  const pads = intsArg(call, 1, 'pads') ?? [];
  const axes = call.inputs[3] ? Array.from(call.inputs[3].data, (axis) => resolveAxis('Pad', axis, rank)) : undefined;
  const value = scalarArg(call, 2, attr.float(call.node, 'value', 0));
  const mode = attr.string(call.node, 'mode', 'constant');
  const source = Object.hasOwn(PAD_SOURCE, mode) ? PAD_SOURCE[mode] : undefined;
  if (source === undefined) throw new GraphError('ANNEAL_E_OP', `Pad: unknown mode ${mode}`);
  const half = pads.length / 2;
  const around = x.shape.map((_, i): readonly [number, number] => {
    const at = axes ? axes.indexOf(i) : i;
    return at < 0 ? [0, 0] : [pads[at] ?? 0, pads[at + half] ?? 0];
  });
  const shape = x.shape.map((dim, i) => dim + (around[i]?.[0] ?? 0) + (around[i]?.[1] ?? 0));
  if (shape.some((dim) => dim < 0)) throw shapeMismatch(call, `pads [${pads}] crop more than there is`);
  const strides = stridesOf(x.shape);
  const outer = stridesOf(shape);
  const data = Float64Array.from({ length: sizeOf(shape) }, (_, i) => {
    let at = 0;
    for (let axis = 0; axis < rank; axis++) {
      const index = (Math.floor(i / (outer[axis] as number)) % (shape[axis] as number)) - (around[axis]?.[0] ?? 0);
      const from = source(index, x.shape[axis] as number);
      if (from < 0) return value;
      at += from * (strides[axis] as number);
    }
    return x.data[at] as number;
  });
  return { shape, data };
};

const shapeOf: Kernel = (call) => {
  const { shape } = arg(call, 0);
  const part = shape.slice(attr.int(call.node, 'start', 0), attr.int(call.node, 'end', shape.length));
  return { shape: [part.length], data: Float64Array.from(part) };
};

const constantOfShape: Kernel = (call) => {
  const shape = Array.from(arg(call, 0).data);
  const value = attr.tensor(call.node, 'value');
  return { shape, data: new Float64Array(sizeOf(shape)).fill(value ? (load(value).data[0] as number) : 0) };
};

const range: Kernel = (call) => {
  const [start, limit, delta] = [scalarArg(call, 0, 0), scalarArg(call, 1, 0), scalarArg(call, 2, 1)];
  const length = Math.max(0, Math.ceil((limit - start) / delta));
  if (!Number.isFinite(length)) throw new GraphError('ANNEAL_E_SHAPE', 'Range: the step must not be zero');
  return { shape: [length], data: Float64Array.from({ length }, (_, i) => start + i * delta) };
};

const constant: Kernel = (call) => {
  const value = attr.tensor(call.node, 'value');
  if (value === undefined) throw new GraphError('ANNEAL_E_OP', 'Constant: only the `value` attribute is canonical');
  return load(value);
};

export const movements: Record<
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
  Kernel
> = {
  Reshape: reshape,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Flatten: flatten,
  Transpose: transpose,
  Expand: expand,
  Tile: tile,
  Concat: concat,
  Split: split,
  Slice: slice,
  Pad: pad,
  Shape: shapeOf,
  Size: (call) => ({ shape: [], data: Float64Array.of(arg(call, 0).data.length) }),
  ConstantOfShape: constantOfShape,
  Range: range,
  Constant: constant,
};
