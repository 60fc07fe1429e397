import { attr, sizeOf, slide, slideTransposed, type Window, windowOf } from '@anneal/graph';
import type { Kernels, Tensor } from '../device/kernels.ts';
import type { Step } from '../plan.ts';
import { add, concat, div, mul, pad, slice, sliceAxis, transpose, unary } from './calc.ts';
import { extreme } from './elementwise.ts';
import { mean, reduced } from './reductions.ts';
import { arg, type Rule } from './rule.ts';

const withChannelsLast = (rank: number): number[] => [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1];
const withChannelsFirst = (rank: number): number[] => [
  0,
  rank - 1,
  ...Array.from({ length: rank - 2 }, (_, i) => i + 1),
];

/** `[batch, …spatial, channels]` to which the kernels of convolutions give axes, so that there are two or three. */
function toKernel(k: Kernels, x: Tensor): Tensor {
  const last = transpose(k, x, withChannelsLast(x.shape.length));
  if (x.shape.length !== 3) return last;
  const [n, length, channels] = last.shape as [number, number, number];
  return k.alias(last, [n, 1, length, channels]);
}

/** The way back to `[batch, channels, …spatial]`. */
function fromKernel(k: Kernels, y: Tensor, rank: number): Tensor {
  const shape = rank === 3 ? [y.shape[0] as number, ...y.shape.slice(2)] : y.shape;
  return transpose(k, k.alias(y, shape), withChannelsFirst(rank));
}

/** `[outputs, inputs, …kernel]` as `[…kernel, inputs, outputs]`. */
function filterOf(k: Kernels, w: Tensor): Tensor {
  const rank = w.shape.length;
  const perm = [...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1, 0];
  const turned = transpose(k, w, perm);
  return rank === 3 ? k.alias(turned, [1, ...turned.shape]) : turned;
}

/** A convolution of what is padded already. One axis counts as two. */
function convolve(k: Kernels, x: Tensor, w: Tensor, strides: readonly number[], dilations: readonly number[]): Tensor {
  const rank = x.shape.length;
  const pair = (values: readonly number[]): number[] => (rank === 3 ? [1, ...values] : [...values]);
  const attrs = { strides: pair(strides), dilations: pair(dilations), pad: 'valid' };
  const image = toKernel(k, x);
  const filter = filterOf(k, w);
  if (rank === 5) {
    const y = k.run('Conv3D', { x: image, filter }, { ...attrs, dataFormat: 'NDHWC' });
    return fromKernel(k, y, rank);
  }
  const y = k.run('Conv2D', { x: image, filter }, { ...attrs, dataFormat: 'NHWC' });
  return fromKernel(k, y, rank);
}

/** One filter for each channel: a multiple of channels comes out. */
function depthwise(k: Kernels, x: Tensor, w: Tensor, strides: readonly number[], dilations: readonly number[]): Tensor {
  const rank = x.shape.length;
  const pair = (values: readonly number[]): number[] => (rank === 3 ? [1, ...values] : [...values]);
  const channels = x.shape[1] as number;
  const multiple = (w.shape[0] as number) / channels;
  const grouped = k.alias(w, [channels, multiple, ...w.shape.slice(2)]);
  const perm = [...Array.from({ length: rank - 2 }, (_, i) => i + 2), 0, 1];
  const turned = transpose(k, grouped, perm);
  const filter = rank === 3 ? k.alias(turned, [1, ...turned.shape]) : turned;
  const y = k.run(
    'DepthwiseConv2dNative',
    { x: toKernel(k, x), filter },
    { strides: pair(strides), dilations: pair(dilations), pad: 'valid', dataFormat: 'NHWC' },
  );
  return fromKernel(k, y, rank);
}

function grouped(
  k: Kernels,
  x: Tensor,
  w: Tensor,
  groups: number,
  strides: readonly number[],
  dilations: readonly number[],
): Tensor {
  if (groups === 1) return convolve(k, x, w, strides, dilations);
  const [channels, outputs] = [x.shape[1] as number, w.shape[0] as number];
  if (groups === channels && x.shape.length <= 4) return depthwise(k, x, w, strides, dilations);
  const parts = Array.from({ length: groups }, (_, i) =>
    convolve(
      k,
      sliceAxis(k, x, 1, (i * channels) / groups, channels / groups),
      sliceAxis(k, w, 0, (i * outputs) / groups, outputs / groups),
      strides,
      dilations,
    ),
  );
  return concat(k, parts, 1);
}

const withBias = (k: Kernels, y: Tensor, bias: Tensor | undefined): Tensor =>
  bias === undefined ? y : add(k, y, k.alias(bias, [sizeOf(bias.shape), ...y.shape.slice(2).map(() => 1)]));

