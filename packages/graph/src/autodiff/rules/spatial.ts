import { parseEinsum } from '../../infer/einsum.ts';
import { attr, type Attributes, type Value } from '../../ir.ts';
import { tensor } from '../../tensor.ts';
import { constantInput, product, range, reshaped, unbroadcast } from '../shapes.ts';
import type { VjpContext, VjpRule } from '../types.ts';
import { conv, convTranspose, pooling, spreadPlanes } from './conv.ts';
import { unary } from './elementwise.ts';

/** To where the maxima were: the operator's second output counts positions through the whole input. */
const maxPool: VjpRule = (c) => {
  if (attr.int(c, 'storage_order', 0) === 1) return [];
  return [
    () => {
      const { ops } = c;
      const { dims } = c.x(0);
      const zeros = ops.zeros([product(dims)], c.dy.dtype);
      const flat = ops.scatterAdd(zeros, ops.reshape(c.y(1), [-1]), ops.reshape(c.dy, [-1]), { axis: 0 });
      return ops.reshape(flat, dims);
    },
  ];
};

const averagePool: VjpRule = unary((c, dy) => {
  const fitted = pooling(c);
  const { window, before, padded } = fitted;
  const all = attr.int(c, 'count_include_pad', 0) === 1;
  const sizes = c.x(0).dims.slice(2);
  /** Taps of the window at `position` that count, on one axis. */
  const taps = (axis: number, position: number): number => {
    const start = position * (window.strides[axis] as number) - (all ? 0 : (before[axis] as number));
    const end = (all ? padded : sizes)[axis] as number;
    const [kernel, step] = [window.kernel[axis] as number, window.dilations[axis] as number];
    const first = Math.max(0, Math.ceil(-start / step));
    const last = Math.min(kernel - 1, Math.floor((end - 1 - start) / step));
    return Math.max(0, last - first + 1);
  };
  const counts = dy.dims.slice(2);
  // Where the first and the last window lie inside, all of an axis do: one number for all of them.
  const full = counts.map((count, axis) => {
    const all = window.kernel[axis] as number;
    return count === 0 || (taps(axis, 0) === all && taps(axis, count - 1) === all);
  });
  let shares = c.ops.mul(dy, 1 / product(window.kernel.filter((_, axis) => full[axis])));
  counts.forEach((count, axis) => {
    if (full[axis] === true) return;
    const alone = counts.map((_, i) => (i === axis ? count : 1));
    const inverse = range(0, count).map((i) => 1 / taps(axis, i));
    shares = c.ops.mul(shares, c.g.constant(tensor(dy.dtype, [1, 1, ...alone], inverse)));
  });
  return spreadPlanes(c, shares, fitted);
});

/** `y = (Σ|x|ᵖ)^(1/p)`. */
const lpPool: VjpRule = unary((c, dy, x, y) => {
  const { ops } = c;
  const p = attr.int(c, 'p', 2);
  const safe = ops.where(ops.equal(y, 0), 1, y);
  const parts = spreadPlanes(c, p === 1 ? dy : ops.mul(dy, ops.pow(safe, 1 - p)), pooling(c));
  if (p === 2) return ops.mul(x, parts);
  return ops.mul(ops.mul(ops.sign(x), ops.pow(ops.abs(x), p - 1)), parts);
});

const globalAveragePool: VjpRule = unary((c, dy, x) =>
  c.ops.broadcastTo(c.ops.mul(dy, 1 / product(x.dims.slice(2))), x.dims),
);

/** Maxima that tie share the gradient. */
const globalMaxPool: VjpRule = unary((c, dy, x, y) => {
  const { ops } = c;
  const mask = ops.cast(ops.equal(x, y), dy.dtype);
  return ops.mul(mask, ops.div(dy, ops.sum(mask, { axes: range(2, x.rank), keepdims: true })));
});

/** Undoes a transposition between two reshapes. */
function moveBack(c: VjpContext, split: readonly number[], order: readonly number[]): Value {
  const { ops } = c;
  const moved = ops.reshape(
    c.dy,
    order.map((axis) => split[axis] as number),
  );
  const back = ops.transpose(
    moved,
    order.map((_, axis) => order.indexOf(axis)),
  );
  return ops.reshape(back, c.x(0).dims);
}

const depthToSpace: VjpRule = (c) => [
  () => {
    const [n, depth, h, w] = c.x(0).dims as [number, number, number, number];
    const block = attr.int(c, 'blocksize', 1);
    const channels = depth / block ** 2;
    return attr.string(c, 'mode', 'DCR') === 'DCR'
      ? moveBack(c, [n, block, block, channels, h, w], [0, 3, 4, 1, 5, 2])
      : moveBack(c, [n, channels, block, block, h, w], [0, 1, 4, 2, 5, 3]);
  },
];

const spaceToDepth: VjpRule = (c) => [
  () => {
    const [n, channels, h, w] = c.x(0).dims as [number, number, number, number];
    const block = attr.int(c, 'blocksize', 1);
    return moveBack(c, [n, channels, h / block, block, w / block, block], [0, 3, 5, 1, 2, 4]);
  },
];

/**
 * Resizing multiplies every axis by a matrix. The matrix is what the very same operator makes of the unit vectors, so
 * whatever the runtime's rounding and borders are, this is their transpose.
 */
