import { attr, type Dim } from '../ir.ts';
import { parseEinsum } from './einsum.ts';
import { axisOf, type InferContext, type InferRule, required, sameDType, shapeError } from './types.ts';
import { keepsSize, slide, slideTransposed, type Window, windowOf } from './window.ts';

function staticDims(ctx: InferContext, dims: readonly Dim[], what: string): readonly number[] {
  if (dims.every((dim) => typeof dim === 'number')) return dims as readonly number[];
  throw shapeError(ctx, `${what} must be static`);
}

/** Spatial sizes after a window moved over them. */
function moved(ctx: InferContext, window: Window, spatial: readonly Dim[]): Dim[] {
  return spatial.map((dim, axis) => {
    if (typeof dim !== 'number') return keepsSize(window, axis) ? dim : ctx.freshDim(ctx.op);
    const { count } = slide(window, axis, dim);
    if (count < 0) throw shapeError(ctx, `the kernel [${window.kernel}] does not fit the axis ${axis + 2}`);
    return count;
  });
}

const conv: InferRule = (ctx) => {
  const [x, w] = [required(ctx, 0), required(ctx, 1)];
  const groups = attr.int(ctx, 'group', 1);
  const [outputs, depth, ...rest] = staticDims(ctx, w.shape, 'the kernel') as [number, number, ...number[]];
  if (w.rank !== x.rank) throw shapeError(ctx, 'input and kernel differ in rank');
  if (typeof x.shape[1] === 'number' && x.shape[1] !== depth * groups) {
    throw shapeError(ctx, `${x.shape[1]} channels do not fit ${groups} groups of ${depth}`);
  }
  if (outputs % groups !== 0) throw shapeError(ctx, `${outputs} output channels do not divide into ${groups} groups`);
  const window = windowOf(ctx, rest);
  return [
    {
      dtype: sameDType(ctx, [x, w]),
      shape: [x.shape[0] as Dim, outputs, ...moved(ctx, window, x.shape.slice(2))],
    },
  ];
};

const convTranspose: InferRule = (ctx) => {
  const [x, w] = [required(ctx, 0), required(ctx, 1)];
  const [inputs, perGroup, ...rest] = staticDims(ctx, w.shape, 'the kernel') as [number, number, ...number[]];
  if (w.rank !== x.rank) throw shapeError(ctx, 'input and kernel differ in rank');
  if (typeof x.shape[1] === 'number' && x.shape[1] !== inputs) {
    throw shapeError(ctx, `${x.shape[1]} channels do not fit a kernel for ${inputs}`);
  }
  const window = windowOf(ctx, rest);
  const spatial = x.shape
    .slice(2)
    .map((dim, axis) =>
      typeof dim === 'number' ? slideTransposed(ctx, window, axis, dim).count : ctx.freshDim(ctx.op),
    );
  return [
    { dtype: sameDType(ctx, [x, w]), shape: [x.shape[0] as Dim, perGroup * attr.int(ctx, 'group', 1), ...spatial] },
  ];
};

const pool: InferRule = (ctx) => {
  const x = required(ctx, 0);
  const kernel = attr.ints(ctx, 'kernel_shape');
  if (kernel?.length !== x.rank - 2) throw shapeError(ctx, `\`kernel_shape\` needs ${x.rank - 2} numbers`);
  const shape = [...x.shape.slice(0, 2), ...moved(ctx, windowOf(ctx, kernel), x.shape.slice(2))];
  return [
    { dtype: x.dtype, shape },
    { dtype: 'int64', shape },
  ];
};

const globalPool: InferRule = (ctx) => {
  const x = required(ctx, 0);
  return [{ dtype: x.dtype, shape: x.shape.map((dim, i) => (i < 2 ? dim : 1)) }];
};

function blocks(ctx: InferContext): [number, readonly Dim[]] {
  const x = required(ctx, 0);
  const block = attr.int(ctx, 'blocksize', 0);
  if (x.rank !== 4 || block < 1) throw shapeError(ctx, 'needs [batch, channels, height, width] and a `blocksize`');
  return [block, x.shape];
}

const scaled = (ctx: InferContext, dim: Dim, factor: number): Dim => {
  if (typeof dim !== 'number') return factor === 1 ? dim : ctx.freshDim(ctx.op);
  const size = dim * factor;
  if (!Number.isInteger(size)) throw shapeError(ctx, `${dim} does not divide into blocks`);
  return size;
};

const depthToSpace: InferRule = (ctx) => {
  const [block, [n, c, h, w]] = blocks(ctx);
  const shape = [
    n as Dim,
    scaled(ctx, c as Dim, 1 / block ** 2),
    scaled(ctx, h as Dim, block),
    scaled(ctx, w as Dim, block),
  ];
  return [{ dtype: required(ctx, 0).dtype, shape }];
};

const spaceToDepth: InferRule = (ctx) => {
  const [block, [n, c, h, w]] = blocks(ctx);
  const shape = [
    n as Dim,
    scaled(ctx, c as Dim, block ** 2),
    scaled(ctx, h as Dim, 1 / block),
    scaled(ctx, w as Dim, 1 / block),
  ];
  return [{ dtype: required(ctx, 0).dtype, shape }];
};

/** Sizes are given, or scales are; both may name the axes that they are for. */
const resize: InferRule = (ctx) => {
  const x = required(ctx, 0);
  const axes = attr.ints(ctx, 'axes')?.map((axis) => axisOf(ctx, axis, x.rank)) ?? x.shape.map((_, i) => i);
  const scales = ctx.inputs[2] && ctx.constant(2);
  const sizes = ctx.inputs[3] && ctx.constant(3);
  const shape = x.shape.map((dim, i): Dim => {
    const at = axes.indexOf(i);
    if (at < 0) return dim;
    const scale = scales?.[at];
    if (sizes) return sizes[at] ?? dim;
    return typeof dim === 'number' && scale !== undefined ? Math.floor(dim * scale) : ctx.freshDim('Resize');
  });
  return [{ dtype: x.dtype, shape }];
};

const einsum: InferRule = (ctx) => {
  const values = ctx.inputs.map((_, i) => required(ctx, i));
  const { output, sizes } = parseEinsum(
    attr.string(ctx, 'equation', ''),
    values.map(({ shape }) => shape),
  );
  const shape = output.map((axis) => {
    const size = sizes.get(axis);
    if (size === undefined) throw shapeError(ctx, `the output axis "${axis}" is in no input`);
    return size;
  });
  return [{ dtype: sameDType(ctx, values), shape }];
};

export const spatial: Record<
  | 'Conv'
  | 'ConvTranspose'
  | 'MaxPool'
  | 'AveragePool'
  | 'LpPool'
  | 'GlobalAveragePool'
  | 'GlobalMaxPool'
  | 'DepthToSpace'
  | 'SpaceToDepth'
  | 'Resize'
  | 'Einsum',
  InferRule
> = {
  Conv: conv,
  ConvTranspose: convTranspose,
  MaxPool: pool,
  AveragePool: pool,
  LpPool: pool,
  GlobalAveragePool: globalPool,
  GlobalMaxPool: globalPool,
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
  Resize: resize,
  Einsum: einsum,
};
