import { readFileSync } from 'node:fs';

import { GraphError, memorySource, writeOnnx } from '@anneal/graph';
import { seededRandom } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';

import { importTfjs, type ImportTfjsOptions, Traced } from '../src/index.ts';
import { attr } from './graph-ops.ts';
import { graphFiles } from './graph-files.ts';
import { mutateJson } from './mutate.ts';
import { GUESSLANG, shipped } from './real.ts';
import { type Files, saved, tf } from './tfjs.ts';

type Json = Record<string, unknown>;

function load(files: Files, options: ImportTfjsOptions = {}) {
  return importTfjs(
    memorySource(files.get('model.json')!, 'model.json'),
    (path) => {
      const bytes = files.get(path);
      return bytes === undefined
        ? Promise.reject(new GraphError('ANNEAL_E_FORMAT', `${path}: there is no such file`))
        : Promise.resolve(memorySource(bytes, path));
    },
    options,
  );
}

/** In place of a value: the field or the item goes. */
const GONE = Symbol('gone');

/** Sets what a path such as `config.layers.0.units` leads to. */
function set(json: unknown, path: string, value: unknown): void {
  const keys = path.split('.');
  const last = keys.pop() as string;
  const parent = keys.reduce((place, key) => (place as Json)[key], json) as Json | unknown[];
  if (value !== GONE) (parent as Json)[last] = value;
  else if (Array.isArray(parent)) parent.splice(Number(last), 1);
  else delete parent[last];
}

/** A model of one dense layer, with a place in its JSON changed. */
async function dense(path: string, value: unknown): Promise<Files> {
  const model = tf.sequential({ layers: [tf.layers.dense({ inputShape: [3], units: 2, name: 'only' })] });
  const files = await saved(model);
  const json: unknown = JSON.parse(new TextDecoder().decode(files.get('model.json')));
  set(json, path, value);
  return new Map([...files, ['model.json', new TextEncoder().encode(JSON.stringify(json))]]);
}

const WEIGHTS = 'weightsManifest.0.weights';
const LAYER = 'modelTopology.config.layers.0';

