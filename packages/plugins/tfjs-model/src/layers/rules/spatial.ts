import { type Attributes, type Dim, tensor, type TensorData, type Value } from '@anneal/graph';

import { Traced } from '../../trace/traced.ts';
import {
  addToChannels,
  depthwiseKernel,
  kernelOrder,
  transposedAttributes,
  windowAttributes,
  type WindowSpec,
} from '../../trace/windows.ts';
import type { LayerContext, LayerRule } from '../context.ts';
import { activated, single } from './dense.ts';

/** How a layer over `count` spatial axes sees its input: with channels first, whatever order the model has. */
function spatial(inputs: readonly Traced[], layer: LayerContext, count: number, fn: (x: Value) => Value): Traced {
  const x = single(inputs, layer);
  if (x.rank !== count + 2) throw layer.error(`takes ${count + 2} axes, received [${x.shape.join(', ')}]`);
  return isChannelsFirst(layer) ? Traced.last(layer.g, fn(x.last)) : Traced.first(layer.g, fn(x.first));
}

function isChannelsFirst(layer: LayerContext): boolean {
  return layer.word('data_format', ['channels_last', 'channels_first'], 'channels_last') === 'channels_first';
}

const PADDINGS = ['valid', 'same', 'causal'] as const;

function windowOf(layer: LayerContext, count: number): WindowSpec {
  return {
    kernel: layer.numbers('kernel_size', count, 1),
    strides: layer.numbers('strides', count, 1),
    dilations: layer.numbers('dilation_rate', count, 1),
    padding: layer.word('padding', count === 1 ? PADDINGS : PADDINGS.slice(0, 2), 'valid'),
  };
}

function withBias(y: Value, layer: LayerContext): Value {
  return layer.config.get('use_bias').boolean(true) ? addToChannels(layer.g, y, layer.weight('bias')) : y;
}

function convolution(count: number): LayerRule {
  return (inputs, layer) => {
    const groups = layer.config.get('groups').int(1, 1);
    const y = spatial(inputs, layer, count, (x) => {
      const kernel = layer.permutedWeight('kernel', kernelOrder(count + 2));
      const attributes = windowAttributes(windowOf(layer, count), x.shape.slice(2));
      return withBias(layer.g.one('Conv', [x, kernel], { attributes: grouped(attributes, groups) }), layer);
    });
    return activated(y, layer);
  };
}

function grouped(attributes: Attributes, group: number): Attributes {
  return group === 1 ? attributes : { ...attributes, group: { int: group } };
}

function transposedConvolution(count: number): LayerRule {
  return (inputs, layer) => {
    if (layer.config.get('output_padding').exists) throw layer.error('`output_padding` is not supported');
    const y = spatial(inputs, layer, count, (x) => {
      const rank = count + 2;
      // `[spatial…, out, in]`, and ONNX has `[in, out, spatial…]`.
      const kernel = layer.permutedWeight('kernel', kernelOrder(rank));
      return withBias(
        layer.g.one('ConvTranspose', [x, kernel], { attributes: transposedAttributes(windowOf(layer, count)) }),
        layer,
      );
    });
    return activated(y, layer);
  };
}

/** Each channel is convolved alone. */
function depthwise(x: Value, layer: LayerContext, count: number, weight: string): Value {
  const kernel = layer.weight(weight, (data: TensorData) => {
    if (data.shape.length === count + 2) return depthwiseKernel(data);
    throw layer.error(`the weight "${weight}" must have ${count + 2} axes, received [${data.shape.join(', ')}]`);
  });
  const channels = x.shape[1];
  if (typeof channels !== 'number') throw layer.error('the number of channels must be known');
  const attributes = windowAttributes(windowOf(layer, count), x.shape.slice(2));
  return layer.g.one('Conv', [x, kernel], { attributes: grouped(attributes, channels) });
}

function depthwiseConvolution(count: number): LayerRule {
  return (inputs, layer) =>
    activated(
      spatial(inputs, layer, count, (x) => withBias(depthwise(x, layer, count, 'depthwise_kernel'), layer)),
      layer,
    );
}

