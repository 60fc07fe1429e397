import type { Shape, Value } from '@anneal/graph';

import type { WriteContext, WriteRule } from '../context.ts';
import { type Ref, tfAttr } from '../emitter.ts';
import { reduced } from './layers.ts';

interface Moves {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** What TensorFlow calls the padding; otherwise how much there is, `[before, after]` for each axis. */
  readonly padding: 'SAME' | 'VALID' | readonly (readonly [number, number])[];
}

function movesOf(node: WriteContext, kernel: readonly number[], sizes: Shape): Moves {
  const count = kernel.length;
  const ones = kernel.map(() => 1);
  const strides = node.ints('strides') ?? ones;
  const dilations = node.ints('dilations') ?? ones;
  return { kernel, strides, dilations, padding: paddingOf(node, { kernel, strides, dilations }, sizes, count) };
}

function paddingOf(
  node: WriteContext,
  { kernel, strides, dilations }: Omit<Moves, 'padding'>,
  sizes: Shape,
  count: number,
): Moves['padding'] {
  const auto = node.text('auto_pad', 'NOTSET');
  if (auto === 'SAME_UPPER') return 'SAME';
  if (auto === 'SAME_LOWER') throw node.error('its padding is SAME_LOWER');
  const pads = auto === 'VALID' ? undefined : node.ints('pads');
  if (pads === undefined || pads.every((pad) => pad === 0)) return 'VALID';
  const ends = kernel.map((_, i) => [pads[i] as number, pads[i + count] as number] as const);
  const isSame = ends.every(([before, after], i) => {
    const [size, stride] = [sizes[i], strides[i] as number];
    const span = ((kernel[i] as number) - 1) * (dilations[i] as number);
    if (stride !== 1 && typeof size !== 'number') return false;
    const total =
      stride === 1
        ? span
        : Math.max(0, (Math.ceil((size as number) / stride) - 1) * stride + span + 1 - (size as number));
    return before + after === total && before === Math.floor(total / 2);
  });
  return isSame ? 'SAME' : ends;
}

/** The input with its channels last and two spatial axes, padded where TensorFlow has no word for the padding. */
function prepared(node: WriteContext, moves: Moves, filler: number): Ref {
  const value = node.value(0);
  const x = node.e.last(value);
  const spread = value.rank === 3 ? node.tf('ExpandDims', [x, node.e.int(1)]) : x;
  if (typeof moves.padding === 'string') return spread;
  const ends = [[0, 0], ...(value.rank === 3 ? [[0, 0]] : []), ...moves.padding, [0, 0]].flat();
  return node.tf('PadV2', [spread, node.e.ints(ends, [4, 2]), node.e.float(filler)]);
}

/** Two spatial axes of what has one. */
const two = (numbers: readonly number[], filler: number): readonly number[] =>
  numbers.length === 1 ? [filler, ...numbers] : numbers;

function finish(node: WriteContext, y: Ref, rank: number): void {
  node.outLast(rank === 3 ? node.tf('Squeeze', [y], { squeeze_dims: tfAttr.ints([1]) }) : y);
}

function windowAttrs({ strides, dilations, padding }: Moves): Record<string, unknown> {
  return {
    strides: tfAttr.ints([1, ...two(strides, 1), 1]),
    dilations: tfAttr.ints([1, ...two(dilations, 1), 1]),
    padding: tfAttr.text(typeof padding === 'string' ? padding : 'VALID'),
    data_format: tfAttr.text('NHWC'),
  };
}

function checkPlane(node: WriteContext): number {
  const { rank } = node.value(0);
  if (rank !== 3 && rank !== 4) throw node.error(`it has ${rank - 2} spatial axes`);
  return rank;
}