/** Padding of every axis so that exactly `counts` windows fit. */
function padded(
  k: Kernels,
  x: Tensor,
  window: Window,
  before: readonly number[],
  counts: readonly number[],
  value: number,
): Tensor {
  const around = x.shape.map((size, i): [number, number] => {
    if (i < 2) return [0, 0];
    const axis = i - 2;
    const span = ((window.kernel[axis] as number) - 1) * (window.dilations[axis] as number) + 1;
    const needed = ((counts[axis] as number) - 1) * (window.strides[axis] as number) + span;
    return [before[axis] as number, needed - size - (before[axis] as number)];
  });
  return pad(k, x, around, value);
}

const conv: Rule = (step) => {
  const groups = attr.int(step, 'group', 1);
  return (call) => {
    const { k, inputs } = call;
    const [x, w] = [arg(call, 0), arg(call, 1)];
    const window = windowOf(step, w.shape.slice(2));
    const slides = x.shape.slice(2).map((size, axis) => slide(window, axis, size));
    const [before, counts] = [slides.map((s) => s.before), slides.map((s) => s.count)];
    const image = padded(k, x, window, before, counts, 0);
    return withBias(k, grouped(k, image, w, groups, window.strides, window.dilations), inputs[2]);
  };
};

/** Zeros between the elements of spatial axes. */
function spread(k: Kernels, x: Tensor, strides: readonly number[]): Tensor {
  return strides.reduce((out, stride, axis) => {
    if (stride === 1) return out;
    const at = axis + 2;
    const dim = out.shape[at] as number;
    const flat = k.alias(out, [sizeOf(out.shape.slice(0, at + 1)), 1, sizeOf(out.shape.slice(at + 1))]);
    const wide = pad(
      k,
      flat,
      [
        [0, 0],
        [0, stride - 1],
        [0, 0],
      ],
      0,
    );
    const shape = out.shape.map((size, i) => (i === at ? dim * stride : size));
    return sliceAxis(k, k.alias(wide, shape), at, 0, (dim - 1) * stride + 1);
  }, x);
}

/** The gradient of a convolution by its input: one of the spread input with the kernel turned over. */
const convTranspose: Rule = (step) => {
  const groups = attr.int(step, 'group', 1);
  return (call) => {
    const { k, inputs } = call;
    const [x, w] = [arg(call, 0), arg(call, 1)];
    const [channels, perGroup, ...kernel] = w.shape as [number, number, ...number[]];
    const window = windowOf(step, kernel);
    const slides = x.shape.slice(2).map((size, axis) => slideTransposed(step, window, axis, size));
    const wide = spread(k, x, window.strides);
    const spans = kernel.map((size, axis) => (size - 1) * (window.dilations[axis] as number));
    const around = wide.shape.map((size, i): [number, number] => {
      if (i < 2) return [0, 0];
      const [span, { before, count }] = [spans[i - 2] as number, slides[i - 2] as { before: number; count: number }];
      const lead = span - before;
      return [lead, count + span - size - lead];
    });
    const turned = k.run('Reverse', { x: w }, { dims: kernel.map((_, i) => i + 2) });
    // [inputs, outputs of a group, …] as [outputs, inputs of a group, …]
    const split = k.alias(turned, [groups, channels / groups, perGroup, sizeOf(kernel)]);
    const swapped = transpose(k, split, [0, 2, 1, 3]);
    const filter = k.alias(swapped, [groups * perGroup, channels / groups, ...kernel]);
    const ones = kernel.map(() => 1);
    return withBias(k, grouped(k, pad(k, wide, around, 0), filter, groups, ones, window.dilations), inputs[2]);
  };
};

/** What a pooling makes of the elements under one tap of its window and those before it. */
interface Pooling {
  readonly start: number;
  readonly each: (k: Kernels, x: Tensor) => Tensor;
  readonly join: (k: Kernels, a: Tensor, b: Tensor) => Tensor;
}

/** Tap by tap: the elements that a tap meets are a slice in steps of the padded input. */
function pooled(
  k: Kernels,
  x: Tensor,
  step: Step,
  { start, each, join }: Pooling,
): { y: Tensor; window: Window; before: number[] } {
  const kernel = attr.ints(step, 'kernel_shape') ?? [];
  const window = windowOf(step, kernel);
  const slides = x.shape.slice(2).map((size, axis) => slide(window, axis, size));
  const [before, counts] = [slides.map((s) => s.before), slides.map((s) => s.count)];
  const wide = each(k, padded(k, x, window, before, counts, start));
  let y: Tensor | undefined;
  for (let tap = 0; tap < sizeOf(kernel); tap++) {
    const at = indexOf(tap, kernel).map((index, axis) => index * (window.dilations[axis] as number));
    const met = stepped(k, wide, at, counts, window.strides);
    y = y === undefined ? met : join(k, y, met);
  }
  return { y: y as Tensor, window, before };
}

function indexOf(i: number, shape: readonly number[]): number[] {
  const index: number[] = [];
  let rest = i;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index[axis] = rest % (shape[axis] as number);
    rest = Math.floor(rest / (shape[axis] as number));
  }
  return index;
}

