import { GraphError } from '../error.ts';
import { attr, type Dim, type Shape } from '../ir.ts';
import {
  axisOf,
  broadcastShapes,
  type InferContext,
  type InferRule,
  product,
  required,
  sameDType,
  shapeError,
} from './types.ts';

/** More axes than any tensor has: a crafted model must not allocate a shape of any length. */
const MAX_RANK = 64;

/** Target shape given as a constant, or fresh symbols when it is computed at run time. */
function targetShape(ctx: InferContext, index: number): readonly number[] | undefined {
  return ctx.constant(index);
}

function unknownShape(ctx: InferContext, index: number): Shape {
  const length = required(ctx, index).shape[0];
  if (typeof length !== 'number') throw shapeError(ctx, `the rank of the output is unknown (input ${index})`);
  return ofRank(ctx, length);
}

/** A shape of which only the rank is known. */
function ofRank(ctx: InferContext, rank: number): Shape {
  if (rank < 0 || rank > MAX_RANK) throw shapeError(ctx, `${rank} axes; at most ${MAX_RANK} are possible`);
  return Array.from({ length: rank }, (_, i) => ctx.freshDim(`${ctx.op}_${i}`));
}

const reshape: InferRule = (ctx) => {
  const x = required(ctx, 0);
  const target = targetShape(ctx, 1);
  if (target === undefined) return [{ dtype: x.dtype, shape: unknownShape(ctx, 1) }];
  const copyZero = attr.int(ctx, 'allowzero', 0) === 0;
  const shape: Dim[] = target.map((dim, i) => (dim === 0 && copyZero ? (x.shape[i] ?? 0) : dim));
  const hole = shape.indexOf(-1);
  if (hole >= 0) {
    const rest = shape.filter((_, i) => i !== hole);
    shape[hole] = quotient(x.shape, rest) ?? ctx.freshDim('Reshape');
  }
  const [from, to] = [product(x.shape), product(shape)];
  if (from !== undefined && to !== undefined && from !== to) {
    throw shapeError(ctx, `cannot reshape ${from} elements to [${target.join(', ')}]`);
  }
  return [{ dtype: x.dtype, shape }];
};

/** `product(all) / product(part)` with equal symbols cancelled; `undefined` when symbols remain. */
function quotient(all: Shape, part: Shape): Dim | undefined {
  const rest = [...all];
  const divisors: number[] = [];
  for (const dim of part) {
    if (typeof dim === 'number') divisors.push(dim);
    else {
      const i = rest.indexOf(dim);
      if (i < 0) return undefined;
      rest.splice(i, 1);
    }
  }
  const symbols = rest.filter((dim) => typeof dim === 'string');
  const numbers = rest.filter((dim) => typeof dim === 'number');
  const divisor = divisors.reduce((a, b) => a * b, 1);
  const whole = numbers.reduce((a, b) => a * b, 1);
  if (divisor === 0 || whole % divisor !== 0) return undefined;
  if (symbols.length === 0) return whole / divisor;
  return symbols.length === 1 && whole === divisor ? symbols[0] : undefined;
}

const transpose: InferRule = (ctx) => {
  const x = required(ctx, 0);
  const perm = attr.ints(ctx, 'perm') ?? x.shape.map((_, i) => x.rank - 1 - i);
  if (perm.length !== x.rank || new Set(perm).size !== x.rank || perm.some((axis) => axis < 0 || axis >= x.rank)) {
    throw shapeError(ctx, `perm [${perm}] is not a permutation of ${x.rank} axes`);
  }
  return [{ dtype: x.dtype, shape: perm.map((axis) => x.shape[axis] as Dim) }];
};

function axesOf(ctx: InferContext): readonly number[] | undefined {
  return attr.ints(ctx, 'axes') ?? (ctx.inputs[1] ? ctx.constant(1) : undefined);
}

/** How many axes there are, where they are computed at run time. */
function axesCount(ctx: InferContext): number {
  const count = required(ctx, 1).shape[0];
  if (typeof count !== 'number') throw shapeError(ctx, 'the number of axes must be known');
  return count;
}

