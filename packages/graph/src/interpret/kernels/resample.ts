import { GraphError } from '../../error.ts';
import { attr, type Node } from '../../ir.ts';
import { sizeOf } from '../../tensor.ts';
import type { NdArray } from '../array.ts';
import { arg, type Call, type Kernel, type Result } from '../kernel.ts';
import { lanes, offsets, resolveAxis } from '../strided.ts';
import { pick } from './movement.ts';

interface Axis {
  readonly from: number;
  readonly to: number;
  readonly scale: number;
  /** The part of the axis that is resized, 0 to 1 for all of it; beyond it lies what is extrapolated. */
  readonly roi: readonly [start: number, end: number];
}

const CROP = 'tf_crop_and_resize';

/** Where output position `x` lies on the input axis, by `coordinate_transformation_mode`. */
const COORDINATES: Readonly<Record<string, (x: number, axis: Axis) => number>> = {
  half_pixel: (x, { scale }) => (x + 0.5) / scale - 0.5,
  half_pixel_symmetric: (x, { from, to, scale }) => {
    const adjustment = to / (scale * from);
    return (from / 2) * (1 - adjustment) + (x + 0.5) / scale - 0.5;
  },
  pytorch_half_pixel: (x, { to, scale }) => (to > 1 ? (x + 0.5) / scale - 0.5 : 0),
  align_corners: (x, { from, to }) => (to === 1 ? 0 : (x * (from - 1)) / (to - 1)),
  asymmetric: (x, { scale }) => x / scale,
  [CROP]: (x, { from, to, roi: [start, end] }) =>
    (from - 1) * (to > 1 ? start + (x * (end - start)) / (to - 1) : (start + end) / 2),
};

/** Which neighbour is nearest, by `nearest_mode`. */
const NEAREST: Readonly<Record<string, (x: number) => number>> = {
  round_prefer_floor: (x) => Math.ceil(x - 0.5),
  round_prefer_ceil: (x) => Math.floor(x + 0.5),
  floor: Math.floor,
  ceil: Math.ceil,
};

type Taps = readonly (readonly [index: number, weight: number])[];

/** Keys's cubic kernel (1981) of parameter `a`. */
function cubicWeight(distance: number, a: number): number {
  const d = Math.abs(distance);
  if (d <= 1) return (a + 2) * d ** 3 - (a + 3) * d ** 2 + 1;
  return d < 2 ? a * d ** 3 - 5 * a * d ** 2 + 8 * a * d - 4 * a : 0;
}

/** Input elements and weights that make up one output element. */
function tapsAt(node: Node, x: number): Taps {
  const low = Math.floor(x);
  switch (attr.string(node, 'mode', 'nearest')) {
    case 'nearest':
      return [[lookup(NEAREST, node, 'nearest_mode', 'round_prefer_floor')(x), 1]];
    case 'linear':
      return [
        [low, 1 - (x - low)],
        [low + 1, x - low],
      ];
    default: {
      const a = attr.float(node, 'cubic_coeff_a', -0.75);
      return [-1, 0, 1, 2].map((k) => [low + k, cubicWeight(x - low - k, a)] as const);
    }
  }
}

function lookup<T>(table: Readonly<Record<string, T>>, node: Node, name: string, fallback: string): T {
  const key = attr.string(node, name, fallback);
  const found = Object.hasOwn(table, key) ? table[key] : undefined;
  if (found === undefined)
    throw new GraphError('ANNEAL_E_OP', `Resize: ${name} "${key}" is not known to the interpreter`);
  return found;
}

