import {
  canonicalize,
  type Graph,
  GraphBuilder,
  gradients,
  inline,
  interpret,
  memorySource,
  tensor,
  type TensorData,
  withParameters,
} from '@anneal/graph';
import { assertClose, seededRandom } from '@anneal/testkit';
import * as tf from '@tensorflow/tfjs';
import { expect } from 'vitest';

import { readTfjsFile, type TfjsFile } from '../src/format/read.ts';
import { type LayersOptions, readLayers } from '../src/layers/model.ts';
import { parameterName } from '../src/names.ts';
import { depthwiseKernel, kernelOrder, permuted } from '../src/trace/windows.ts';

// Without it the first use of the backend prints an advertisement.
tf.env().set('IS_TEST', true);

export { tf };

/** The files of a model in memory: `model.json` and its weights. */
export type Files = ReadonlyMap<string, Uint8Array>;

/** What TensorFlow.js saves of a model, as files. */
export async function saved(model: tf.LayersModel): Promise<Files> {
  let artifacts: tf.io.ModelArtifacts | undefined;
  await model.save(
    tf.io.withSaveHandler((given) => {
      artifacts = given;
      return Promise.resolve({ modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' as const } });
    }),
  );
  const { modelTopology, weightSpecs, weightData } = artifacts as tf.io.ModelArtifacts;
  const json = {
    format: 'layers-model',
    modelTopology,
    weightsManifest: [{ paths: ['weights.bin'], weights: weightSpecs }],
  };
  return new Map([
    ['model.json', new TextEncoder().encode(JSON.stringify(json))],
    ['weights.bin', new Uint8Array(weightData as ArrayBuffer)],
  ]);
}

export function read(files: Files): Promise<TfjsFile> {
  return readTfjsFile(memorySource(files.get('model.json') as Uint8Array, 'model.json'), (path) => {
    const bytes = files.get(path);
    return bytes === undefined
      ? Promise.reject(new Error(`no file ${path}`))
      : Promise.resolve(memorySource(bytes, path));
  });
}

export async function imported(model: tf.LayersModel, options: LayersOptions = {}): Promise<Graph> {
  return readLayers(await read(await saved(model)), options);
}

/** Random weights in place of those that start at 0 or 1; variances stay positive. */
export function randomWeights(model: tf.LayersModel, seed: number): void {
  const random = seededRandom(seed);
  model.setWeights(
    model.weights.map((weight) => {
      const { shape, originalName } = weight;
      const low = originalName.includes('variance') ? 0.5 : -0.6;
      const high = originalName.includes('variance') ? 2 : 0.6;
      const size = (shape as number[]).reduce((a, b) => a * b, 1);
      return tf.tensor(
        Array.from({ length: size }, () => low + (high - low) * random()),
        shape as number[],
      );
    }),
  );
}

/** Feeds for the inputs of a graph, every open size 2: floats around 0, or with `ids` whole numbers below it. */
export function feedsOf(graph: Graph, seed: number, ids?: number): Record<string, TensorData> {
  const random = seededRandom(seed);
  return Object.fromEntries(
    [...graph.inputs].map(([name, { dtype, shape }]) => {
      const dims = shape.map((dim) => (typeof dim === 'number' ? dim : 2));
      const size = dims.reduce((a, b) => a * b, 1);
      // Some zeros, for what looks at them.
      const float = (): number => (random() < 0.1 ? 0 : 2 * random() - 1);
      const next = ids === undefined ? float : () => Math.floor(random() * ids);
      return [name, tensor(dtype, dims, Array.from({ length: size }, next))];
    }),
  );
}

export function toTf({ dtype, shape, data }: TensorData): tf.Tensor {
  const values = data instanceof BigInt64Array ? Int32Array.from(data, Number) : (data as Float32Array);
  return tf.tensor(values, [...shape], dtype === 'float32' ? 'float32' : dtype === 'bool' ? 'bool' : 'int32');
}

/** A result of TensorFlow.js as Anneal has tensors. */
export function fromTf(value: tf.Tensor): TensorData {
  return tensor('float32', value.shape, Float32Array.from(value.dataSync()));
}

/** `Σ y² / 2` over all outputs, and its gradients, computed by Anneal's autodiff. */
export function training(graph: Graph): Graph {
  const g = new GraphBuilder();
  const dims: Record<string, number> = {};
  for (const { shape } of graph.inputs.values()) for (const dim of shape) if (typeof dim === 'string') dims[dim] = 2;
  // What follows from sizes is known once they are.
  const outputs = Object.values(inline(g, canonicalize(graph, { dims }).graph));
  const squares = outputs.map((y) => g.ops.sum(g.ops.mul(y, y)));
  const loss = g.ops.mul(
    squares.reduce((a, b) => g.ops.add(a, b)),
    0.5,
  );
  const wrt = [...graph.parameters]
    .filter(([, { trainable }]) => trainable)
    .flatMap(([name]) => g.findParameter(name)?.value ?? []);
  g.output('loss', loss);
  for (const [value, gradient] of gradients(g, loss, wrt, { unused: 'zeros' }))
    g.output(`grad:${value.name}`, gradient);
  return g.build();
}

/** Checks outputs and the gradients of all weights against TensorFlow.js, with every open size 2. */
export async function expectEqual(
  model: tf.LayersModel,
  graph: Graph,
  feeds: Record<string, TensorData>,
  oracle: 'tensorflow.js' | 'finite differences',
): Promise<void> {
  const inputs = model.inputs.map(({ name }, i) => {
    const own = feeds[name.replace(/:\d+$/, '')] ?? Object.values(feeds)[i];
    return toTf(own as TensorData);
  });
  const call = (): tf.Tensor[] =>
    [model.apply(inputs.length === 1 ? (inputs[0] as tf.Tensor) : inputs) as tf.Tensor].flat();
  const wanted = call().map(fromTf);
  const actual = Object.values(await interpret(graph, feeds));
  expect(actual.map(({ shape }) => shape)).toEqual(wanted.map(({ shape }) => shape));
  actual.forEach((value, i) => {
    assertClose(value, wanted[i] as TensorData, { absolute: 1e-5, relative: 1e-4 });
  });
  if (oracle === 'tensorflow.js') await expectGradients(model, graph, feeds, call);
  else await expectSlope(graph, feeds);
}

async function expectGradients(
  model: tf.LayersModel,
  graph: Graph,
  feeds: Record<string, TensorData>,
  call: () => tf.Tensor[],
): Promise<void> {
  const variables = model.trainableWeights.map((weight) => ({
    name: parameterName(weight.originalName),
    variable: (weight as unknown as { val: tf.Variable }).val,
  }));
  if (variables.length === 0) return;
  const { grads } = tf.variableGrads(
    () =>
      call()
        .map((y) => tf.sum(tf.mul(y, y)))
        .reduce((a, b) => tf.add(a, b))
        .mul(0.5) as tf.Scalar,
    variables.map(({ variable }) => variable),
  );
  const results = await interpret(training(graph), feeds);
  for (const { name, variable } of variables) {
    const value = results[`grad:${name}`];
    expect(value, `gradient of ${name}`).toBeDefined();
    const wanted = inOnnx(fromTf(grads[variable.name] as tf.Tensor), (value as TensorData).shape);
    assertClose(value as TensorData, wanted, { absolute: 1e-4, relative: 1e-3 });
  }
}

/** Along a random direction through all weights: central differences, in double precision. */
export async function expectSlope(graph: Graph, feeds: Record<string, TensorData>): Promise<void> {
  const random = seededRandom(3);
  const step = training(graph);
  const directions = new Map(
    [...graph.parameters].flatMap(([name, { trainable, data }]) =>
      trainable ? [[name, Float64Array.from({ length: (data as TensorData).data.length }, () => random() - 0.5)]] : [],
    ),
  );
  const exact = { precision: 'float64' } as const;
  const results = await interpret(step, feeds, exact);
  let slope = 0;
  for (const [name, direction] of directions) {
    const gradient = (results[`grad:${name}`] as TensorData).data;
    direction.forEach((value, i) => (slope += value * Number(gradient[i])));
  }
  const lossAt = async (distance: number): Promise<number> => {
    const moved = withParameters(step, (name, { data: given }) => {
      const { shape, data } = given as TensorData;
      const direction = directions.get(name);
      if (direction === undefined) return undefined;
      return {
        data: { dtype: 'float64', shape, data: direction.map((value, i) => Number(data[i]) + distance * value) },
      };
    });
    return Number((await interpret(moved, feeds, exact))['loss']?.data[0]);
  };
  const h = 1e-5;
  const measured = ((await lossAt(h)) - (await lossAt(-h))) / (2 * h);
  expect(Math.abs(slope)).toBeGreaterThan(1e-3);
  expect(Math.abs(measured - slope) / Math.abs(slope)).toBeLessThan(1e-4);
}

/** A kernel as ONNX lays it out, which the shape tells where the test takes care that it does. */
function inOnnx(kernel: TensorData, shape: readonly number[]): TensorData {
  if (kernel.shape.join() === shape.join()) return kernel;
  const moved = permuted(kernel, kernelOrder(kernel.shape.length));
  return moved.shape.join() === shape.join() ? moved : depthwiseKernel(kernel);
}