function separableConvolution(count: number): LayerRule {
  return (inputs, layer) => {
    const y = spatial(inputs, layer, count, (x) => {
      const each = depthwise(x, layer, count, 'depthwise_kernel');
      const mixed = layer.permutedWeight('pointwise_kernel', kernelOrder(count + 2));
      return withBias(layer.g.one('Conv', [each, mixed]), layer);
    });
    return activated(y, layer);
  };
}

function pooling(op: 'MaxPool' | 'AveragePool', count: number): LayerRule {
  return (inputs, layer) =>
    spatial(inputs, layer, count, (x) => {
      const kernel = layer.numbers('pool_size', count, 2);
      const strides = layer.config.get('strides').exists ? layer.numbers('strides', count, 2) : kernel;
      const padding = layer.word('padding', ['valid', 'same'], 'valid');
      const window = { kernel, strides, dilations: kernel.map(() => 1), padding };
      return layer.g.one(op, [x], { attributes: windowAttributes(window, x.shape.slice(2)) });
    });
}

function globalPooling(op: 'max' | 'mean', count: number): LayerRule {
  return (inputs, layer) => {
    const x = single(inputs, layer);
    if (x.rank !== count + 2) throw layer.error(`takes ${count + 2} axes, received [${x.shape.join(', ')}]`);
    const keepdims = layer.config.get('keepdims').boolean(false);
    const channelsFirst = isChannelsFirst(layer);
    // Where the channels are first already, no transposition is needed to sum over the others.
    const value = channelsFirst || !x.isFirst ? x.last : x.first;
    const start = channelsFirst || x.isFirst ? 2 : 1;
    const pooled = layer.ops[op](value, { axes: Array.from({ length: count }, (_, i) => i + start), keepdims });
    return keepdims && x.isFirst && !channelsFirst ? Traced.first(layer.g, pooled) : Traced.last(layer.g, pooled);
  };
}

/** Pads or crops the spatial axes by `[[before, after], …]`, or by numbers for both ends of each or of all. */
function padding(key: 'padding' | 'cropping', count: number): LayerRule {
  return (inputs, layer) => {
    const ends = endsOf(layer, key, count);
    return spatial(inputs, layer, count, (x) =>
      layer.ops.pad(x, [
        [0, 0],
        [0, 0],
        ...ends.map(([before, after]) =>
          key === 'padding' ? ([before, after] as const) : ([-before, -after] as const),
        ),
      ]),
    );
  };
}

function endsOf(layer: LayerContext, key: string, count: number): readonly (readonly [number, number])[] {
  const place = layer.config.get(key);
  if (!place.exists || !place.isArray) {
    const all = place.int(1, 0);
    return Array.from({ length: count }, () => [all, all] as const);
  }
  const items = place.items();
  if (count === 1 && items.length === 2 && !(items[0]?.isArray ?? false)) {
    return [[items[0]!.int(undefined, 0), items[1]!.int(undefined, 0)]];
  }
  if (items.length !== count) throw place.error(`needs ${count} pairs, received ${items.length}`);
  return items.map((item) => {
    if (!item.isArray) return [item.int(undefined, 0), item.int(undefined, 0)] as const;
    const [before, after] = item.items();
    if (before === undefined || after === undefined) throw item.error('must be two numbers');
    return [before.int(undefined, 0), after.int(undefined, 0)] as const;
  });
}

function upSampling(count: number): LayerRule {
  return (inputs, layer) => {
    const size = layer.numbers('size', count, 2);
    const interpolation = layer.word('interpolation', ['nearest', 'bilinear'], 'nearest');
    return spatial(inputs, layer, count, (x) =>
      resized(x, layer, size, interpolation === 'nearest' ? 'nearest' : 'linear'),
    );
  };
}

/** Elements are placed as TensorFlow.js places them: the first of the result on the first of the input. */
function resized(x: Value, { g }: LayerContext, scales: readonly number[], mode: 'nearest' | 'linear'): Value {
  const attributes: Attributes = {
    axes: { ints: scales.map((_, i) => i + 2) },
    mode: { string: mode },
    coordinate_transformation_mode: { string: 'asymmetric' },
    ...(mode === 'nearest' && { nearest_mode: { string: 'floor' } }),
  };
  const factors = g.constant(tensor('float32', [scales.length], scales));
  return g.one('Resize', [x, undefined, factors], { attributes });
}

