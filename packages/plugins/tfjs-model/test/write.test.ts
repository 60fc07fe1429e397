import { type Graph, GraphBuilder, interpret, tensor, type TensorData } from '@anneal/graph';
import { assertClose, opCases } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';

import { readGraphModel } from '../src/graph-model/model.ts';
import type { TfjsFilesOptions } from '../src/write/files.ts';
import { writeTfjs, WRITERS } from '../src/write/write.ts';
import { loadInTf } from './graph-files.ts';
import { feedsOf, imported, randomWeights, read, tf, toTf } from './tfjs.ts';

/** What TensorFlow.js computes with a graph that was written for it. */
async function runInTf(
  graph: Graph,
  feeds: Readonly<Record<string, TensorData>>,
  options: TfjsFilesOptions = {},
): Promise<Record<string, TensorData>> {
  const model = await loadInTf(await writeTfjs(graph, options));
  const names = [...graph.outputs.keys()];
  const inputs = Object.fromEntries(Object.entries(feeds).map(([name, value]) => [nodeOf(model, name), toTf(value)]));
  const results = [
    model.execute(
      inputs,
      names.map((name) => outputOf(model, name)),
    ),
  ].flat();
  return Object.fromEntries(
    names.map((name, i) => {
      const value = results[i] as tf.Tensor;
      return [name, tensor(value.dtype as 'float32', value.shape, Array.from(value.dataSync(), Number))];
    }),
  );
}

function nodeOf(model: tf.GraphModel, name: string): string {
  const { inputs } = model.modelSignature as { inputs: Record<string, { name: string }> };
  return (inputs[name]?.name ?? name).replace(/:0$/, '');
}

function outputOf(model: tf.GraphModel, name: string): string {
  const { outputs } = model.modelSignature as { outputs: Record<string, { name: string }> };
  return outputs[name]?.name ?? name;
}

/** Element types that TensorFlow.js has, or holds in a wider one. */
const TYPES: ReadonlySet<string> = new Set(['float32', 'int32', 'int64', 'bool']);

function isOfTf({ inputs, nodes, outputs }: Graph): boolean {
  const values = [
    ...inputs.values(),
    ...outputs.values(),
    ...nodes.flatMap((node) => [...node.inputs, ...node.outputs]),
  ];
  return values.every((value) => value === undefined || TYPES.has(value.dtype));
}

/** What TensorFlow.js computes in another way than ONNX says. */
const DIFFERENT: Readonly<Record<string, string>> = {
  'Abs: large integers': 'integers have 32 bits there',
  'Sign: infinities and NaN': 'the sign of NaN is 0 there',
  'Pow: special': '1 to the power of NaN is NaN there',
  'Cast: float32 to int64': 'integers have 32 bits there',
  'Clip: infinity without a bound': 'no bound is the largest number here',
  'Expand: to nothing': 'nothing spreads to one there',
  'Slice: backwards from before the start': 'a range without elements has one there',
  'Slice: nothing left': 'a range without elements fails there',
  'Gather: columns': 'indices from the end fail there',
  'Gather: a matrix of indices': 'indices from the end fail there',
  'GatherND: elements': 'indices from the end are others there',
  'OneHot: last axis': 'indices from the end are none there',
  'OneHot: int64 values': 'indices from the end are none there',
};

describe('an operator that is written gives in TensorFlow.js what it gives here', () => {
  const refused = new Set<string>();
  const cases = [...opCases()].filter(({ op, graph }) => Object.hasOwn(WRITERS, op) && isOfTf(graph));
  it.each(cases.map(({ name }) => name))('%s', async (name) => {
    const { graph, feeds } = cases.find((one) => one.name === name)!;
    const refusal = await writeTfjs(graph).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (refusal !== undefined) {
      expect(refusal).toMatchObject({ code: 'ANNEAL_E_OP', fix: expect.stringContaining('ONNX') as string });
      refused.add(name);
      return;
    }
    const wanted = await interpret(graph, feeds);
    const compare = async (): Promise<void> => {
      const actual = await runInTf(graph, feeds);
      for (const [key, value] of Object.entries(wanted)) expectClose(actual[key]!, value);
    };
    if (DIFFERENT[name] === undefined) await compare();
    else await expect(compare()).rejects.toThrow();
  });

  it('for some cases of every operator, most of all', () => {
    const ops = new Set(cases.map(({ op }) => op));
    const never = [...ops].filter((op) => cases.every((one) => one.op !== op || refused.has(one.name)));
    // Its cases are of the mask, and of what is not a sum in the rows of a matrix: models further down have the rest.
    expect(never).toEqual(['Dropout', 'ScatterElements']);
    expect(refused.size).toBeLessThan(cases.length / 6);
  });
});

function expectClose(actual: TensorData, wanted: TensorData): void {
  expect(actual.shape).toEqual(wanted.shape);
  const [a, b] = [actual, wanted].map(({ shape, data }) => tensor('float32', shape, Array.from(data, Number)));
  assertClose(a!, b!, { absolute: 1e-4, relative: 1e-4 });
}

