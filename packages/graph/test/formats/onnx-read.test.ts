import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { stopOf } from '../../src/autodiff/stop.ts';
import { DTYPES } from '../../src/dtype.ts';
import { decodeOnnx, encodeOnnx } from '../../src/formats/onnx/model.ts';
import { readOnnx, type ReadOnnxOptions } from '../../src/formats/onnx/read.ts';
import { memorySource } from '../../src/formats/source.ts';
import { evaluate } from '../../src/interpret/evaluate.ts';
import type { Graph } from '../../src/ir.ts';
import { bytesOf, loadTensor, tensor } from '../../src/tensor.ts';
import { countingSource, expectFormatError } from './harness.ts';

/** Written by tools/goldens/onnx/make.py with the Python package. */
const fixture = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../fixtures/onnx/${name}`, import.meta.url)));

const read = (name: string, options?: ReadOnnxOptions): Promise<Graph> =>
  readOnnx(memorySource(fixture(`${name}.onnx`), `${name}.onnx`), options);

const ops = (graph: Graph): string[] => graph.nodes.map(({ op }) => op);

describe('initializers', () => {
  it('of every type are the same from typed fields and from raw bytes', async () => {
    const graph = await read('tensors');
    const found = new Map<string, Uint8Array>();
    for (const [name, { data }] of graph.parameters) found.set(name, bytesOf(await loadTensor(data)));
    for (const [value, data] of graph.constants) found.set(value.name, bytesOf(data));
    const types = [...found.keys()].filter((name) => name.startsWith('typed.')).map((name) => name.slice(6));
    expect(types.length).toBe(Object.keys(DTYPES).length - 1);
    for (const type of types) expect(found.get(`typed.${type}`), type).toEqual(found.get(`raw.${type}`));
    for (const value of graph.outputs.values()) expect(value.shape).toEqual([3]);
  });

  it.each([
    ['typed.INT64', BigInt64Array.of(-(2n ** 63n), -1n, 2n ** 63n - 1n)],
    ['typed.UINT64', BigUint64Array.of(0n, 1n, 2n ** 64n - 1n)],
    ['typed.INT4', Uint8Array.of(0xf8, 0x07)],
    ['typed.BFLOAT16', Uint16Array.of(0x3f00, 0xbfa0, 0x4040)],
    ['typed.BOOL', Uint8Array.of(1, 0, 1)],
    ['typed.COMPLEX64', Float32Array.of(1, 2, -0, -0.5, 3, 0)],
  ])('%s has the right elements', async (name, elements) => {
    const graph = await read('tensors');
    const parameter = graph.parameters.get(name);
    const constant = [...graph.constants].find(([value]) => value.name === name)?.[1];
    expect((constant ?? (await loadTensor(parameter!.data))).data).toEqual(elements);
  });

  it('are parameters when they are float vectors or large, constants when they are small', async () => {
    const { parameters, constants } = await read('tensors');
    expect([...parameters.keys()].every((name) => /FLOAT|DOUBLE/.test(name))).toBe(true);
    expect([...constants.keys()].every(({ name }) => /INT|BOOL|COMPLEX/.test(name))).toBe(true);
  });

  it('stay in files of their own until they are asked for', async () => {
    const opened: string[] = [];
    const weights = countingSource(memorySource(fixture('weights/external.bin'), 'weights/external.bin'));
    const graph = await read('external', {
      external: (location) => {
        opened.push(location);
        return Promise.resolve(weights);
      },
    });
    expect(opened).toEqual(['weights/external.bin']);
    expect(weights.bytesRead).toBe(0);
    const inline = await read('external-inline');
    for (const [name, { data }] of graph.parameters) {
      expect(await loadTensor(data)).toEqual(await loadTensor(inline.parameters.get(name)!.data));
    }
    expect(weights.bytesRead).toBe(768);
  });

  it('in other files need a way to open those', async () => {
    await expectFormatError(
      () => read('external'),
      /external\.onnx, tensor "w1", byte \d+: .*"weights\/external\.bin"/,
    );
  });

  it('in another file that is too short are refused', async () => {
    const external = (): Promise<ReturnType<typeof memorySource>> =>
      Promise.resolve(memorySource(new Uint8Array(700), 'short.bin'));
    await expectFormatError(() => read('external', { external }), /short\.bin, tensor "w2", byte 512: 256 bytes/);
  });
});

describe('nodes', () => {
  it('keep attributes of every kind, and left-out inputs and outputs', async () => {
    const graph = await read('attributes');
    const [node, add] = graph.nodes;
    expect(node?.attributes).toEqual({
      int: { int: -7 },
      large: { int: 2 ** 63 },
      float: { float: Math.fround(0.1) },
      string: { string: 'héllo' },
      ints: { ints: [1, -2, 2 ** 62] },
      floats: { floats: [0.5, -0.25] },
      strings: { strings: ['a', 'b'] },
      tensor: { tensor: tensor('int32', [2, 2], [0, 1, 2, 3]) },
      empty_ints: { ints: [] },
    });
    expect(node?.domain).toBe('example.com');
    expect(node?.inputs.map((value) => value?.name)).toEqual(['x', undefined, 'x']);
    expect(node?.outputs.map((value) => value?.name)).toEqual(['y', undefined, 'z']);
    expect(add?.inputs).toEqual([node?.outputs[0], node?.outputs[2]]);
    expect(graph.opsets).toEqual({ '': 21, 'example.com': 1 });
  });

  it('have symbolic dimensions; those without a name get one', async () => {
    const graph = await read('attributes');
    expect(graph.inputs.get('x')?.shape).toEqual(['n', 'unknown_0', 3]);
    // The types of an unknown operator come from the file, in its symbols.
    expect(graph.nodes[0]?.outputs[0]?.shape).toEqual(['n', 2, 3]);
  });

  it('of type Constant are constants, or parameters when they are large', async () => {
    const graph = await read('constants');
    expect(ops(graph)).toEqual(Array.from({ length: 6 }, () => 'Identity'));
    expect(Object.fromEntries([...graph.constants].map(([{ name }, data]) => [name, data]))).toEqual({
      value: tensor('float32', [1, 2], [1.5, 2.5]),
      float: tensor('float32', [], [0.25]),
      floats: tensor('float32', [2], [1, 2]),
      int: tensor('int64', [], [-3n]),
      ints: tensor('int64', [2], [4n, 5n]),
    });
    expect([...graph.parameters].map(([name, { value }]) => [name, value.shape])).toEqual([['weight', [20, 20]]]);
  });

  it('are put in order', async () => {
    expect(ops(await read('order'))).toEqual(['Relu', 'Neg', 'Add']);
  });

  it('that call functions are replaced by their bodies', async () => {
    const graph = await read('functions');
    const block = ['Mul', 'Mul', 'Neg', 'Clip', 'Softmax'];
    expect(ops(graph)).toEqual([...block, ...block, 'Add']);
    expect(graph.nodes.map(({ scope }) => scope)).toEqual([
      ...block.map(() => 'model.first'),
      ...block.map(() => 'model.second'),
      '',
    ]);
    expect([...graph.constants.values()].map(({ data }) => Number(data[0])).toSorted((a, b) => a - b)).toEqual([
      -0.5, 0.5, 0.5, 3, 3,
    ]);
    expect(graph.nodes[3]?.inputs.filter((value) => value !== undefined)).toEqual(graph.nodes[2]?.outputs);
    expect(graph.nodes[4]?.attributes).toEqual({ axis: { int: 0 } });
    // The second call leaves the attribute out.
    expect(graph.nodes[9]?.attributes).toEqual({});
  });

  it('that call one of several functions of a name get the right one', async () => {
    expect(ops(await read('overloads'))).toEqual(['Neg', 'Relu']);
  });
});

describe('branches', () => {
  const useCache = (value: 0 | 1): ReadOnnxOptions => ({ inputs: { use_cache: tensor('bool', [1], [value]) } });

  it.each([
    [0, 'Sub', 0],
    [1, 'Add', 2],
  ] as const)('are decided by an input that is fixed to %i', async (value, last, sign) => {
    const graph = await read('branches', useCache(value));
    expect(ops(graph)).toEqual(['MatMul', 'Relu', last]);
    expect([...graph.inputs.keys()]).toEqual(['x']);
    expect(graph.inputs.get('x')?.shape).toEqual(['batch', 3]);
    const w = graph.parameters.get('w')!;
    expect(w.data.shape).toEqual([3, 3]);
    // With zero weights, relu(x·w) ± x is ±x.
    const zero = {
      ...graph,
      parameters: new Map([['w', { ...w, data: tensor('float32', [3, 3], new Float32Array(9)) }]]),
    };
    const { y } = evaluate(zero, { x: tensor('float32', [1, 3], [1, 2, 3]) });
    expect(Array.from(y!.data, Number)).toEqual([1, 2, 3].map((item) => item * (sign - 1)));
  });

  it('that depend on an input stay, and have no gradient', async () => {
    const graph = await read('branches');
    expect(ops(graph)).toContain('If');
    expect([...graph.inputs.keys()]).toEqual(['x', 'use_cache']);
    const node = graph.nodes.find(({ op }) => op === 'If')!;
    expect(stopOf(node)).toMatchObject({ kind: 'error', fix: expect.stringContaining('readOnnx') as string });
  });

  it('leave nothing of shapes that are known', async () => {
    const graph = await read('branches', { ...useCache(1), dims: { batch: 4 } });
    expect(ops(graph)).toEqual(['MatMul', 'Relu', 'Add']);
    expect(graph.outputs.get('y')?.shape).toEqual([4, 3]);
  });
});

describe('module paths', () => {
  it('come from initializers, or from the nodes that use them', async () => {
    const graph = await read('names');
    expect([...graph.parameters].map(([name, { transposed }]) => [name, transposed])).toEqual([
      ['model.layers.0.self_attn.q_proj.weight', true],
      ['model.layers.0.self_attn.q_proj.bias', false],
      ['model.layers.0.attn.o_proj.weight', true],
      ['lm_head.weight', false],
      ['lm_head.bias', false],
      ['model.layers.0.norm.bias', false],
    ]);
    expect(graph.nodes.map(({ scope }) => scope)).toEqual([
      'model.layers.0.self_attn.q_proj',
      'model.layers.0.self_attn.q_proj',
      'model.layers.0.attn.o_proj',
      'lm_head',
      'model.layers.0.norm',
    ]);
  });
});

describe('decodeOnnx and encodeOnnx', () => {
  it('keep every field, also those that the schema does not know', async () => {
    const bytes = fixture('rich.onnx');
    const model = await decodeOnnx(memorySource(bytes));
    expect(model.metadataProps.map(({ key, value }) => [key, value])).toEqual([['key', 'value']]);
    expect(model.graph?.node[0]?.deviceConfigurations[0]?.configurationId).toBe('pair');
    expect(model.graph?.node[0]?.overload).toBe('fast');
    expect(model.$unknown?.map(({ no }) => no)).toEqual([1007, 1007, 1007]);
    const again = await decodeOnnx(memorySource(encodeOnnx(model)));
    expect(again).toEqual(model);
    expect(encodeOnnx(again)).toEqual(encodeOnnx(model));
    expect(encodeOnnx(model).byteLength).toBe(bytes.byteLength);
  });

  it('keep them when something else is changed', async () => {
    const model = await decodeOnnx(memorySource(fixture('rich.onnx')));
    model.graph!.name = 'renamed';
    const again = await decodeOnnx(memorySource(encodeOnnx(model)));
    expect(again.graph?.name).toBe('renamed');
    expect(again.$unknown).toEqual(model.$unknown);
  });

  it('refuse what is not a model', async () => {
    await expectFormatError(
      () => decodeOnnx(memorySource(Uint8Array.of(0xff, 0xff), 'no.onnx')),
      /^no\.onnx: not an ONNX model/,
    );
  });
});