/** Statistics that were collected in training normalise each channel; they stay as they are. */
const batchNormalization: LayerRule = (inputs, layer) => {
  const { g, config } = layer;
  const x = single(inputs, layer);
  const place = config.get('axis');
  const given = place.isArray ? (place.items()[0] ?? place).int() : place.int(-1);
  const axis = given < 0 ? given + x.rank : given;
  if (axis !== x.rank - 1 && axis !== 1) throw place.error(`must be the last axis or 1, received ${given}`);
  const mean = layer.weight('moving_mean');
  const variance = layer.weight('moving_variance');
  const ones = (value: number): Value =>
    g.constant({ dtype: 'float32', shape: mean.dims, data: new Float32Array(mean.dims[0] ?? 0).fill(value) });
  const scale = config.get('scale').boolean(true) ? layer.weight('gamma') : ones(1);
  const center = config.get('center').boolean(true) ? layer.weight('beta') : ones(0);
  const norm = (value: Value): Value =>
    g.one('BatchNormalization', [value, scale, center, mean, variance], {
      attributes: { epsilon: { float: config.get('epsilon').number(1e-3) } },
    });
  if (x.rank === 2) return Traced.last(g, norm(x.last), x.mask);
  const isLast = axis === x.rank - 1;
  return (isLast ? Traced.first(g, norm(x.first)) : Traced.last(g, norm(x.last))).withMask(x.mask);
};

const layerNormalization: LayerRule = (inputs, layer) => {
  const { g, ops, config } = layer;
  const x = single(inputs, layer);
  const place = config.get('axis');
  const axes = (place.isArray ? place.items() : [place]).map((item) => item.int(-1));
  const sorted = axes.map((axis) => (axis < 0 ? axis + x.rank : axis)).toSorted((a, b) => a - b);
  if (sorted.some((axis, i) => axis !== x.rank - sorted.length + i)) throw place.error('must be the last axes');
  const sizes = sorted.map((axis): Dim => x.shape[axis] as Dim);
  const filled = (value: number): Value => ops.full(sizes, value);
  const scale = config.get('scale').boolean(true) ? layer.weight('gamma') : filled(1);
  const center = config.get('center').boolean(true) ? layer.weight('beta') : filled(0);
  const epsilon = config.get('epsilon').number(1e-3);
  return Traced.last(g, ops.layerNorm(x.last, scale, center, { axis: -sorted.length, epsilon }), x.mask);
};

export const spatialRules: Readonly<Record<string, LayerRule>> = {
  Conv1D: convolution(1),
  Conv2D: convolution(2),
  Conv3D: convolution(3),
  Conv2DTranspose: transposedConvolution(2),
  Conv3DTranspose: transposedConvolution(3),
  DepthwiseConv2D: depthwiseConvolution(2),
  SeparableConv2D: separableConvolution(2),
  MaxPooling1D: pooling('MaxPool', 1),
  MaxPooling2D: pooling('MaxPool', 2),
  MaxPooling3D: pooling('MaxPool', 3),
  AveragePooling1D: pooling('AveragePool', 1),
  AveragePooling2D: pooling('AveragePool', 2),
  AveragePooling3D: pooling('AveragePool', 3),
  GlobalMaxPooling1D: globalPooling('max', 1),
  GlobalMaxPooling2D: globalPooling('max', 2),
  GlobalAveragePooling1D: globalPooling('mean', 1),
  GlobalAveragePooling2D: globalPooling('mean', 2),
  ZeroPadding1D: padding('padding', 1),
  ZeroPadding2D: padding('padding', 2),
  Cropping1D: padding('cropping', 1),
  Cropping2D: padding('cropping', 2),
  UpSampling1D: upSampling(1),
  UpSampling2D: upSampling(2),
  BatchNormalization: batchNormalization,
  LayerNormalization: layerNormalization,
};