/** Models that stay models: layers there, a graph here, a graph model there, and a graph again. */
const ROUND_TRIPS: Readonly<Record<string, () => tf.LayersModel>> = {
  'a convolutional network': () =>
    tf.sequential({
      layers: [
        tf.layers.conv2d({
          inputShape: [9, 8, 3],
          filters: 4,
          kernelSize: 3,
          strides: 2,
          padding: 'same',
          useBias: false,
        }),
        tf.layers.batchNormalization({}),
        tf.layers.reLU({ maxValue: 6 }),
        tf.layers.depthwiseConv2d({ kernelSize: 3, padding: 'same' }),
        tf.layers.batchNormalization({}),
        tf.layers.maxPooling2d({ poolSize: 2, strides: 1, padding: 'same' }),
        tf.layers.zeroPadding2d({
          padding: [
            [0, 1],
            [1, 0],
          ],
        }),
        tf.layers.separableConv2d({ filters: 5, kernelSize: 2, activation: 'relu' }),
        tf.layers.upSampling2d({ size: [2, 2] }),
        tf.layers.averagePooling2d({ poolSize: 2 }),
        tf.layers.globalAveragePooling2d({}),
        tf.layers.dense({ units: 3, activation: 'softmax' }),
      ],
    }),
  'an image of open size': () =>
    tf.sequential({
      layers: [
        tf.layers.conv2d({ inputShape: [null, null, 3] as never, filters: 4, kernelSize: 3, padding: 'same' }),
        tf.layers.upSampling2d({ size: [2, 2], interpolation: 'bilinear' }),
        tf.layers.conv2d({ filters: 2, kernelSize: 2, padding: 'same', activation: 'sigmoid' }),
      ],
    }),
  'a recurrent network': () =>
    tf.sequential({
      layers: [
        tf.layers.embedding({ inputDim: 6, outputDim: 4, inputLength: 5 }),
        tf.layers.conv1d({ filters: 4, kernelSize: 3, padding: 'same', activation: 'tanh' }),
        tf.layers.bidirectional({ layer: tf.layers.lstm({ units: 3 }) as never, mergeMode: 'concat' }),
        tf.layers.dropout({ rate: 0.2 }),
        tf.layers.layerNormalization({}),
        tf.layers.dense({ units: 2 }),
      ],
    }),
};

describe('a model that is written', () => {
  it.each(Object.keys(ROUND_TRIPS))('%s gives the same in TensorFlow.js, and read again', async (name) => {
    const model = (ROUND_TRIPS[name] as () => tf.LayersModel)();
    randomWeights(model, 3);
    const graph = await imported(model);
    const feeds = feedsOf(graph, 4, name === 'a recurrent network' ? 6 : undefined);
    const [wanted] = Object.values(await interpret(graph, feeds));
    const [[, given] = []] = Object.entries(feeds);
    const original = model.predict(toTf(given!)) as tf.Tensor;
    expectClose(wanted!, tensor('float32', original.shape, original.dataSync() as Float32Array));
    const [written] = Object.values(await runInTf(graph, feeds));
    expectClose(written!, wanted!);
    const again = readGraphModel(await read(await writeTfjs(graph))).graph;
    expect([...again.inputs.keys()]).toEqual([...graph.inputs.keys()]);
    const [repeated] = Object.values(await interpret(again, feeds));
    expectClose(repeated!, wanted!);
  });

  it('keeps the names of parameters', async () => {
    const model = ROUND_TRIPS['a recurrent network']!();
    const graph = await imported(model);
    const again = readGraphModel(await read(await writeTfjs(graph))).graph;
    expect([...again.parameters.keys()].toSorted()).toEqual([...graph.parameters.keys()].toSorted());
  });

  it.each([
    ['float16', 1e-3, 2],
    ['uint16', 1e-4, 2],
    ['uint8', 2e-2, 1],
  ] as const)('stores weights as %s', async (quantization, tolerance, bytes) => {
    const model = tf.sequential({ layers: [tf.layers.dense({ inputShape: [40], units: 50, name: 'wide' })] });
    randomWeights(model, 3);
    const graph = await imported(model);
    const feeds = feedsOf(graph, 4);
    const files = await writeTfjs(graph, { quantization });
    expect(files.get('group1-shard1of1.bin')!.length).toBe(40 * 50 * bytes + 50 * 4);
    const [wanted] = Object.values(await interpret(graph, feeds));
    const [actual] = Object.values(await runInTf(graph, feeds, { quantization }));
    assertClose(actual!, wanted!, { absolute: tolerance * 40, relative: 0 });
    // What is read is what TensorFlow.js computes with.
    const again = readGraphModel(await read(files)).graph;
    assertClose(Object.values(await interpret(again, feeds))[0]!, actual!, { absolute: 1e-4, relative: 1e-4 });
  });

  it('splits weights into files of a size', async () => {
    const model = tf.sequential({ layers: [tf.layers.dense({ inputShape: [40], units: 50 })] });
    const graph = await imported(model);
    const files = await writeTfjs(graph, { shardBytes: 3000 });
    expect([...files].map(([name, { length }]) => [name, length])).toEqual([
      ['model.json', files.get('model.json')!.length],
      ['group1-shard1of3.bin', 3000],
      ['group1-shard2of3.bin', 3000],
      ['group1-shard3of3.bin', 2200],
    ]);
    expect((await read(files)).weights.tensors.size).toBe(2);
  });

  it('refuses an operator that TensorFlow.js lacks, and says where it is', async () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', ['batch', 2, 3]);
    const y = g.scope('encoder', () => g.scope('norm', () => g.one('LpNormalization', [x])));
    g.output('y', y);
    await expect(writeTfjs(g.build())).rejects.toMatchObject({
      code: 'ANNEAL_E_OP',
      message: 'LpNormalization cannot be written as a model of TensorFlow.js: TensorFlow.js has nothing like it',
      at: { module: 'encoder.norm' },
    });
  });
});
