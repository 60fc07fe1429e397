import { type Attributes, type Dim, tensor, type Value } from '@anneal/graph';

import { Traced } from '../../trace/traced.ts';
import {
  addToChannels,
  depthwiseKernel,
  kernelOrder,
  permuted,
  transposedAttributes,
  windowAttributes,
  type WindowSpec,
} from '../../trace/windows.ts';
import type { OpContext, OpRule } from '../context.ts';
import { Item } from '../item.ts';
import { ACTIVATIONS } from './elementwise.ts';

/** `op(a) @ op(b)`; a weight that is used transposed is transposed now, so that it is `[in, out]` as linear layers are. */
function product(node: OpContext, transposeA: boolean, transposeB: boolean): Value {
  const { ops } = node;
  const swap = (x: Value): Value =>
    ops.transpose(x, [...x.shape.map((_, i) => i).slice(0, -2), x.rank - 1, x.rank - 2]);
  const a = transposeA ? swap(node.x(0)) : node.x(0);
  const b =
    transposeB && node.item(1).weight?.shape.length === 2
      ? node.kernel(1, (data) => permuted(data, [1, 0]), swap)
      : transposeB
        ? swap(node.x(1))
        : node.x(1);
  return ops.matmul(a, b);
}

const matMul: OpRule = (node) => product(node, node.attrBool('transpose_a'), node.attrBool('transpose_b'));
const batchMatMul: OpRule = (node) => product(node, node.attrBool('adj_x'), node.attrBool('adj_y'));

/** What fused operators do with a result, after another: add a bias, normalise, activate. */
function fused(node: OpContext, y: Value, isFirst: boolean): Value {
  let [value, next] = [y, 2];
  for (const op of node.attrTexts('fused_ops')) {
    if (op === 'BiasAdd') {
      const bias = node.x(next++);
      value = isFirst ? addToChannels(node.g, value, bias) : node.ops.add(value, bias);
    } else if (op === 'Prelu') {
      const slope = node.traced(next++);
      value = node.g.one('PRelu', [value, isFirst && slope.rank > 2 ? slope.first : slope.last]);
    } else {
      const activation = Object.hasOwn(ACTIVATIONS, op) ? ACTIVATIONS[op] : undefined;
      if (activation === undefined) throw node.error(`is fused with ${op}, which is not supported`);
      value = activation(value, node);
    }
  }
  return value;
}

const fusedMatMul: OpRule = (node) =>
  fused(node, product(node, node.attrBool('transpose_a'), node.attrBool('transpose_b')), false);

const biasAdd: OpRule = (node) => {
  const [x, bias] = [node.traced(0), node.x(1)];
  if (isChannelsFirst(node) && x.rank > 2) return node.result(addToChannels(node.g, x.last, bias));
  if (x.isFirst) return Item.of(Traced.first(node.g, addToChannels(node.g, x.first, bias)));
  return node.result(node.ops.add(x.last, bias));
};

function isChannelsFirst(node: OpContext): boolean {
  return node.attrText('data_format', 'NHWC').startsWith('NC');
}

/** A tensor with its channels first, and how what comes of it goes on. */
function spatial(node: OpContext, index: number, fn: (x: Value, sizes: readonly Dim[]) => Value): Item {
  const x = node.traced(index);
  const first = isChannelsFirst(node);
  const value = first ? x.last : x.first;
  if (value.rank < 3) throw node.error(`takes a tensor with spatial axes, received [${x.shape.join(', ')}]`);
  const y = fn(value, value.shape.slice(2));
  return Item.of(first ? Traced.last(node.g, y) : Traced.first(node.g, y));
}

/** The spatial ones of numbers for all axes. */
function spatialOf(node: OpContext, key: string): readonly number[] {
  const all = node.attrInts(key, [1, 1, 1, 1]);
  return isChannelsFirst(node) ? all.slice(2) : all.slice(1, -1);
}

function paddingOf(node: OpContext): WindowSpec['padding'] {
  const padding = node.attrText('padding');
  if (padding === 'SAME') return 'same';
  if (padding === 'VALID') return 'valid';
  if (padding !== 'EXPLICIT') throw node.error(`the padding "${padding}" is not supported`);
  const all = node.attrInts('explicit_paddings', []);
  const ends = isChannelsFirst(node) ? all.slice(4) : all.slice(2, -2);
  return [...ends.filter((_, i) => i % 2 === 0), ...ends.filter((_, i) => i % 2 === 1)];
}

