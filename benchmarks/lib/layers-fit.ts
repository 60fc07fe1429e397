import type { Model, Task } from '@anneal/core';
import { type Backend, GraphBuilder, sizeOf, tensor, type TensorData, type Value } from '@anneal/graph';
import { seededRandom } from '@anneal/testkit';

import { FEED, traceStep } from '../../packages/core/src/train/step-graph.ts';
import { builtinOptimizer } from '../../packages/core/src/train/optimizers.ts';
import { adamwSource, initialState } from './source.ts';

/** A classifier of dense layers: what both sides train. */
export const mlp = { inputs: 256, layers: [512, 512, 10], batch: 128 } as const;

const drawn = (shape: readonly number[], scale: number): TensorData => {
  const next = seededRandom(sizeOf(shape));
  return tensor(
    'float32',
    shape,
    Float32Array.from({ length: sizeOf(shape) }, () => (next() - 0.5) * scale),
  );
};

function model(): Model {
  const g = new GraphBuilder();
  let x = g.input('x', 'float32', ['batch', mlp.inputs]);
  let width: number = mlp.inputs;
  for (const [i, units] of mlp.layers.entries()) {
    const kernel = g.parameter(`${i}.weight`, drawn([width, units], 0.1), { trainable: true });
    const bias = g.parameter(`${i}.bias`, drawn([units], 0), { trainable: true });
    const y: Value = g.ops.add(g.ops.matmul(x, kernel), bias);
    x = i === mlp.layers.length - 1 ? y : g.ops.relu(y);
    width = units;
  }
  g.output('logits', x);
  return { graph: g.build({ name: 'mlp' }), config: {}, padding: {} };
}

const classes = mlp.layers.at(-1) as number;

const unused = (): never => {
  throw new Error('not used here');
};

const task: Task = {
  kind: 'classification',
  targets: { label: { dtype: 'int64', shape: [] } },
  encode: unused,
  evaluator: unused,
  monitor: { metric: 'loss', mode: 'min' },
  traceTargets: ({ label }, { ops }) => ops.oneHot(label as Value, classes),
  traceLoss: ({ logits }, targets, { ops }) =>
    ops.neg(ops.mean(ops.sum(ops.mul(targets, ops.logSoftmax(logits as Value)), { axes: [-1] }))),
};

/** One step of Adam on a batch, as the engine traces it; clipping is left out, which `fit` does not do. */
export async function mlpStep(backend: Backend): Promise<(i: number) => Promise<unknown>> {
  const adam = builtinOptimizer('adam');
  if (!adam) throw new Error('adam is built in');
  const source = adamwSource(model(), task, { optimizer: adam, weightDecay: 0, maxGradNorm: 0 });
  const { graph, updates } = traceStep(source, mlp.batch, undefined);
  const { tensors, empty } = initialState(source, false);
  const state = await backend.createState(tensors, empty);
  const program = await backend.compile(graph, { purpose: 'training', state, updates });
  const feeds = {
    x: drawn([mlp.batch, mlp.inputs], 2),
    label: tensor(
      'int64',
      [mlp.batch],
      Array.from({ length: mlp.batch }, (_, i) => i % classes),
    ),
    [FEED.sampleWeights]: tensor('float32', [mlp.batch], new Float32Array(mlp.batch).fill(1)),
    [FEED.learningRate]: tensor('float32', [], [1e-3]),
  };
  return (i) => program.run({ ...feeds, [FEED.step]: tensor('float32', [], [i + 1]) });
}

/** The same by TensorFlow.js's own layers, gradients and optimizer: one call of `fit` is one step. */
export async function layersFit(device: 'wasm'): Promise<() => Promise<unknown>> {
  const tf = await import('@tensorflow/tfjs');
  await import('@tensorflow/tfjs-backend-wasm');
  await tf.setBackend(device);
  const network = tf.sequential();
  for (const [i, units] of mlp.layers.entries()) {
    network.add(
      tf.layers.dense({
        units,
        activation: i === mlp.layers.length - 1 ? 'softmax' : 'relu',
        ...(i === 0 && { inputShape: [mlp.inputs] }),
      }),
    );
  }
  network.compile({ optimizer: tf.train.adam(1e-3), loss: 'categoricalCrossentropy' });
  const x = tf.tensor2d(drawn([mlp.batch, mlp.inputs], 2).data as Float32Array, [mlp.batch, mlp.inputs]);
  const labels = tf.tensor1d(
    Array.from({ length: mlp.batch }, (_, i) => i % classes),
    'int32',
  );
  const y = tf.oneHot(labels, classes);
  return () => network.fit(x, y, { epochs: 1, batchSize: mlp.batch, verbose: 0, shuffle: false });
}