const squeeze: InferRule = (ctx) => {
  const x = required(ctx, 0);
  const axes = axesOf(ctx)?.map((axis) => axisOf(ctx, axis, x.rank));
  if (axes === undefined && ctx.inputs[1]) return [{ dtype: x.dtype, shape: ofRank(ctx, x.rank - axesCount(ctx)) }];
  return [{ dtype: x.dtype, shape: x.shape.filter((dim, i) => (axes ? !axes.includes(i) : dim !== 1)) }];
};

const unsqueeze: InferRule = (ctx) => {
  const x = required(ctx, 0);
  const given = axesOf(ctx);
  if (given === undefined) return [{ dtype: x.dtype, shape: ofRank(ctx, x.rank + axesCount(ctx)) }];
  const rank = x.rank + given.length;
  const axes = given.map((axis) => axisOf(ctx, axis, rank));
  const rest = [...x.shape];
  const shape = Array.from({ length: rank }, (_, i) => (axes.includes(i) ? 1 : (rest.shift() as Dim)));
  return [{ dtype: x.dtype, shape }];
};

const expand: InferRule = (ctx) => {
  const x = required(ctx, 0);
  const target = targetShape(ctx, 1);
  if (target === undefined) {
    const unknown = unknownShape(ctx, 1);
    const rank = Math.max(unknown.length, x.rank);
    return [
      {
        dtype: x.dtype,
        shape: Array.from({ length: rank }, (_, i) => unknown[i - rank + unknown.length] ?? (x.shape[i] as Dim)),
      },
    ];
  }
  const shape = broadcastShapes(x.shape, target);
  if (shape === undefined) throw shapeError(ctx, `cannot expand to [${target.join(', ')}]`);
  return [{ dtype: x.dtype, shape }];
};

const concat: InferRule = (ctx) => {
  const values = ctx.inputs.map((_, i) => required(ctx, i));
  const dtype = sameDType(ctx, values);
  const first = required(ctx, 0);
  const axis = axisOf(ctx, attr.int(ctx, 'axis', 0), first.rank);
  let size: Dim = 0;
  const shape = [...first.shape];
  for (const value of values) {
    if (value.rank !== first.rank) throw shapeError(ctx, 'ranks differ');
    value.shape.forEach((dim, i) => {
      const known = shape[i];
      if (i === axis || dim === known) return;
      if (typeof dim === 'number' && typeof known === 'number') throw shapeError(ctx, `sizes differ on axis ${i}`);
      if (typeof dim === 'number') shape[i] = dim;
    });
    const dim = value.shape[axis] as Dim;
    size = typeof size === 'number' && typeof dim === 'number' ? size + dim : ctx.freshDim('Concat');
  }
  shape[axis] = values.length === 1 ? (first.shape[axis] as Dim) : size;
  return [{ dtype, shape }];
};

const split: InferRule = (ctx) => {
  const x = required(ctx, 0);
  const axis = axisOf(ctx, attr.int(ctx, 'axis', 0), x.rank);
  const total = x.shape[axis] as Dim;
  const sizes = attr.ints(ctx, 'split') ?? (ctx.inputs[1] ? ctx.constant(1) : undefined);
  const count = ctx.outputCount;
  return Array.from({ length: count }, (_, i) => {
    let size: Dim;
    if (sizes !== undefined) size = sizes[i] as number;
    else if (typeof total === 'number' && ctx.inputs[1] === undefined) {
      const chunk = Math.ceil(total / count);
      size = Math.min(chunk, total - chunk * i);
    } else size = ctx.freshDim('Split');
    return { dtype: x.dtype, shape: x.shape.map((dim, j) => (j === axis ? size : dim)) };
  });
};

