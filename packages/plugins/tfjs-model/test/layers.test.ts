import { describe, it } from 'vitest';

import { expectEqual, feedsOf, imported, randomWeights, tf } from './tfjs.ts';

const l = tf.layers;

/** A model of one chain of layers. */
function chain(...layers: tf.layers.Layer[]): tf.LayersModel {
  return tf.sequential({ layers });
}

const image = { inputShape: [7, 6, 3] };
const sequence = { inputShape: [5, 3] };
const conv = { filters: 4, kernelSize: 3, useBias: true };

/** Models by what they are about. Every open size is 2. */
const MODELS: Readonly<Record<string, () => tf.LayersModel>> = {
  'Dense, activations': () =>
    chain(
      l.dense({ units: 5, inputShape: [4], activation: 'relu' }),
      l.dense({ units: 6, activation: 'tanh' }),
      l.dense({ units: 4, activation: 'sigmoid', useBias: false }),
      l.dense({ units: 3, activation: 'softmax' }),
    ),
  ...Object.fromEntries(
    (
      [
        'elu',
        'selu',
        'softplus',
        'softsign',
        'hardSigmoid',
        'relu6',
        'linear',
        'swish',
        'mish',
        'logSoftmax',
        'gelu',
        'gelu_new',
      ] as const
    ).map((activation) => [
      `activation ${activation}`,
      () => chain(l.dense({ units: 6, inputShape: [4], activation: activation as 'elu' })),
    ]),
  ),
  'Dense over a sequence': () => chain(l.dense({ units: 3, ...sequence }), l.dense({ units: 2 })),
  'activation layers': () =>
    chain(
      l.dense({ units: 6, inputShape: [4] }),
      l.activation({ activation: 'tanh' }),
      l.leakyReLU({ alpha: 0.2 }),
      l.dense({ units: 6 }),
      l.elu(),
      l.dense({ units: 6 }),
      l.prelu({}),
      l.reLU({ maxValue: 0.5 }),
      l.dense({ units: 4 }),
      l.softmax({}),
    ),
  ThresholdedReLU: () => chain(l.dense({ units: 6, inputShape: [4] }), l.thresholdedReLU({ theta: 0.1 })),
  'dropout and noise': () =>
    chain(
      l.dense({ units: 6, inputShape: [4] }),
      l.dropout({ rate: 0.3 }),
      l.gaussianNoise({ stddev: 1 }),
      l.gaussianDropout({ rate: 0.2 }),
      l.alphaDropout({ rate: 0.2 }),
    ),
  'Conv2D same and valid, strides': () =>
    chain(
      l.conv2d({ ...image, ...conv, padding: 'same', activation: 'relu' }),
      l.conv2d({ ...conv, filters: 5, strides: 2, padding: 'same' }),
      l.conv2d({ ...conv, filters: 2, kernelSize: [2, 3], padding: 'valid' }),
    ),
  'Conv2D of an even kernel, dilation': () =>
    chain(
      l.conv2d({ ...image, ...conv, kernelSize: 2, padding: 'same' }),
      l.conv2d({ ...conv, filters: 5, dilationRate: 2, padding: 'same' }),
    ),
  'average pooling of edges': () =>
    chain(l.conv2d({ ...image, ...conv }), l.averagePooling2d({ poolSize: 3, strides: 2, padding: 'same' })),
  'Conv2D of open sizes': () =>
    chain(
      l.conv2d({ inputShape: [null, null, 3] as never, ...conv, padding: 'same' }),
      l.conv2d({ ...conv, filters: 5, padding: 'same' }),
    ),
  'Conv2D, channels first': () =>
    chain(
      l.conv2d({ inputShape: [3, 6, 5], ...conv, dataFormat: 'channelsFirst' }),
      l.flatten({ dataFormat: 'channelsFirst' }),
    ),
  Conv2DTranspose: () =>
    chain(
      l.conv2dTranspose({ ...image, ...conv, strides: 2, padding: 'same' }),
      l.conv2dTranspose({ ...conv, filters: 5, kernelSize: 2, strides: 3, padding: 'valid' }),
    ),
  DepthwiseConv2D: () =>
    chain(
      l.depthwiseConv2d({ ...image, kernelSize: 3, depthMultiplier: 2, padding: 'same' }),
      l.depthwiseConv2d({ kernelSize: 2, strides: 2 }),
    ),
  SeparableConv2D: () =>
    chain(l.separableConv2d({ ...image, ...conv, depthMultiplier: 2, padding: 'same', activation: 'relu' })),
  'Conv1D same and valid': () =>
    chain(
      l.conv1d({ ...sequence, ...conv, padding: 'same' }),
      l.conv1d({ ...conv, filters: 2, strides: 2, padding: 'valid' }),
    ),
  pooling: () =>
    chain(
      l.conv2d({ ...image, ...conv, padding: 'same' }),
      l.maxPooling2d({ poolSize: 2, strides: 1, padding: 'same' }),
      l.averagePooling2d({ poolSize: 2, strides: 1 }),
    ),
  'pooling of sequences': () =>
    chain(
      l.conv1d({ ...sequence, ...conv, padding: 'same' }),
      l.maxPooling1d({ poolSize: 2, strides: 1, padding: 'same' }),
      l.averagePooling1d({ poolSize: 2 }),
    ),
  'global pooling of images': () =>
    chain(l.conv2d({ ...image, ...conv }), l.globalAveragePooling2d({}), l.dense({ units: 2 })),
  'global pooling of sequences': () =>
    chain(l.dense({ ...sequence, units: 4 }), l.globalMaxPooling1d(), l.dense({ units: 2 })),
  'global maximum, global average': () => {
    const x = tf.input({ shape: [6, 5, 3] });
    const y = l.conv2d(conv).apply(x) as tf.SymbolicTensor;
    const max = l.globalMaxPooling2d({}).apply(y) as tf.SymbolicTensor;
    const mean = l.globalAveragePooling2d({}).apply(x) as tf.SymbolicTensor;
    return tf.model({ inputs: x, outputs: [max, l.dense({ units: 2 }).apply(mean) as tf.SymbolicTensor] });
  },
  BatchNormalization: () =>
    chain(
      l.conv2d({ ...image, ...conv }),
      l.batchNormalization({}),
      l.activation({ activation: 'relu' }),
      l.globalAveragePooling2d({}),
      l.dense({ units: 3 }),
      l.batchNormalization({ epsilon: 0.01 }),
    ),
  'BatchNormalization without a scale': () =>
    chain(
      l.dense({ units: 3, inputShape: [4] }),
      l.batchNormalization({ scale: false, center: false }),
      l.dense({ units: 3 }),
      l.batchNormalization({ scale: false }),
    ),
  LayerNormalization: () =>
    chain(
      l.dense({ ...sequence, units: 4 }),
      l.layerNormalization({ epsilon: 1e-3 }),
      l.layerNormalization({ axis: [1, 2] as never }),
    ),
  'padding, cropping, upsampling': () =>
    chain(
      l.zeroPadding2d({
        ...image,
        padding: [
          [1, 2],
          [0, 3],
        ],
      }),
      l.conv2d(conv),
      l.cropping2D({
        cropping: [
          [1, 0],
          [0, 2],
        ],
      }),
      l.upSampling2d({ size: [2, 2] }),
      l.conv2d({ ...conv, filters: 2 }),
    ),
  'upsampling by two factors': () => chain(l.conv2d({ ...image, ...conv }), l.upSampling2d({ size: [2, 3] })),
  'bilinear upsampling': () =>
    chain(l.conv2d({ ...image, ...conv }), l.upSampling2d({ size: [3, 2], interpolation: 'bilinear' })),
  'Flatten, Reshape, Permute, RepeatVector': () =>
    chain(
      l.conv2d({ ...image, ...conv }),
      l.permute({ dims: [3, 1, 2] }),
      l.reshape({ targetShape: [8, 10] }),
      l.flatten(),
      l.dense({ units: 3 }),
      l.repeatVector({ n: 4 }),
    ),
  merges: () => {
    const x = tf.input({ shape: [6, 5, 3], name: 'x' });
    const a = l.conv2d({ ...conv, padding: 'same' }).apply(x) as tf.SymbolicTensor;
    const b = l.conv2d({ ...conv, padding: 'same', activation: 'tanh' }).apply(x) as tf.SymbolicTensor;
    const merged = [l.add(), l.multiply(), l.average(), l.maximum(), l.minimum()].map(
      (layer) => layer.apply([a, b]) as tf.SymbolicTensor,
    );
    const all = l.concatenate({ axis: 3 }).apply([...merged, x]) as tf.SymbolicTensor;
    const rows = l.concatenate({ axis: 1 }).apply([a, b]) as tf.SymbolicTensor;
    return tf.model({ inputs: x, outputs: [all, rows] });
  },
  Dot: () => {
    const a = tf.input({ shape: [4], name: 'a' });
    const b = tf.input({ shape: [4], name: 'b' });
    const [x, y] = [a, b].map((input) => l.dense({ units: 3 }).apply(input) as tf.SymbolicTensor);
    return tf.model({
      inputs: [a, b],
      outputs: l.dot({ axes: -1, normalize: true }).apply([x!, y!]) as tf.SymbolicTensor,
    });
  },
  'Embedding with a mask, LSTM': () =>
    chain(
      l.embedding({ inputDim: 5, outputDim: 3, inputLength: 4, maskZero: true }),
      l.lstm({ units: 3 }),
      l.dense({ units: 2 }),
    ),
  'Masking, GRU': () =>
    chain(
      l.masking({ maskValue: 0, inputShape: [4, 1] }),
      l.gru({ units: 3, returnSequences: true }),
      l.dense({ units: 2 }),
    ),
  'stacked recurrent layers': () =>
    chain(
      l.lstm({ units: 3, ...sequence, returnSequences: true, recurrentActivation: 'sigmoid' }),
      l.gru({ units: 2, returnSequences: true, recurrentActivation: 'hardSigmoid', goBackwards: true }),
      l.simpleRNN({ units: 3, useBias: false }),
    ),
  Bidirectional: () =>
    chain(
      l.bidirectional({
        layer: l.lstm({ units: 3, returnSequences: true }) as never,
        mergeMode: 'concat',
        ...sequence,
      }),
      l.bidirectional({ layer: l.gru({ units: 2 }) as never, mergeMode: 'ave' }),
    ),
  TimeDistributed: () =>
    chain(
      l.timeDistributed({ layer: l.conv2d({ filters: 3, kernelSize: 2 }), inputShape: [3, 4, 4, 2] }),
      l.timeDistributed({ layer: l.flatten() }),
      l.timeDistributed({ layer: l.dense({ units: 2 }) }),
    ),
  'a sequence-to-sequence model with states': () => {
    const source = tf.input({ shape: [4, 3], name: 'source' });
    const target = tf.input({ shape: [2, 3], name: 'target' });
    const [, h, c] = l.lstm({ units: 3, returnState: true }).apply(source) as tf.SymbolicTensor[];
    const decoded = l
      .lstm({ units: 3, returnSequences: true })
      .apply(target, { initialState: [h, c] } as never) as tf.SymbolicTensor;
    return tf.model({ inputs: [source, target], outputs: decoded });
  },
  'nested and shared models': () => {
    const inner = tf.sequential({
      name: 'encoder',
      layers: [
        l.dense({ units: 4, inputShape: [3], activation: 'tanh', name: 'first' }),
        l.dense({ units: 3, name: 'second' }),
      ],
    });
    const a = tf.input({ shape: [3], name: 'a' });
    const b = tf.input({ shape: [3], name: 'b' });
    const shared = l.dense({ units: 3, name: 'shared' });
    const [x, y] = [a, b].map((input) => inner.apply(shared.apply(input)) as tf.SymbolicTensor);
    return tf.model({ inputs: [a, b], outputs: [l.add().apply([x!, y!]) as tf.SymbolicTensor, x!] });
  },
};

/** Where TensorFlow.js has no gradient to compare with, or a wrong one: finite differences have. */
const NO_GRADIENT: Readonly<Record<string, string>> = {
  'Conv2D of an even kernel, dilation': 'dilation rates greater than 1 are not yet supported in gradients',
  'average pooling of edges': 'its gradient divides by the whole window, its mean by what lies inside',
  'BatchNormalization without a scale': 'Cannot read properties of undefined',
  ThresholdedReLU: 'gradient function not found for Greater',
  'padding, cropping, upsampling': 'its gradient of resized images is not that of finite differences',
  'upsampling by two factors': 'as above',
  'bilinear upsampling': 'the gradient of input images has the shape of another image',
};

describe('a layers model has the outputs and the gradients of TensorFlow.js', () => {
  it.each(Object.keys(MODELS))('%s', async (name) => {
    const model = (MODELS[name] as () => tf.LayersModel)();
    randomWeights(model, 7);
    const graph = await imported(model);
    await expectEqual(
      model,
      graph,
      feedsOf(graph, 11, name.startsWith('Embedding') ? 5 : undefined),
      NO_GRADIENT[name] === undefined ? 'tensorflow.js' : 'finite differences',
    );
    model.dispose();
  });
});