/** Every `strides`-th element of the spatial axes, `counts` of them. */
function stepped(
  k: Kernels,
  x: Tensor,
  at: readonly number[],
  counts: readonly number[],
  strides: readonly number[],
): Tensor {
  const begin = [0, 0, ...at];
  const size = [...x.shape.slice(0, 2), ...counts];
  if (strides.every((stride) => stride === 1)) return slice(k, x, begin, size);
  const pace = [1, 1, ...strides];
  const end = begin.map((from, i) => from + ((size[i] as number) - 1) * (pace[i] as number) + 1);
  const masks = { beginMask: 0, endMask: 0, ellipsisMask: 0, newAxisMask: 0, shrinkAxisMask: 0 };
  return k.run('StridedSlice', { x }, { begin, end, strides: pace, ...masks });
}

const as = (_k: Kernels, x: Tensor): Tensor => x;

const maxPool: Rule = (step) => (call) =>
  pooled(call.k, arg(call, 0), step, { start: -Infinity, each: as, join: extreme('Maximum') }).y;

/** Taps inside the input, or with `count_include_pad` inside the padding too: what lies beyond never counts. */
const averagePool: Rule = (step) => {
  const all = attr.int(step, 'count_include_pad', 0) === 1;
  return (call) => {
    const { k } = call;
    const x = arg(call, 0);
    const { y, window, before } = pooled(k, x, step, { start: 0, each: as, join: add });
    const counts = y.shape.slice(2);
    const after = all ? window.pads.slice(window.kernel.length) : window.kernel.map(() => 0);
    const data = Float32Array.from({ length: sizeOf(counts) }, (_, i) =>
      sizeOf(
        indexOf(i, counts).map((position, axis) => {
          const start = position * (window.strides[axis] as number) - (before[axis] as number);
          const low = all ? -(before[axis] as number) : 0;
          const high = (x.shape[axis + 2] as number) + (after[axis] ?? 0);
          let taps = 0;
          for (let tap = 0; tap < (window.kernel[axis] as number); tap++) {
            const at = start + tap * (window.dilations[axis] as number);
            if (at >= low && at < high) taps++;
          }
          return taps;
        }),
      ),
    );
    return div(k, y, k.write(data, counts, 'float32'));
  };
};

const lpPool: Rule = (step) => {
  const p = attr.int(step, 'p', 2);
  const each = (k: Kernels, x: Tensor): Tensor => {
    const magnitude = unary(k, 'Abs', x);
    if (p === 1) return magnitude;
    return p === 2 ? mul(k, x, x) : k.run('Pow', { a: magnitude, b: k.scalar(p) });
  };
  return (call) => {
    const { k } = call;
    const { y } = pooled(k, arg(call, 0), step, { start: 0, each, join: add });
    if (p === 1) return y;
    return p === 2 ? unary(k, 'Sqrt', y) : k.run('Pow', { a: y, b: k.scalar(1 / p) });
  };
};

const spatialAxes = ({ shape }: Tensor): number[] => shape.map((_, i) => i).slice(2);

/** `[batch, channels, height, width]` with the axes of one block apart: the order of the block's axes is the mode. */
function blockMove(
  k: Kernels,
  x: Tensor,
  split: readonly number[],
  order: readonly number[],
  shape: readonly number[],
): Tensor {
  return k.alias(transpose(k, k.alias(x, split), order), shape);
}

const depthToSpace: Rule = (step) => {
  const b = attr.int(step, 'blocksize', 1);
  const depthFirst = attr.string(step, 'mode', 'DCR') === 'DCR';
  return (call) => {
    const x = arg(call, 0);
    const [n, c, h, w] = x.shape as [number, number, number, number];
    const depth = c / b ** 2;
    const shape = [n, depth, h * b, w * b];
    return depthFirst
      ? blockMove(call.k, x, [n, b, b, depth, h, w], [0, 3, 4, 1, 5, 2], shape)
      : blockMove(call.k, x, [n, depth, b, b, h, w], [0, 1, 4, 2, 5, 3], shape);
  };
};

const spaceToDepth: Rule = (step) => {
  const b = attr.int(step, 'blocksize', 1);
  return (call) => {
    const x = arg(call, 0);
    const [n, c, h, w] = x.shape as [number, number, number, number];
    const shape = [n, c * b * b, h / b, w / b];
    return blockMove(call.k, x, [n, c, h / b, b, w / b, b], [0, 3, 5, 1, 2, 4], shape);
  };
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
  | 'SpaceToDepth',
  Rule
> = {
  Conv: conv,
  ConvTranspose: convTranspose,
  MaxPool: maxPool,
  AveragePool: averagePool,
  LpPool: lpPool,
  GlobalAveragePool: () => (call) => mean(call.k, arg(call, 0), spatialAxes(arg(call, 0))),
  GlobalMaxPool: () => (call) => reduced(call.k, 'Max', arg(call, 0), spatialAxes(arg(call, 0))),
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
};