const slice: InferRule = (ctx) => {
  const x = required(ctx, 0);
  const starts = attr.ints(ctx, 'starts') ?? ctx.constant(1);
  const ends = attr.ints(ctx, 'ends') ?? ctx.constant(2);
  const axes = attr.ints(ctx, 'axes') ?? (ctx.inputs[3] ? ctx.constant(3) : starts?.map((_, i) => i));
  const steps = ctx.inputs[4] ? ctx.constant(4) : starts?.map(() => 1);
  const shape = [...x.shape];
  if (axes === undefined) return [{ dtype: x.dtype, shape: shape.map((_, i) => ctx.freshDim(`Slice_${i}`)) }];
  axes.forEach((given, i) => {
    const axis = axisOf(ctx, given, x.rank);
    const dim = shape[axis];
    const [start, end, step] = [starts?.[i], ends?.[i], steps?.[i]];
    if (typeof dim !== 'number' || start === undefined || end === undefined || step === undefined) {
      shape[axis] =
        start === 0 && step === 1 && end !== undefined && end > 2 ** 30 ? (dim as Dim) : ctx.freshDim('Slice');
    } else shape[axis] = sliceLength(dim, start, end, step);
  });
  return [{ dtype: x.dtype, shape }];
};

/** Number of elements that `start:end:step` takes of `dim`, with ONNX's clamping. */
export function sliceLength(dim: number, start: number, end: number, step: number): number {
  const clamp = (v: number, low: number, high: number): number => Math.min(Math.max(v < 0 ? v + dim : v, low), high);
  const [from, to] =
    step > 0 ? [clamp(start, 0, dim), clamp(end, 0, dim)] : [clamp(start, 0, dim - 1), clamp(end, -1, dim - 1)];
  return Math.max(0, Math.ceil((to - from) / step));
}

const pad: InferRule = (ctx) => {
  const x = required(ctx, 0);
  const knownAxes = ctx.inputs[3] === undefined || ctx.constant(3) !== undefined;
  const pads = attr.ints(ctx, 'pads') ?? (knownAxes ? ctx.constant(1) : undefined);
  const axes =
    (ctx.inputs[3] ? ctx.constant(3) : undefined)?.map((a) => axisOf(ctx, a, x.rank)) ?? x.shape.map((_, i) => i);
  const shape = x.shape.map((dim, i): Dim => {
    const at = axes.indexOf(i);
    if (at < 0) return dim;
    if (typeof dim !== 'number' || pads === undefined) return ctx.freshDim('Pad');
    return dim + (pads[at] as number) + (pads[at + axes.length] as number);
  });
  return [{ dtype: x.dtype, shape }];
};

const tile: InferRule = (ctx) => {
  const x = required(ctx, 0);
  const repeats = ctx.constant(1);
  const shape = x.shape.map((dim, i): Dim => {
    const times = repeats?.[i];
    if (times === 1) return dim;
    return typeof dim === 'number' && times !== undefined ? dim * times : ctx.freshDim('Tile');
  });
  return [{ dtype: x.dtype, shape }];
};

const gather: InferRule = (ctx) => {
  const [x, indices] = [required(ctx, 0), required(ctx, 1)];
  const axis = axisOf(ctx, attr.int(ctx, 'axis', 0), x.rank);
  return [{ dtype: x.dtype, shape: [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)] }];
};

const gatherElements: InferRule = (ctx) => [{ dtype: required(ctx, 0).dtype, shape: required(ctx, 1).shape }];

const gatherND: InferRule = (ctx) => {
  const [x, indices] = [required(ctx, 0), required(ctx, 1)];
  const batch = attr.int(ctx, 'batch_dims', 0);
  const depth = indices.shape[indices.rank - 1];
  if (typeof depth !== 'number') throw shapeError(ctx, 'the last dimension of the indices must be static');
  return [{ dtype: x.dtype, shape: [...indices.shape.slice(0, -1), ...x.shape.slice(batch + depth)] }];
};

const likeFirst: InferRule = (ctx) => [{ dtype: required(ctx, 0).dtype, shape: required(ctx, 0).shape }];

