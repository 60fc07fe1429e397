import { attr, type Value } from '../../ir.ts';
import type { Ops } from '../../ops/types.ts';
import { axisAttribute, constantInput, range, reshaped, unbroadcast } from '../shapes.ts';
import { once, type Pullback, type VjpContext, type VjpRule } from '../types.ts';

/** Back to the shape that the input had. */
const reshape: VjpRule = (c) => [() => reshaped(c.ops, c.dy, c.x(0).dims)];

const transpose: VjpRule = (c) => [
  () => {
    const { rank } = c.x(0);
    const perm = attr.ints(c, 'perm') ?? range(0, rank).reverse();
    return c.ops.transpose(
      c.dy,
      range(0, rank).map((axis) => perm.indexOf(axis)),
    );
  },
];

const expand: VjpRule = (c) => [() => unbroadcast(c.ops, c.dy, c.x(0).dims)];

/** Every repetition adds up: `[r·d]` seen as `[r, d]`. */
const tile: VjpRule = (c) => [
  () => {
    const { dims } = c.x(0);
    const repeats = constantInput(c, 1, 'the repeats');
    const split = dims.flatMap((dim, i) => [repeats[i] as number, dim]);
    return c.ops.sum(c.ops.reshape(c.dy, split), { axes: dims.map((_, i) => 2 * i) });
  },
];

const concat: VjpRule = (c) => {
  const { ops } = c;
  const axis = axisAttribute(c, 0);
  const sizes = c.inputs.map((_, i) => c.x(i).dims[axis] as number);
  const starts = sizes.map((_, i) => sizes.slice(0, i).reduce((a, b) => a + b, 0));
  const wanted = sizes.filter((_, i) => c.needs(i)).length;
  const parts = once(() => ops.split(c.dy, sizes, { axis }));
  return sizes.map((size, i): Pullback => {
    // One Split when most parts are wanted, else only the pieces that are.
    if (2 * wanted > sizes.length) return () => parts()[i] as Value;
    const start = starts[i] as number;
    return () => ops.slice(c.dy, [{ axis, start, end: start + size }]);
  });
};

/** Pads one axis with zeros, or crops it by negative amounts. */
function padAxis(ops: Ops, x: Value, axis: number, before: number, after: number): Value {
  if (before === 0 && after === 0) return x;
  return ops.pad(
    x,
    range(0, x.rank).map((i) => (i === axis ? [before, after] : [0, 0])),
  );
}

const split: VjpRule = (c) => [
  () => {
    const { ops } = c;
    const x = c.x(0);
    const axis = axisAttribute(c, 0);
    const pieces = c.node.outputs.map((_, i) => c.y(i));
    const known = c.grads.filter((grad) => grad !== undefined);
    if (known.length === 1) {
      const at = c.grads.findIndex((grad) => grad !== undefined);
      const before = pieces.slice(0, at).reduce((sum, piece) => sum + (piece.dims[axis] as number), 0);
      const grad = known[0] as Value;
      return padAxis(ops, grad, axis, before, (x.dims[axis] as number) - before - (grad.dims[axis] as number));
    }
    const dtype = (known[0] as Value).dtype;
    return ops.concat(
      pieces.map((piece, i) => c.grads[i] ?? ops.zeros(piece.dims, dtype)),
      { axis },
    );
  },
];

interface SliceAxis {
  readonly axis: number;
  readonly start: number;
  readonly step: number;
}

function slicedAxes(c: VjpContext): readonly SliceAxis[] {
  const x = c.x(0);
  const starts = attr.ints(c, 'starts') ?? constantInput(c, 1, 'the starts');
  const axes = attr.ints(c, 'axes') ?? (c.inputs[3] ? constantInput(c, 3, 'the axes') : range(0, starts.length));
  const steps = c.inputs[4] ? constantInput(c, 4, 'the steps') : starts.map(() => 1);
  return starts.map((given, i) => {
    const axis = axes[i] as number;
    const at = axis < 0 ? axis + x.rank : axis;
    const dim = x.dims[at] as number;
    const step = steps[i] as number;
    const start = given < 0 ? given + dim : given;
    return { axis: at, step, start: Math.min(Math.max(start, 0), step > 0 ? dim : dim - 1) };
  });
}

/**
 * Zeros around what was taken: one Pad for steps of 1. Longer steps put `step - 1` zeros behind every element by
 * padding a new axis, a negative step turns the axis around first: no scatter is needed.
 */
