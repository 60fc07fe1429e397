import { pointwise, Traced } from '../../trace/traced.ts';
import { activationOf } from '../activations.ts';
import type { LayerContext, LayerRule } from '../context.ts';

/** The activation that the layer names. */
export function activated(x: Traced, layer: LayerContext, key: string = 'activation'): Traced {
  const { fn, overAxis } = activationOf(layer.config.get(key));
  if (overAxis !== true) return x.map((value) => fn(value, layer.ops));
  return Traced.last(layer.g, fn(x.last, layer.ops), x.mask);
}

/** The one input of a layer that takes one. */
export function single(inputs: readonly Traced[], layer: LayerContext): Traced {
  const [x] = inputs;
  if (x === undefined || inputs.length !== 1) throw layer.error(`takes one input, received ${inputs.length}`);
  return x;
}

const dense: LayerRule = (inputs, layer) => {
  const x = single(inputs, layer);
  const product = layer.ops.matmul(x.last, layer.weight('kernel'));
  const y = layer.config.get('use_bias').boolean(true) ? layer.ops.add(product, layer.weight('bias')) : product;
  return activated(Traced.last(layer.g, y, x.mask), layer);
};

const embedding: LayerRule = (inputs, layer) => {
  const { ops, g, config } = layer;
  const ids = single(inputs, layer).last;
  const rows = ops.take(layer.weight('embeddings'), ops.cast(ids, 'int64'));
  return Traced.last(g, rows, config.get('mask_zero').boolean(false) ? ops.logicalNot(ops.equal(ids, 0)) : undefined);
};

/** Steps whose features all equal `mask_value` count for nothing. */
const masking: LayerRule = (inputs, layer) => {
  const { ops, g } = layer;
  const x = single(inputs, layer).last;
  const differs = ops.cast(ops.logicalNot(ops.equal(x, layer.config.get('mask_value').number(0))), x.dtype);
  const kept = ops.max(differs, { axes: [-1], keepdims: true });
  return Traced.last(g, ops.mul(x, kept), ops.greater(ops.squeeze(kept, [-1]), 0));
};

const alphaOf = (layer: LayerContext, fallback: number): number => {
  const place = layer.config.get('alpha');
  const given = place.exists ? place : layer.config.get('negative_slope');
  return given.number(fallback);
};

const softmax: LayerRule = (inputs, layer) => {
  const x = single(inputs, layer);
  const axis = layer.config.get('axis').int(-1);
  return Traced.last(layer.g, layer.ops.softmax(x.last, { axis }), x.mask);
};

const relu: LayerRule = (inputs, layer) => {
  const { config, ops } = layer;
  const slope = config.get('negative_slope').number(0);
  const threshold = config.get('threshold').number(0);
  if (slope !== 0 || threshold !== 0) {
    throw layer.error('a slope or a threshold is not supported', 'use LeakyReLU or ThresholdedReLU');
  }
  const max = config.get('max_value');
  return single(inputs, layer).map((x) => (max.exists ? ops.clip(x, { min: 0, max: max.number() }) : ops.relu(x)));
};

/** One slope for each element of the input, or for each of the axes that are not shared. */
const prelu: LayerRule = (inputs, layer) => {
  const x = single(inputs, layer);
  const slope = Traced.last(layer.g, layer.weight('alpha'));
  return pointwise(layer.g, [x, slope], ([value, alpha]) => layer.g.one('PRelu', [value, alpha]));
};

const rescaling: LayerRule = (inputs, layer) => {
  const { config, ops } = layer;
  const [scale, offset] = [config.get('scale').number(1), config.get('offset').number(0)];
  return single(inputs, layer).map((x) => ops.add(ops.mul(ops.cast(x, 'float32'), scale), offset));
};

const unchanged: LayerRule = (inputs, layer) => single(inputs, layer);

const dropout: LayerRule = (inputs, layer) => {
  const rate = layer.config.get('rate').number(0);
  if (!(rate >= 0 && rate < 1)) throw layer.config.get('rate').error(`must be from 0 to below 1, received ${rate}`);
  return single(inputs, layer).map((x) => layer.ops.dropout(x, { rate }));
};

export const denseRules: Readonly<Record<string, LayerRule>> = {
  Dense: dense,
  Embedding: embedding,
  Masking: masking,
  Activation: (inputs, layer) => activated(single(inputs, layer), layer),
  ReLU: relu,
  LeakyReLU: (inputs, layer) =>
    single(inputs, layer).map((x) => layer.ops.leakyRelu(x, { alpha: alphaOf(layer, 0.3) })),
  ELU: (inputs, layer) => single(inputs, layer).map((x) => layer.ops.elu(x, { alpha: alphaOf(layer, 1) })),
  PReLU: prelu,
  ThresholdedReLU: (inputs, layer) =>
    single(inputs, layer).map((x) =>
      layer.g.one('ThresholdedRelu', [x], { attributes: { alpha: { float: layer.config.get('theta').number(1) } } }),
    ),
  Softmax: softmax,
  Rescaling: rescaling,
  Dropout: dropout,
  // Noise that only training has, of kinds that the training engine does not draw.
  SpatialDropout1D: unchanged,
  SpatialDropout2D: unchanged,
  GaussianNoise: unchanged,
  GaussianDropout: unchanged,
  AlphaDropout: unchanged,
  ActivityRegularization: unchanged,
};