const flatten: InferRule = (ctx) => {
  const x = required(ctx, 0);
  const given = attr.int(ctx, 'axis', 1);
  const axis = given < 0 ? given + x.rank : given;
  const half = (dims: Shape): Dim =>
    dims.length === 1 ? (dims[0] as Dim) : (product(dims) ?? ctx.freshDim('Flatten'));
  return [{ dtype: x.dtype, shape: [half(x.shape.slice(0, axis)), half(x.shape.slice(axis))] }];
};

const shapeOp: InferRule = (ctx) => {
  const { rank } = required(ctx, 0);
  const clamp = (v: number): number => Math.min(Math.max(v < 0 ? v + rank : v, 0), rank);
  const [start, end] = [clamp(attr.int(ctx, 'start', 0)), clamp(attr.int(ctx, 'end', rank))];
  return [{ dtype: 'int64', shape: [Math.max(0, end - start)] }];
};

const size: InferRule = () => [{ dtype: 'int64', shape: [] }];

const constantOfShape: InferRule = (ctx) => {
  const target = targetShape(ctx, 0);
  return [{ dtype: attr.tensor(ctx, 'value')?.dtype ?? 'float32', shape: target ?? unknownShape(ctx, 0) }];
};

const range: InferRule = (ctx) => {
  const [start, limit, delta] = [ctx.constant(0)?.[0], ctx.constant(1)?.[0], ctx.constant(2)?.[0]];
  const known = start !== undefined && limit !== undefined && delta !== undefined;
  const length = known ? Math.max(0, Math.ceil((limit - start) / delta)) : ctx.freshDim('Range');
  return [{ dtype: required(ctx, 0).dtype, shape: [length] }];
};

const oneHot: InferRule = (ctx) => {
  const [indices, depth, values] = [required(ctx, 0), ctx.constant(1)?.[0], required(ctx, 2)];
  const rank = indices.rank + 1;
  const axis = axisOf(ctx, attr.int(ctx, 'axis', -1), rank);
  const shape = [...indices.shape];
  shape.splice(axis, 0, depth ?? ctx.freshDim('OneHot'));
  return [{ dtype: values.dtype, shape }];
};

const nonZero: InferRule = (ctx) => [{ dtype: 'int64', shape: [required(ctx, 0).rank, ctx.freshDim('NonZero')] }];

const topK: InferRule = (ctx) => {
  const x = required(ctx, 0);
  const axis = axisOf(ctx, attr.int(ctx, 'axis', -1), x.rank);
  const k = ctx.constant(1)?.[0] ?? ctx.freshDim('TopK');
  const shape = x.shape.map((dim, i) => (i === axis ? k : dim));
  return [
    { dtype: x.dtype, shape },
    { dtype: 'int64', shape },
  ];
};

const constant: InferRule = (ctx) => {
  const value = attr.tensor(ctx, 'value');
  if (value === undefined) throw new GraphError('ANNEAL_E_OP', 'Constant: only the `value` attribute is canonical');
  return [{ dtype: value.dtype, shape: value.shape }];
};

export const movement: Record<
  | 'Reshape'
  | 'Transpose'
  | 'Squeeze'
  | 'Unsqueeze'
  | 'Expand'
  | 'Concat'
  | 'Split'
  | 'Slice'
  | 'Pad'
  | 'Tile'
  | 'Gather'
  | 'GatherElements'
  | 'GatherND'
  | 'ScatterElements'
  | 'ScatterND'
  | 'Flatten'
  | 'Shape'
  | 'Size'
  | 'ConstantOfShape'
  | 'Range'
  | 'OneHot'
  | 'NonZero'
  | 'TopK'
  | 'Constant',
  InferRule
> = {
  Reshape: reshape,
  Transpose: transpose,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Expand: expand,
  Concat: concat,
  Split: split,
  Slice: slice,
  Pad: pad,
  Tile: tile,
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherND,
  ScatterElements: likeFirst,
  ScatterND: likeFirst,
  Flatten: flatten,
  Shape: shapeOp,
  Size: size,
  ConstantOfShape: constantOfShape,
  Range: range,
  OneHot: oneHot,
  NonZero: nonZero,
  TopK: topK,
  Constant: constant,
};