const slice: VjpRule = (c) => [
  () => {
    const { ops } = c;
    const x = c.x(0);
    const pads = x.dims.map((): [number, number] => [0, 0]);
    let grad = c.dy;
    for (const { axis, start, step } of slicedAxes(c)) {
      const taken = c.dy.dims[axis] as number;
      if (taken === 0) return ops.zeros(x.dims, c.dy.dtype);
      const stride = Math.abs(step);
      const first = step > 0 ? start : start + (taken - 1) * step;
      if (step < 0) grad = ops.slice(grad, [{ axis, start: taken - 1, end: -taken - 1, step: -1 }]);
      if (stride > 1) grad = dilate(ops, grad, axis, stride);
      pads[axis] = [first, (x.dims[axis] as number) - first - (grad.dims[axis] as number)];
    }
    if (pads.every(([before, after]) => before === 0 && after === 0)) return grad;
    return ops.pad(grad, pads);
  },
];

/** Puts `stride - 1` zeros behind every element of an axis. */
function dilate(ops: Ops, x: Value, axis: number, stride: number): Value {
  const lifted = ops.reshape(x, [...x.dims.slice(0, axis + 1), 1, ...x.dims.slice(axis + 1)]);
  const padded = padAxis(ops, lifted, axis + 1, 0, stride - 1);
  return ops.reshape(padded, [...x.dims.slice(0, axis), (x.dims[axis] as number) * stride, ...x.dims.slice(axis + 1)]);
}

/** Where element `i` of a padded axis came from, by mode. */
const PAD_SOURCE: Readonly<Record<string, (i: number, size: number) => number>> = {
  edge: (i, size) => Math.min(Math.max(i, 0), size - 1),
  wrap: (i, size) => ((i % size) + size) % size,
  reflect: (i, size) => {
    if (size === 1) return 0;
    const period = 2 * (size - 1);
    const at = ((i % period) + period) % period;
    return at < size ? at : period - at;
  },
};

/** The amounts of a Pad node, `[before, after]` for every axis. */
function padsOf(c: VjpContext): [number, number][] {
  const { rank } = c.x(0);
  const given = attr.ints(c, 'pads') ?? constantInput(c, 1, 'the pads');
  const axes = c.inputs[3] ? constantInput(c, 3, 'the axes') : range(0, rank);
  const pads = range(0, rank).map((): [number, number] => [0, 0]);
  axes.forEach((axis, i) => {
    pads[axis < 0 ? axis + rank : axis] = [given[i] as number, given[i + axes.length] as number];
  });
  return pads;
}

/** Crops what was padded and pads what was cropped; where padding copied elements, the copies add up. */
const pad: VjpRule = (c) => {
  const { ops, g } = c;
  const mode = attr.string(c, 'mode', 'constant');
  const source = Object.hasOwn(PAD_SOURCE, mode) ? PAD_SOURCE[mode] : undefined;
  if (mode === 'constant') {
    return [
      () =>
        ops.pad(
          c.dy,
          padsOf(c).map(([before, after]) => [-before, -after] as const),
        ),
    ];
  }
  if (source === undefined) return [];
  const fold = (grad: Value, axis: number, [before, after]: readonly [number, number]): Value => {
    if (before === 0 && after === 0) return grad;
    const size = c.x(0).dims[axis] as number;
    const from = range(0, grad.dims[axis] as number).map((i) => source(i - before, size));
    const alone = grad.dims.map((_, i) => (i === axis ? from.length : 1));
    const indices = ops.broadcastTo(ops.reshape(g.ints(from), alone), grad.dims);
    const dims = grad.dims.map((dim, i) => (i === axis ? size : dim));
    return ops.scatterAdd(ops.zeros(dims, grad.dtype), indices, grad, { axis });
  };
  return [() => padsOf(c).reduce((grad, amounts, axis) => fold(grad, axis, amounts), c.dy)];
};

const trilu: VjpRule = (c) => [() => c.g.one('Trilu', [c.dy, c.inputs[1]], { attributes: c.attributes })];

/** The sum over the other direction. */
const cumSum: VjpRule = (c) => [
  () =>
    c.g.one('CumSum', [c.dy, c.x(1)], {
      attributes: { ...c.attributes, reverse: { int: 1 - attr.int(c, 'reverse', 0) } },
    }),
];

export const movementRules: Record<
  | 'Concat'
  | 'CumSum'
  | 'Expand'
  | 'Flatten'
  | 'Pad'
  | 'Reshape'
  | 'Slice'
  | 'Split'
  | 'Squeeze'
  | 'Tile'
  | 'Transpose'
  | 'Trilu'
  | 'Unsqueeze',
  VjpRule
> = {
  Concat: concat,
  CumSum: cumSum,
  Expand: expand,
  Flatten: reshape,
  Pad: pad,
  Reshape: reshape,
  Slice: slice,
  Split: split,
  Squeeze: reshape,
  Tile: tile,
  Transpose: transpose,
  Trilu: trilu,
  Unsqueeze: reshape,
};
