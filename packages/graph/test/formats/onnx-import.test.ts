import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import {
  AttributeProto_AttributeType as Kind,
  GraphProtoSchema,
  TensorProto_DataLocation,
} from '../../src/formats/onnx/proto/onnx_pb.ts';
import { decodeOnnx, encodeOnnx } from '../../src/formats/onnx/model.ts';
import { describeGraph } from '../../src/describe/describe.ts';
import { canonicalize } from '../../src/canonicalize/canonicalize.ts';
import { readOnnx, type ReadOnnxOptions } from '../../src/formats/onnx/read.ts';
import { writeOnnx } from '../../src/formats/onnx/write.ts';
import { memorySource } from '../../src/formats/source.ts';
import { evaluate } from '../../src/interpret/evaluate.ts';
import type { Graph } from '../../src/ir.ts';
import { loadTensor, tensor } from '../../src/tensor.ts';
import { type AttributeInit, info, model, node, type NodeInit, type TensorInit } from './crafted.ts';
import { expectFormatError } from './harness.ts';

const read = (bytes: Uint8Array, options?: ReadOnnxOptions): Promise<Graph> =>
  readOnnx(memorySource(bytes, 'm.onnx'), options);
const y = [{ name: 'y' }];
const relu = { node: [node('Relu', ['x'], ['y'])], output: y };
const set = (version: number, domain: string = ''): { domain: string; version: bigint } => ({
  domain,
  version: BigInt(version),
});

describe('operator sets', () => {
  it.each([1, 7, 13, 21, 22, 23, 24, 25, 26])('of version %i are read', async (version) => {
    const graph = await read(model(relu, { opsetImport: [set(version)] }));
    expect(graph.opsets).toEqual({ '': Math.max(21, version) });
  });

  it('of version 27 are refused, and the error says which are known', async () => {
    const error = await expectFormatError(
      () => read(model(relu, { opsetImport: [set(27)] })),
      /^m\.onnx: operator set 27 of ai\.onnx is newer than 26/,
    );
    expect(error.fix).toContain('operator set 26');
  });

  it('of other domains may have any version and any name', async () => {
    const opsetImport = [set(21), set(99, 'com.microsoft'), set(3, '__proto__'), set(4, 'constructor')];
    const graph = await read(model(relu, { opsetImport }));
    expect(Object.entries(graph.opsets)).toEqual([
      ['', 21],
      ['com.microsoft', 99],
      ['__proto__', 3],
      ['constructor', 4],
    ]);
  });
});

describe('functions', () => {
  const reference = (name: string, type: Kind): AttributeInit => ({ name, type, refAttrName: name });
  const call = (name: string, input: string[], output: string[], rest: NodeInit = {}): NodeInit =>
    node(name, input, output, { domain: 'f', ...rest });
  /** Outer calls Inner, which chooses by an attribute that it got from Outer's caller, or from Outer's default. */
  const functions = [
    {
      name: 'Inner',
      domain: 'f',
      input: ['a'],
      output: ['b'],
      attribute: ['chosen', 'alpha'],
      opsetImport: [set(21)],
      node: [
        node('Constant', [], ['flag'], { attribute: [{ name: 'value_int', type: Kind.INT, refAttrName: 'chosen' }] }),
        node('Cast', ['flag'], ['condition'], { attribute: [{ name: 'to', type: Kind.INT, i: 9n }] }),
        node('If', ['condition'], ['b'], {
          attribute: [
            {
              name: 'then_branch',
              type: Kind.GRAPH,
              g: create(GraphProtoSchema, {
                node: [node('LeakyRelu', ['a'], ['t'], { attribute: [reference('alpha', Kind.FLOAT)] })],
                output: [{ name: 't' }],
              }),
            },
            {
              name: 'else_branch',
              type: Kind.GRAPH,
              g: create(GraphProtoSchema, { node: [node('Neg', ['a'], ['t'])], output: [{ name: 't' }] }),
            },
          ],
        }),
      ],
    },
    {
      name: 'Outer',
      domain: 'f',
      input: ['a'],
      output: ['c'],
      attribute: ['chosen'],
      attributeProto: [{ name: 'alpha', type: Kind.FLOAT, f: 0.5 }],
      opsetImport: [set(21), set(1, 'f')],
      node: [
        call('Inner', ['a'], ['b'], { attribute: [reference('chosen', Kind.INT), reference('alpha', Kind.FLOAT)] }),
        node('Abs', ['b'], ['c']),
      ],
    },
  ];
  const calling = (chosen: number, more: AttributeInit[] = []): Uint8Array =>
    model(
      {
        node: [
          call('Outer', ['x'], ['y'], { attribute: [{ name: 'chosen', type: Kind.INT, i: BigInt(chosen) }, ...more] }),
        ],
        output: y,
      },
      { opsetImport: [set(21), set(1, 'f')], functions },
    );

  it.each([
    ['a default', 1, [], ['LeakyRelu', 'Abs'], [2, 3]],
    ['what the call says', 1, [{ name: 'alpha', type: Kind.FLOAT, f: 0.25 }], ['LeakyRelu', 'Abs'], [1, 3]],
    ['the other branch', 0, [], ['Neg', 'Abs'], [4, 3]],
  ] as const)(
    'within functions are replaced, an If with what it got decided: %s',
    async (_, chosen, more, ops, result) => {
      const graph = await read(calling(chosen, [...more]));
      expect(graph.nodes.map(({ op }) => op)).toEqual(ops);
      const found = evaluate(graph, { x: tensor('float32', [2], [-4, 3]) });
      expect([...found['y']!.data]).toEqual(result);
    },
  );
});