/** Interpolates along one axis. */
function resizeAxis(node: Node, x: NdArray, which: number, axis: Axis): NdArray {
  const coordinate = lookup(COORDINATES, node, 'coordinate_transformation_mode', 'half_pixel');
  const exclude = attr.int(node, 'exclude_outside', 0) === 1;
  const crops = attr.string(node, 'coordinate_transformation_mode', 'half_pixel') === CROP;
  const beyond = attr.float(node, 'extrapolation_value', 0);
  const taps = Array.from({ length: axis.to }, (_, i): Taps | undefined => {
    const at = coordinate(i, axis);
    if (crops && (at < 0 || at > axis.from - 1)) return undefined;
    const all = tapsAt(node, at);
    const kept = exclude ? all.filter(([index]) => index >= 0 && index < axis.from) : all;
    const total = kept.reduce((sum, [, weight]) => sum + weight, 0);
    return kept.map(([index, weight]) => [Math.min(Math.max(index, 0), axis.from - 1), weight / total]);
  });
  const shape = x.shape.map((dim, i) => (i === which ? axis.to : dim));
  const data = new Float64Array(sizeOf(shape));
  const sources = lanes(x.shape, which);
  lanes(shape, which).forEach(({ start, stride }, lane) => {
    const source = sources[lane];
    taps.forEach((list, i) => {
      data[start + i * stride] = list
        ? list.reduce(
            (sum, [index, weight]) => sum + weight * (x.data[(source?.start ?? 0) + index * stride] as number),
            0,
          )
        : beyond;
    });
  });
  return { dtype: x.dtype, shape, data };
}

/** Separable interpolation, one axis after the other. */
const resize: Kernel = (call): Result => {
  const { node, inputs } = call;
  const x = arg(call, 0);
  if (attr.int(node, 'antialias', 0) === 1 || attr.string(node, 'keep_aspect_ratio_policy', 'stretch') !== 'stretch') {
    throw new GraphError('ANNEAL_E_OP', 'Resize: the interpreter has no antialiasing and no aspect ratio policy');
  }
  const axes = attr.ints(node, 'axes')?.map((axis) => resolveAxis('Resize', axis, x.shape.length));
  const [roi, scales, sizes] = [inputs[1]?.data, inputs[2]?.data ?? [], inputs[3]?.data];
  const resized = axes ?? x.shape.map((_, i) => i);
  return resized.reduce((out, which, i) => {
    const from = x.shape[which] as number;
    const to = sizes?.[i] ?? Math.floor(from * (scales[i] ?? 1));
    const part = [roi?.[i] ?? 0, roi?.[i + resized.length] ?? 1] as const;
    const axis: Axis = { from, to, scale: sizes ? to / from : (scales[i] ?? 1), roi: part };
    const same = from === to && axis.scale === 1 && part[0] === 0 && part[1] === 1;
    return same ? out : resizeAxis(node, out, which, axis);
  }, x);
};

/** `[batch, channels, height, width]` with the axes of one block apart: the order of the block's axes is the mode. */
function blockMove(call: Call, shape: readonly number[], split: readonly number[], order: readonly number[]): Result {
  const strides = split.map((_, i) => sizeOf(split.slice(i + 1)));
  const [dims, steps] = [order.map((i) => split[i] as number), order.map((i) => strides[i] as number)];
  return pick(arg(call, 0), shape, offsets(dims, steps));
}

const depthToSpace: Kernel = (call) => {
  const [n, c, h, w] = arg(call, 0).shape as [number, number, number, number];
  const b = attr.int(call.node, 'blocksize', 1);
  const depth = c / b ** 2;
  const shape = [n, depth, h * b, w * b];
  return attr.string(call.node, 'mode', 'DCR') === 'DCR'
    ? blockMove(call, shape, [n, b, b, depth, h, w], [0, 3, 4, 1, 5, 2])
    : blockMove(call, shape, [n, depth, b, b, h, w], [0, 1, 4, 2, 5, 3]);
};

const spaceToDepth: Kernel = (call) => {
  const [n, c, h, w] = arg(call, 0).shape as [number, number, number, number];
  const b = attr.int(call.node, 'blocksize', 1);
  return blockMove(call, [n, c * b * b, h / b, w / b], [n, c, h / b, b, w / b, b], [0, 3, 5, 1, 2, 4]);
};

export const resampling: Record<'Resize' | 'DepthToSpace' | 'SpaceToDepth', Kernel> = {
  Resize: resize,
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
};