const resize: VjpRule = (c) => {
  const special = attr.string(c, 'coordinate_transformation_mode', 'half_pixel') === 'tf_crop_and_resize';
  if (special || c.x(0).rank < 2 || attr.string(c, 'keep_aspect_ratio_policy', 'stretch') !== 'stretch') return [];
  return [
    () => {
      const x = c.x(0);
      const axes = attr.ints(c, 'axes')?.map((axis) => (axis < 0 ? axis + x.rank : axis)) ?? range(0, x.rank);
      const scales = c.inputs[3] === undefined ? constantInput(c, 2, 'the scales') : undefined;
      return axes.reduce((grad, axis, i) => {
        const scale = scales?.[i];
        const same = grad.dims[axis] === x.dims[axis] && (scale === undefined || scale === 1);
        return same ? grad : multiplyAxis(c, grad, resizeMatrix(c, axis, grad.dims[axis] as number, scale), axis);
      }, c.dy);
    },
  ];
};

/** `[in, out]`: how much of each output element every input element of the axis makes up. */
function resizeMatrix(c: VjpContext, axis: number, to: number, scale: number | undefined): Value {
  const { g } = c;
  const x = c.x(0);
  const from = x.dims[axis] as number;
  // The unit vectors lie along the first axis that is not resized here.
  const free = axis === 0 ? 1 : 0;
  const shape = x.dims.map((_, i) => (i === axis || i === free ? from : 1));
  const eye = Array.from({ length: from * from }, (_, i) => Number(i % (from + 1) === 0));
  const units = g.constant(tensor(x.dtype, shape, eye));
  const { axes: _, ...attributes } = c.attributes as Attributes & { axes?: unknown };
  const at = (value: number): number[] => shape.map((dim, i) => (i === axis ? value : scale === undefined ? dim : 1));
  const inputs =
    scale === undefined
      ? [units, undefined, undefined, g.ints(at(to))]
      : [units, undefined, g.constant(tensor('float32', [x.rank], at(scale)))];
  const resized = g.one('Resize', inputs, { attributes });
  const matrix = c.ops.reshape(resized, axis === 0 ? [to, from] : [from, to]);
  return axis === 0 ? c.ops.transpose(matrix, [1, 0]) : matrix;
}

/** Multiplies one axis of a tensor by a matrix `[in, out]`. */
function multiplyAxis(c: VjpContext, x: Value, matrix: Value, axis: number): Value {
  const { ops } = c;
  if (axis === x.rank - 1) return ops.matmul(x, matrix, { transposeB: true });
  if (axis === x.rank - 2) return ops.matmul(matrix, x);
  const order = [...range(0, x.rank).filter((i) => i !== axis), axis];
  const last = ops.matmul(ops.transpose(x, order), matrix, { transposeB: true });
  return ops.transpose(
    last,
    order.map((_, i) => order.indexOf(i)),
  );
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** The product of `dy` and the other operands, summed to the axes of this one. */
const einsum: VjpRule = (c) => {
  const { ops, g, dy } = c;
  const shapes = c.inputs.map((_, i) => c.x(i).shape);
  const { inputs: terms, output: result, sizes } = parseEinsum(attr.string(c, 'equation', ''), shapes);
  const names = [...sizes.keys()];
  const letters = (axes: readonly string[]): string => axes.map((axis) => LETTERS[names.indexOf(axis)]).join('');
  return terms.map((term, i) => {
    // A diagonal, `ii`, would need to be spread out again.
    if (new Set(term).size !== term.length || new Set(result).size !== result.length) return undefined;
    return () => {
      const others = terms.map((_, k) => k).filter((k) => k !== i);
      const visible = new Set([...result, ...others.flatMap((k) => terms[k] ?? [])]);
      const kept = term.filter((axis) => visible.has(axis));
      // An operand that broadcasts has a size of 1 where the axis is longer; without a letter it must be cut out.
      const operands = [dy, ...others.map((k) => c.x(k))];
      const axes = [result, ...others.map((k) => terms[k] ?? [])];
      const equation = `${axes.map(letters).join(',')}->${letters(kept)}`;
      const summed = g.one('Einsum', operands, { attributes: { equation: { string: equation } } });
      const full = term.map((axis) => sizes.get(axis) as number);
      const lifted = reshaped(
        ops,
        summed,
        full.map((size, k) => (visible.has(term[k] as string) ? size : 1)),
      );
      const whole = lifted.shape.join() === full.join() ? lifted : ops.broadcastTo(lifted, full);
      return reshaped(ops, unbroadcast(ops, whole, c.x(i).dims), c.x(i).dims);
    };
  });
};

export const spatialRules: Record<
  | 'AveragePool'
  | 'Conv'
  | 'ConvTranspose'
  | 'DepthToSpace'
  | 'Einsum'
  | 'GlobalAveragePool'
  | 'GlobalMaxPool'
  | 'LpPool'
  | 'MaxPool'
  | 'Resize'
  | 'SpaceToDepth',
  VjpRule
> = {
  AveragePool: averagePool,
  Conv: conv,
  ConvTranspose: convTranspose,
  DepthToSpace: depthToSpace,
  Einsum: einsum,
  GlobalAveragePool: globalAveragePool,
  GlobalMaxPool: globalMaxPool,
  LpPool: lpPool,
  MaxPool: maxPool,
  Resize: resize,
  SpaceToDepth: spaceToDepth,
};