describe('sizes', () => {
  it('are bound by name, and what is computed from them is gone', async () => {
    const bytes = model({
      input: [info('x', ['batch', 'sequence', 4])],
      initializer: [
        { name: 'two', dataType: 7, dims: [1n], int64Data: [2n] },
        { name: 'rest', dataType: 7, dims: [1n], int64Data: [-1n] },
        { name: 'first', dataType: 7, dims: [], int64Data: [0n] },
        { name: 'axis', dataType: 7, dims: [1n], int64Data: [0n] },
      ],
      node: [
        node('Shape', ['x'], ['shape']),
        node('Gather', ['shape', 'first'], ['n']),
        node('Unsqueeze', ['n', 'axis'], ['rows']),
        node('Mul', ['rows', 'two'], ['wide']),
        node('Concat', ['wide', 'rest'], ['target'], { attribute: [{ name: 'axis', type: Kind.INT, i: 0n }] }),
        node('Reshape', ['x', 'target'], ['y']),
      ],
      output: y,
    });
    const open = await read(bytes);
    expect(open.inputs.get('x')?.shape).toEqual(['batch', 'sequence', 4]);
    const bound = await read(bytes, { dims: { batch: 3, sequence: 5 } });
    expect(bound.nodes.map(({ op }) => op)).toEqual(['Reshape']);
    expect(bound.outputs.get('y')?.dims).toEqual([6, 10]);
    expect((await read(bytes, { dims: { batch: 3 } })).inputs.get('x')?.shape).toEqual([3, 'sequence', 4]);
  });

  it('may have names that mean something to JavaScript', async () => {
    const bytes = model({ ...relu, input: [info('x', ['constructor', '__proto__', 'toString'])] });
    const graph = await read(bytes, { dims: { toString: 2 } });
    expect(graph.inputs.get('x')?.shape).toEqual(['constructor', '__proto__', 2]);
    const again = await read((await writeOnnx(graph)).model);
    expect(again.inputs.get('x')?.shape).toEqual(['constructor', '__proto__', 2]);
  });

  it('and operators with such names are described and written', async () => {
    const bytes = model({
      node: [node('constructor', ['x'], ['y'], { domain: 'toString' })],
      output: [info('y', [2])],
    });
    const graph = await read(bytes);
    expect(describeGraph(graph).ops).toEqual([{ op: 'toString.constructor', count: 1 }]);
    const plain = { ...graph, nodes: graph.nodes.map((item) => ({ ...item, domain: '' })) };
    expect(describeGraph(plain).work.flops).toBe(0);
    const { opsetImport } = await decodeOnnx(memorySource((await writeOnnx(graph)).model));
    expect(opsetImport.map(({ domain, version }) => [domain, version])).toEqual([
      ['', 21n],
      ['toString', 1n],
    ]);
  });

  it('that an output gives without a type are taken from the other values', async () => {
    const bytes = model({
      node: [node('Mystery', ['x'], ['y'], { domain: 'org.example' })],
      valueInfo: [info('y', [2, 7])],
      output: y,
    });
    expect((await read(bytes)).outputs.get('y')?.shape).toEqual([2, 7]);
  });
});