const conv: WriteRule = (node) => {
  const rank = checkPlane(node);
  const x = node.value(0);
  const [outputs, depth, ...kernel] = node.value(1).dims as [number, number, ...number[]];
  const group = node.int('group', 1);
  const moves = movesOf(node, kernel, x.shape.slice(2));
  const input = prepared(node, moves, 0);
  const attrs = windowAttrs(moves);
  const spatial = kernel.map((_, i) => i + 2);
  const size = two(kernel, 1);
  const bias = node.has(2) ? node.x(2) : undefined;
  let y: Ref;
  if (group === 1) {
    const weight = node.moved(1, [...spatial, 1, 0], [...size, depth, outputs]);
    y = node.tf('Conv2D', [input, weight], attrs);
  } else if (depth === 1) {
    const weight = node.moved(1, [...spatial, 1, 0], [...size, group, outputs / group]);
    y = node.tf('DepthwiseConv2dNative', [input, weight], attrs);
  } else {
    const parts = node.tf('Split', [node.e.int(3), input], { num_split: tfAttr.int(group) });
    const kernels = node.tf('Split', [node.e.int(3), node.moved(1, [...spatial, 1, 0], [...size, depth, outputs])], {
      num_split: tfAttr.int(group),
    });
    const at = (ref: Ref, i: number): Ref => (i === 0 ? ref : `${ref}:${i}`);
    const results = Array.from({ length: group }, (_, i) => node.tf('Conv2D', [at(parts, i), at(kernels, i)], attrs));
    y = node.tf('ConcatV2', [...results, node.e.int(3)], { N: tfAttr.int(group) });
  }
  finish(node, bias === undefined ? y : node.tf('BiasAdd', [y, bias], { data_format: tfAttr.text('NHWC') }), rank);
};

const convTranspose: WriteRule = (node) => {
  const rank = checkPlane(node);
  const y = node.node.outputs[0] as Value;
  const [inputs, outputs, ...kernel] = node.value(1).dims as [number, number, ...number[]];
  if (node.int('group', 1) !== 1) throw node.error('it has groups');
  if (node.ints('output_shape') !== undefined) throw node.error('its size is given');
  const strides = node.ints('strides') ?? kernel.map(() => 1);
  const dilations = node.ints('dilations') ?? kernel.map(() => 1);
  const sizes = y.shape.slice(2);
  if (dilations.some((step) => step !== 1) || sizes.some((dim) => typeof dim === 'string')) {
    throw node.error('its size must be known, and without dilation');
  }
  const padding = paddingOf(node, { kernel, strides, dilations }, sizes, kernel.length);
  if (typeof padding !== 'string') throw node.error('its padding is neither SAME nor VALID');
  const weight = node.moved(1, [...kernel.map((_, i) => i + 2), 1, 0], [...two(kernel, 1), outputs, inputs]);
  const rows = node.tf('Slice', [node.tf('Shape', [node.x(0)]), node.e.ints([0]), node.e.ints([1])], {
    T: tfAttr.type('int32'),
  });
  const rest = node.e.ints([...two(sizes as readonly number[], 1), outputs]);
  const shape = node.tf('ConcatV2', [rows, rest, node.e.int(0)], { N: tfAttr.int(2), T: tfAttr.type('int32') });
  const moves: Moves = { kernel, strides, dilations, padding };
  const result = node.tf(
    'Conv2DBackpropInput',
    [shape, weight, prepared(node, { ...moves, padding: 'VALID' }, 0)],
    windowAttrs(moves),
  );
  const bias = node.has(2) ? node.tf('BiasAdd', [result, node.x(2)], { data_format: tfAttr.text('NHWC') }) : result;
  finish(node, bias, rank);
};