function windowOf(node: OpContext, kernel: readonly number[]): WindowSpec {
  return {
    kernel,
    strides: spatialOf(node, 'strides'),
    dilations: spatialOf(node, 'dilations'),
    padding: paddingOf(node),
  };
}

const conv: OpRule = (node) =>
  spatial(node, 0, (x, sizes) => {
    const kernel = node.kernel(
      1,
      (data) => permuted(data, kernelOrder(data.shape.length)),
      (w) => node.ops.transpose(w, kernelOrder(w.rank)),
    );
    const attributes = windowAttributes(windowOf(node, kernel.dims.slice(2)), sizes);
    const channels = x.shape[1];
    const group = typeof channels === 'number' ? channels / (kernel.dims[1] as number) : 1;
    return fused(node, node.g.one('Conv', [x, kernel], { attributes: grouped(attributes, group) }), true);
  });

function grouped(attributes: Attributes, group: number): Attributes {
  return group === 1 ? attributes : { ...attributes, group: { int: group } };
}

const depthwise: OpRule = (node) =>
  spatial(node, 0, (x, sizes) => {
    const kernel = node.kernel(1, depthwiseKernel, (w) => {
      const [height, width, channels, multiplier] = w.dims as [number, number, number, number];
      return node.ops.reshape(node.ops.transpose(w, [2, 3, 0, 1]), [channels * multiplier, 1, height, width]);
    });
    const channels = x.shape[1];
    if (typeof channels !== 'number') throw node.error('the number of channels must be known');
    const attributes = windowAttributes(windowOf(node, kernel.dims.slice(2)), sizes);
    return fused(node, node.g.one('Conv', [x, kernel], { attributes: grouped(attributes, channels) }), true);
  });

/** The gradient of a convolution with respect to its input is a transposed convolution. */
const convBackprop: OpRule = (node) =>
  spatial(node, 2, (x) => {
    const kernel = node.kernel(
      1,
      (data) => permuted(data, kernelOrder(data.shape.length)),
      (w) => node.ops.transpose(w, kernelOrder(w.rank)),
    );
    const window = windowOf(node, kernel.dims.slice(2));
    return node.g.one('ConvTranspose', [x, kernel], { attributes: transposedAttributes(window) });
  });

function pool(op: 'MaxPool' | 'AveragePool'): OpRule {
  return (node) =>
    spatial(node, 0, (x, sizes) => {
      const window = { ...windowOf(node, spatialOf(node, 'ksize')), dilations: sizes.map(() => 1) };
      return node.g.one(op, [x], { attributes: windowAttributes(window, sizes) });
    });
}

const batchNorm: OpRule = (node) => {
  if (node.attrBool('is_training'))
    throw node.error('computes statistics while it runs', 'save the model for inference');
  const stats = [1, 2, 3, 4].map((i) => node.x(i));
  const norm = (x: Value): Value =>
    node.g.one('BatchNormalization', [x, ...stats], {
      attributes: { epsilon: { float: node.attrFloat('epsilon', 1e-4) } },
    });
  return spatial(node, 0, norm);
};

function resize(mode: 'nearest' | 'linear'): OpRule {
  return (node) => {
    const [align, half] = [node.attrBool('align_corners'), node.attrBool('half_pixel_centers')];
    const attributes: Attributes = {
      axes: { ints: [2, 3] },
      mode: { string: mode },
      coordinate_transformation_mode: { string: align ? 'align_corners' : half ? 'half_pixel' : 'asymmetric' },
      ...(mode === 'nearest' && { nearest_mode: { string: align || half ? 'round_prefer_ceil' : 'floor' } }),
    };
    const { contents } = node.item(1);
    const isKnown = contents?.every((dim) => typeof dim === 'number') === true;
    const sizes = isKnown ? node.g.ints(node.ints(1)) : node.x(1);
    return spatial(node, 0, (x) => node.g.one('Resize', [x, undefined, undefined, sizes], { attributes }));
  };
}

function blocks(op: 'DepthToSpace' | 'SpaceToDepth'): OpRule {
  return (node) =>
    spatial(node, 0, (x) => node.g.one(op, [x], { attributes: { blocksize: { int: node.attrInt('block_size') } } }));
}