describe('external data', () => {
  const stored = (name: string, location: string, rest: Record<string, string> = {}): TensorInit => ({
    name,
    dataType: 1,
    dims: [2n],
    dataLocation: TensorProto_DataLocation.EXTERNAL,
    externalData: Object.entries({ location, ...rest }).map(([key, value]) => ({ key, value })),
  });

  it('may lie in several files, with offsets and lengths or without', async () => {
    const bytes = model({
      initializer: [
        stored('a', 'a.bin'),
        stored('b', 'folder/b.bin', { offset: '8' }),
        stored('c', 'folder/b.bin', { offset: '0', length: '8', checksum: 'of no interest' }),
      ],
      node: [node('Sum', ['x', 'a', 'b', 'c'], ['y'])],
      output: y,
    });
    const files: Record<string, Float32Array> = {
      'a.bin': Float32Array.of(1, 2),
      'folder/b.bin': Float32Array.of(3, 4, 5, 6),
    };
    const opened: string[] = [];
    const graph = await read(bytes, {
      external: (location) => {
        opened.push(location);
        return Promise.resolve(memorySource(new Uint8Array(files[location]!.buffer), location));
      },
    });
    expect(opened.sort()).toEqual(['a.bin', 'folder/b.bin']);
    const found = await Promise.all(
      [...graph.parameters].map(async ([name, { data }]) => [name, (await loadTensor(data)).data]),
    );
    expect(Object.fromEntries(found)).toEqual({
      a: Float32Array.of(1, 2),
      b: Float32Array.of(5, 6),
      c: Float32Array.of(3, 4),
    });
  });
});

describe('sparse initializers', () => {
  it('are refused by name, also in a branch', async () => {
    const sparse = { values: { name: 'w', dataType: 1, dims: [1n], floatData: [3] }, dims: [2n ** 60n] };
    const error = await expectFormatError(
      () => read(model({ ...relu, sparseInitializer: [sparse] })),
      /^m\.onnx, tensor "w": sparse initializers are not supported/,
    );
    expect(error.fix).toContain('dense');
    const inner = create(GraphProtoSchema, {
      sparseInitializer: [sparse],
      node: [node('Relu', ['x'], ['t'])],
      output: [{ name: 't' }],
    });
    const attribute = ['then_branch', 'else_branch'].map((name) => ({ name, type: Kind.GRAPH, g: inner }));
    const bytes = model({
      input: [info('x', [2]), info('flag', [], 9)],
      node: [node('If', ['flag'], ['y'], { attribute })],
      output: y,
    });
    await expectFormatError(() => read(bytes), /tensor "w".*sparse initializers/);
  });
});

describe('what this schema does not know', () => {
  const unknown = [{ no: 1007, wireType: 0, data: Uint8Array.of(42) }];

  it('is kept in models, nodes and tensors when something else is edited', async () => {
    const bytes = model({ ...relu, initializer: [{ name: 'w', dataType: 1, dims: [1n], floatData: [1] }] });
    const first = await decodeOnnx(memorySource(bytes));
    first.$unknown = unknown;
    first.graph!.$unknown = unknown;
    first.graph!.node[0]!.$unknown = unknown;
    first.graph!.initializer[0]!.$unknown = unknown;
    const edited = await decodeOnnx(memorySource(encodeOnnx(first)));
    edited.graph!.node[0]!.name = 'renamed';
    const again = await decodeOnnx(memorySource(encodeOnnx(edited)));
    const places = [again, again.graph, again.graph?.node[0], again.graph?.initializer[0]];
    expect(places.map((place) => place?.$unknown?.map(({ no }) => no))).toEqual([[1007], [1007], [1007], [1007]]);
    expect(again.graph?.node[0]?.name).toBe('renamed');
  });

  it('is kept in models, nodes and weights when a graph is read, rewritten and written', async () => {
    const w: TensorInit = { name: 'w', dataType: 1, dims: [2n], floatData: [1, 2] };
    const bytes = model({
      initializer: [w],
      node: [node('Add', ['x', 'w'], ['a']), node('Relu', ['a'], ['y'])],
      output: y,
    });
    const first = await decodeOnnx(memorySource(bytes));
    first.$unknown = unknown;
    first.graph!.node[1]!.$unknown = unknown;
    first.graph!.initializer[0]!.$unknown = unknown;
    const graph = canonicalize(await read(encodeOnnx(first), { dims: { batch: 2 } })).graph;
    const again = await decodeOnnx(memorySource((await writeOnnx(graph)).model));
    const places = [again, ...again.graph!.node, ...again.graph!.initializer];
    expect(places.map((place) => place.$unknown?.map(({ no }) => no))).toEqual([[1007], undefined, [1007], [1007]]);
    expect(again.$unknown).toEqual(unknown);
  });

  it('of a graph that is built anew the properties and names are kept', async () => {
    const bytes = model(relu, { metadataProps: [{ key: 'author', value: 'me' }] });
    const again = await decodeOnnx(memorySource((await writeOnnx(await read(bytes))).model));
    expect(again.metadataProps.map(({ key, value }) => [key, value])).toEqual([['author', 'me']]);
    expect(again.graph?.node.map(({ name }) => name)).toEqual(['the Relu']);
  });
});