function pool(op: 'MaxPool' | 'AvgPool'): WriteRule {
  return (node) => {
    const rank = checkPlane(node);
    if (node.node.outputs[1] !== undefined) throw node.error('it gives the places of maxima');
    const kernel = node.ints('kernel_shape') ?? [];
    const moves = movesOf(node, kernel, node.value(0).shape.slice(2));
    if (moves.dilations.some((step) => step !== 1)) throw node.error('it is dilated');
    if (node.int('ceil_mode', 0) === 1) throw node.error('it rounds sizes up');
    const counts = node.int('count_include_pad', 0) === 1;
    if (
      op === 'AvgPool' &&
      moves.padding !== 'VALID' &&
      (counts ? moves.padding === 'SAME' : moves.padding !== 'SAME')
    ) {
      throw node.error('its padding counts in another way');
    }
    const input = prepared(node, moves, op === 'MaxPool' ? -3.4e38 : 0);
    const { dilations: _, ...attrs } = windowAttrs(moves);
    finish(node, node.tf(op, [input], { ...attrs, ksize: tfAttr.ints([1, ...two(kernel, 1), 1]) }), rank);
  };
}

const resize: WriteRule = (node) => {
  const x = node.value(0);
  const y = node.node.outputs[0] as Value;
  const mode = node.text('mode', 'nearest');
  const coordinates = node.text('coordinate_transformation_mode', 'half_pixel');
  const rounding = node.text('nearest_mode', 'round_prefer_floor');
  const fits = mode === 'linear' ? ['asymmetric', 'half_pixel', 'align_corners'] : ['asymmetric'];
  if (x.rank !== 4 || !fits.includes(coordinates) || (mode === 'nearest' && rounding !== 'floor')) {
    throw node.error(`it resizes by ${mode}, ${coordinates}`);
  }
  const sizes = y.shape.slice(2);
  if (node.has(2)) {
    const factors = node.known(2, 'the factors').slice(-2);
    // TensorFlow.js goes by the sizes, which a factor may not give exactly.
    const exact = x.shape
      .slice(2)
      .every((dim, i) => typeof dim === 'string' || dim * (factors[i] as number) === sizes[i]);
    if (!exact) throw node.error('its factors do not give whole sizes');
  }
  const known = sizes.every((dim) => typeof dim === 'number');
  const target = known ? node.e.ints(sizes as readonly number[]) : scaledSizes(node);
  node.outLast(
    node.tf(mode === 'nearest' ? 'ResizeNearestNeighbor' : 'ResizeBilinear', [node.e.last(x), target], {
      align_corners: tfAttr.bool(coordinates === 'align_corners'),
      half_pixel_centers: tfAttr.bool(coordinates === 'half_pixel'),
    }),
  );
};

/** Whole factors of sizes that are open. */
function scaledSizes(node: WriteContext): Ref {
  const factors = node.known(2, 'the factors').slice(-2);
  if (!factors.every(Number.isInteger)) throw node.error('its factors must be whole where sizes are open');
  const shape = node.tf('Shape', [node.e.last(node.value(0))], { out_type: tfAttr.type('int32') });
  const sizes = node.tf('Slice', [shape, node.e.ints([1]), node.e.ints([2])], { T: tfAttr.type('int32') });
  return node.tf('Mul', [sizes, node.e.ints(factors)], { T: tfAttr.type('int32') });
}

function globalPool(op: 'Mean' | 'Max'): WriteRule {
  return (node) => {
    const value = node.value(0);
    const axes = Array.from({ length: value.rank - 2 }, (_, i) => i + 1);
    node.outLast(reduced(node, node.e.last(value), op, axes, true));
  };
}

const depthToSpace: WriteRule = (node) => {
  if (node.text('mode', 'DCR') !== 'DCR') throw node.error('its mode is CRD');
  node.outLast(
    node.tf('DepthToSpace', [node.e.last(node.value(0))], {
      block_size: tfAttr.int(node.int('blocksize', 1)),
      data_format: tfAttr.text('NHWC'),
    }),
  );
};

export const spatial: Readonly<Record<string, WriteRule>> = {
  Conv: conv,
  ConvTranspose: convTranspose,
  MaxPool: pool('MaxPool'),
  AveragePool: pool('AvgPool'),
  GlobalAveragePool: globalPool('Mean'),
  GlobalMaxPool: globalPool('Max'),
  Resize: resize,
  DepthToSpace: depthToSpace,
};