const softmax =
  (op: 'softmax' | 'logSoftmax'): OpRule =>
  (node) =>
    node.ops[op](node.x(0));

function reduce(op: 'sum' | 'mean' | 'max' | 'min'): OpRule {
  return (node) => {
    const x = node.traced(0);
    const axes = node.axes(1, x.rank);
    const keepdims = node.attrBool('keep_dims', node.attrBool('keepdims'));
    // Sums over all of the spatial axes need no transposition.
    const isSpatial = x.isFirst && !axes.includes(0) && !axes.includes(x.rank - 1) && axes.length === x.rank - 2;
    if (!isSpatial) return node.ops[op](x.last, { axes, keepdims });
    const y = node.ops[op](x.first, { axes: axes.map((axis) => axis + 1), keepdims });
    return Item.of(keepdims ? Traced.first(node.g, y) : Traced.last(node.g, y));
  };
}

const prod: OpRule = (node) => {
  const { contents } = node.item(0);
  const make = (): Traced => {
    const axes = node.g.ints(node.axes(1, node.traced(0).rank));
    return Traced.last(node.g, node.g.one('ReduceProd', [node.x(0), axes], { attributes: { keepdims: { int: 0 } } }));
  };
  if (contents === undefined) return Item.of(make());
  const open = contents.filter((dim) => typeof dim === 'string');
  const known = contents.filter((dim) => typeof dim === 'number').reduce((a, b) => a * b, 1);
  if (open.length === 0) return new Item({ make, contents: [known] });
  return open.length === 1 && known === 1 ? new Item({ make, contents: open }) : Item.of(make());
};

/** Whether all, or any, of the elements hold. */
function logical(op: 'min' | 'max'): OpRule {
  return (node) => {
    const x = node.ops.cast(node.x(0), 'float32');
    const y = node.ops[op](x, { axes: node.axes(1, x.rank), keepdims: node.attrBool('keep_dims') });
    return node.ops.greater(y, 0);
  };
}

function arg(op: 'ArgMax' | 'ArgMin'): OpRule {
  return (node) =>
    node.g.one(op, [node.x(0)], {
      attributes: { axis: { int: node.axis(node.int(1), node.traced(0).rank) }, keepdims: { int: 0 } },
    });
}

const cumsum: OpRule = (node) =>
  node.g.one(
    'CumSum',
    [node.x(0), node.g.constant(tensor('int64', [], [BigInt(node.axis(node.int(1), node.traced(0).rank))]))],
    {
      attributes: {
        exclusive: { int: Number(node.attrBool('exclusive')) },
        reverse: { int: Number(node.attrBool('reverse')) },
      },
    },
  );

const einsum: OpRule = (node) =>
  node.g.one(
    'Einsum',
    node.inputs.map((_, i) => node.x(i)),
    { attributes: { equation: { string: node.attrText('equation') } } },
  );

export const layerRules: Readonly<Record<string, OpRule>> = {
  MatMul: matMul,
  BatchMatMul: batchMatMul,
  BatchMatMulV2: batchMatMul,
  BatchMatMulV3: batchMatMul,
  _FusedMatMul: fusedMatMul,
  Einsum: einsum,
  BiasAdd: biasAdd,
  BiasAddV1: biasAdd,
  Conv2D: conv,
  _FusedConv2D: conv,
  DepthwiseConv2d: depthwise,
  DepthwiseConv2dNative: depthwise,
  FusedDepthwiseConv2dNative: depthwise,
  Conv2DBackpropInput: convBackprop,
  MaxPool: pool('MaxPool'),
  AvgPool: pool('AveragePool'),
  FusedBatchNorm: batchNorm,
  FusedBatchNormV2: batchNorm,
  FusedBatchNormV3: batchNorm,
  ResizeBilinear: resize('linear'),
  ResizeNearestNeighbor: resize('nearest'),
  DepthToSpace: blocks('DepthToSpace'),
  SpaceToDepth: blocks('SpaceToDepth'),
  Softmax: softmax('softmax'),
  LogSoftmax: softmax('logSoftmax'),
  Sum: reduce('sum'),
  Mean: reduce('mean'),
  Max: reduce('max'),
  Min: reduce('min'),
  Prod: prod,
  All: logical('min'),
  Any: logical('max'),
  ArgMax: arg('ArgMax'),
  ArgMin: arg('ArgMin'),
  Cumsum: cumsum,
};