describe('a damaged or foreign file is refused, with its name and the place', () => {
  it.each<[string, string, unknown, string]>([
    [
      'no topology',
      'modelTopology',
      GONE,
      'model.json: modelTopology: is missing: this is no model.json of TensorFlow.js',
    ],
    ['another format', 'format', 'onnx', 'model.json: format: must be layers-model or graph-model, received "onnx"'],
    [
      'a path that leaves the folder',
      'weightsManifest.0.paths',
      ['../../etc/passwd'],
      'model.json: weightsManifest[0].paths[0]: "../../etc/passwd" cannot be used: it leaves the folder of the model',
    ],
    [
      'an absolute path',
      'weightsManifest.0.paths',
      ['/etc/passwd'],
      'model.json: weightsManifest[0].paths[0]: "/etc/passwd" cannot be used: it is not relative to the folder of the model',
    ],
    [
      'a URL',
      'weightsManifest.0.paths',
      ['https://example.org/w.bin'],
      'model.json: weightsManifest[0].paths[0]: "https://example.org/w.bin" cannot be used: it is not relative to the folder of the model',
    ],
    [
      'a path that is none',
      'weightsManifest.0.paths',
      [''],
      'model.json: weightsManifest[0].paths[0]: "" cannot be used: it is no file name',
    ],
    [
      'a weight beyond the file',
      `${WEIGHTS}.0.shape`,
      [3, 2_000_000_000],
      'weights.bin, tensor "only/kernel", byte 0: 24000000000 bytes from 0 are outside the 32 bytes of the weights: truncated?',
    ],
    [
      'a size that no file has',
      `${WEIGHTS}.0.shape`,
      [2 ** 40, 2 ** 40],
      'model.json: weightsManifest[0].weights[0].shape: [1099511627776, 1099511627776] is more than any file holds',
    ],
    [
      'a negative size',
      `${WEIGHTS}.0.shape`,
      [-3, 2],
      'model.json: weightsManifest[0].weights[0].shape[0]: must be a whole number of at least 0, received -3',
    ],
    [
      'a type of weights',
      `${WEIGHTS}.0.dtype`,
      'complex64',
      'model.json: weightsManifest[0].weights[0].dtype: weights of type "complex64" are not supported',
    ],
    [
      'a quantization',
      `${WEIGHTS}.0.quantization`,
      { dtype: 'int4' },
      'model.json: weightsManifest[0].weights[0].quantization.dtype: must be uint8, uint16 or float16, received "int4"',
    ],
    [
      'texts beyond the file',
      `${WEIGHTS}.0`,
      { name: 't', shape: [1e9], dtype: 'string' },
      'weights.bin, tensor "t", byte 0: [1000000000] texts are more than the 32 bytes that are left',
    ],
    [
      'weights that are left',
      `${WEIGHTS}.1`,
      GONE,
      'weights.bin, byte 24: the weights take 24 bytes, the files have 32: truncated, or of another model?',
    ],
    [
      'two weights of a name',
      `${WEIGHTS}.1.name`,
      'only/kernel',
      'model.json, tensor "only/kernel": two weights have this name',
    ],
    [
      'a weight that is not there',
      `${WEIGHTS}.1.name`,
      'only/offset',
      'model.json, node "only": the weight "bias" is not in the file',
    ],
    ['a weight that does not fit', `${WEIGHTS}.0.shape`, [2, 3], 'model.json, node "only": MatMul:'],
    [
      'an activation',
      `${LAYER}.config.activation`,
      'zeta',
      'model.json: modelTopology.config.layers[0].config.activation: the activation "zeta" is not one of Keras',
    ],
    [
      'no shape of the input',
      `${LAYER}.config.batch_input_shape`,
      GONE,
      'model.json: modelTopology.config: says no shape of its input (batch_input_shape)',
    ],
    [
      'a model that is none',
      'modelTopology.class_name',
      'Network',
      'model.json: modelTopology.class_name: must be Sequential or Functional, received "Network"',
    ],
    ['no layers', 'modelTopology.config.layers', [], 'model.json: modelTopology.config: has no layers'],
    [
      'a layer that is none',
      'modelTopology.config.layers',
      [7],
      'model.json: modelTopology.config.layers[0]: must be an object, received 7',
    ],
  ])('%s', async (_, path, value, message) => {
    const error = await load(await dense(path, value)).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(GraphError);
    expect((error as GraphError).code).toMatch(/^ANNEAL_E_(FORMAT|SHAPE)$/);
    expect((error as GraphError).message).toContain(message);
  });

  it('JSON that is none, and JSON that is nested without end', async () => {
    const files = (text: string): Files => new Map([['model.json', new TextEncoder().encode(text)]]);
    await expect(load(files('{'))).rejects.toThrow('model.json: the file is not valid JSON');
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    await expect(load(files(deep))).rejects.toThrow('model.json: the JSON is nested deeper than 64 levels');
  });

  it('a cycle of layers', async () => {
    const x = tf.input({ shape: [3] });
    const a = tf.layers.dense({ units: 3, name: 'a' }).apply(x) as tf.SymbolicTensor;
    const b = tf.layers.dense({ units: 3, name: 'b' }).apply(a) as tf.SymbolicTensor;
    const files = await saved(tf.model({ inputs: x, outputs: b }));
    const text = new TextDecoder()
      .decode(files.get('model.json'))
      .replace(/"inbound_nodes":\[\[\["input\d+",0,0/, '"inbound_nodes":[[["b",0,0');
    const cyclic = new Map([...files, ['model.json', new TextEncoder().encode(text)]]);
    await expect(load(cyclic)).rejects.toThrow(
      'model.json, node "a:0": the layer depends on its own output: the model has a cycle',
    );
  });

  it('a cycle of operators, a node that is not there, an operator that is not known', async () => {
    const node = (name: string, op: string, ...input: readonly string[]) => ({ name, op, input, attr: {} });
    await expect(load(graphFiles([node('a', 'Relu', 'b'), node('b', 'Relu', 'a')], {}, ['a']))).rejects.toThrow(
      'model.json, node "a": the node depends on its own output: the graph has a cycle',
    );
    await expect(load(graphFiles([node('a', 'Relu', 'b')], {}, ['a']))).rejects.toThrow(
      'model.json, node "a": takes the output of "b", which does not exist',
    );
    const unknown = graphFiles([node('a', 'MyOp', 'w')], { w: [1, 2] }, ['a']);
    await expect(load(unknown)).rejects.toMatchObject({
      code: 'ANNEAL_E_FORMAT',
      message: 'model.json, node "a": MyOp: the operator is custom or not supported',
      fix: 'say how it is computed (customOps in importTfjs), or save the model without it',
    });
    const { graph } = await load(unknown, { customOps: { MyOp: (ctx) => ctx.ops.neg(ctx.x(0)) } });
    expect(graph.nodes.map(({ op }) => op)).toEqual(['Neg']);
  });

  it('a reshape to another number of elements', async () => {
    const model = tf.sequential({
      layers: [tf.layers.reshape({ inputShape: [6], targetShape: [2, 3], name: 'form' })],
    });
    const files = await saved(model);
    const text = new TextDecoder()
      .decode(files.get('model.json'))
      .replace('"target_shape":[2,3]', '"target_shape":[4096,3]');
    const changed = new Map([...files, ['model.json', new TextEncoder().encode(text)]]);
    await expect(load(changed)).rejects.toThrow('target_shape: [4096, 3] does not hold the 6 elements of [batch, 6]');
  });

  it('recurrent layers over an open number of steps', async () => {
    const model = tf.sequential({
      layers: [tf.layers.lstm({ units: 2, inputShape: [null, 3] as never, name: 'memory' })],
    });
    const files = await saved(model);
    await expect(load(files)).rejects.toMatchObject({
      message: 'model.json, node "memory": the number of steps is open (`sequence`), and recurrent layers are unrolled',
      fix: 'say how long sequences are: dims: { "sequence": 100 }',
    });
    await expect(load(files, { dims: { sequence: 1025 } })).rejects.toThrow(
      '1025 steps cannot be unrolled; at most 1024',
    );
    const { graph } = await load(files, { dims: { sequence: 4 } });
    expect([...graph.inputs.values()][0]!.shape).toEqual(['batch', 4, 3]);
  });
});

describe('a model with custom layers', () => {
  const custom = (): Promise<Files> =>
    dense('modelTopology.config.layers.1', { class_name: 'Antirectifier', config: { name: 'anti', slope: 2 } });

  it('is refused by the name of the layer, and says what to do', async () => {
    await expect(load(await custom())).rejects.toMatchObject({
      code: 'ANNEAL_E_FORMAT',
      message:
        'model.json: modelTopology.config.layers[1].class_name: the layer "anti" is of the class "Antirectifier", which is custom or not supported',
      fix: 'say how it is computed (customLayers in importTfjs), or save the model as a graph model, whose operators are known',
    });
  });

  it('is read where somebody says how they are computed', async () => {
    const { graph } = await load(await custom(), {
      customLayers: {
        Antirectifier: ([x], { ops, config, g }) =>
          Traced.last(g, ops.mul(ops.relu(ops.neg(x!.last)), config.get('slope').number())),
      },
    });
    expect(graph.nodes.map(({ op }) => op)).toEqual(['MatMul', 'Add', 'Neg', 'Relu', 'Mul']);
  });
});

describe('random edits of model.json', () => {
  function original(name: string): Files {
    if (name === 'guesslang') return shipped(...GUESSLANG);
    if (name === 'operators') {
      return graphFiles(
        [
          {
            name: 'x',
            op: 'Placeholder',
            attr: {
              dtype: attr.type('DT_FLOAT'),
              shape: { shape: { dim: [{ size: '-1' }, { size: '6' }, { size: '6' }, { size: '3' }] } },
            },
          },
          {
            name: 'conv',
            op: '_FusedConv2D',
            input: ['x', 'kernel', 'bias'],
            attr: {
              strides: attr.ints(1, 2, 2, 1),
              padding: attr.text('SAME'),
              dilations: attr.ints(1, 1, 1, 1),
              fused_ops: attr.texts('BiasAdd', 'Relu'),
            },
          },
          {
            name: 'pool',
            op: 'MaxPool',
            input: ['conv'],
            attr: { ksize: attr.ints(1, 2, 2, 1), strides: attr.ints(1, 1, 1, 1), padding: attr.text('SAME') },
          },
          { name: 'shape', op: 'Shape', input: ['pool'] },
          {
            name: 'batch',
            op: 'StridedSlice',
            input: ['shape', 'zero', 'one', 'one'],
            attr: { shrink_axis_mask: attr.int(1) },
          },
          { name: 'flat', op: 'Pack', input: ['batch', 'minus'], attr: { axis: attr.int(0) } },
          { name: 'rows', op: 'Reshape', input: ['pool', 'flat'] },
          { name: 'y', op: 'Softmax', input: ['rows'] },
        ],
        {
          kernel: [
            [
              [
                [1, 2],
                [3, 4],
                [5, 6],
              ],
            ],
          ],
          bias: [1, 2],
          zero: { ints: [0] },
          one: { ints: [1] },
          minus: { ints: -1 },
        },
        ['y'],
      );
    }
    const fixture = (file: string): Uint8Array =>
      new Uint8Array(readFileSync(new URL(`fixtures/${file}`, import.meta.url)));
    return new Map([
      ['model.json', fixture('layers.json')],
      ['layers.bin', fixture('layers.bin')],
    ]);
  }

  it.each([
    ['layers', 120],
    ['operators', 500],
    ['guesslang', 12],
  ])('of %s are read, or refused with a code', async (name, rounds) => {
    const files = original(name);
    const json = JSON.parse(new TextDecoder().decode(files.get('model.json'))) as Json;
    const before = process.memoryUsage().rss;
    let refused = 0;
    for (let seed = 0; seed < rounds; seed++) {
      const edited = mutateJson(json, seededRandom(seed));
      const result = await load(new Map([...files, ['model.json', new TextEncoder().encode(JSON.stringify(edited))]]))
        .then(({ graph }) => writeOnnx(graph))
        .catch((error: unknown) => error);
      if (!(result instanceof Error)) continue;
      refused++;
      if (!(result instanceof GraphError)) throw new Error(`seed ${seed}`, { cause: result });
      expect(result.code).toMatch(/^ANNEAL_E_(FORMAT|OP|SHAPE|DTYPE|GRAPH|SYMBOLIC_DIM)$/);
    }
    expect(refused).toBeGreaterThan(rounds / 10);
    // No edit makes a file of a few KB take more memory than that.
    expect(process.memoryUsage().rss - before).toBeLessThan(500e6);
  });
});
