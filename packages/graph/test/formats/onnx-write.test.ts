import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/builder.ts';
import { decodeOnnx } from '../../src/formats/onnx/model.ts';
import type { ModelProto } from '../../src/formats/onnx/proto/onnx_pb.ts';
import { writeOnnx, type WriteOnnxOptions } from '../../src/formats/onnx/write.ts';
import { memorySource, memoryWriter } from '../../src/formats/source.ts';
import { type Graph, Value } from '../../src/ir.ts';
import { type LazyTensor, tensor, tensorFromBytes, zeros } from '../../src/tensor.ts';
import { countingSource, errorOf, expectFormatError } from './harness.ts';

async function protoOf(graph: Graph, options?: WriteOnnxOptions): Promise<ModelProto> {
  return decodeOnnx(memorySource((await writeOnnx(graph, options)).model));
}

const props = (list: readonly { key: string; value: string }[]): Record<string, string> =>
  Object.fromEntries(list.map(({ key, value }) => [key, value]));

/** y = relu(x · w) + 1, in a module. */
function small(): GraphBuilder {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', ['batch', 2]);
  const w = g.parameter('layer.0.weight', tensor('float32', [2, 2], [1, 2, 3, 4]), {
    trainable: true,
    transposed: true,
  });
  g.output(
    'y',
    g.ops.add(
      g.scope('layer.0', () => g.ops.relu(g.ops.matmul(x, w))),
      1,
    ),
  );
  return g;
}

describe('the model', () => {
  it('says who wrote it, and its versions', async () => {
    const proto = await protoOf(small().build({ name: 'small', metadata: { task: 'test' } }), {
      producerVersion: '1.2.3',
      docString: 'a test',
    });
    expect(proto).toMatchObject({
      irVersion: 10n,
      producerName: 'anneal',
      producerVersion: '1.2.3',
      docString: 'a test',
    });
    expect(props(proto.metadataProps)).toEqual({ task: 'test' });
    expect(proto.graph?.name).toBe('small');
    expect(proto.opsetImport.map(({ domain, version }) => [domain, version])).toEqual([['', 21n]]);
  });

  it('imports the operator sets that it uses, and no other', async () => {
    const g = small();
    g.output('z', g.ops.quickGelu([...g.build().inputs.values()][0]!));
    const proto = await protoOf(g.build({ opsets: { '': 20, 'com.microsoft': 1, 'ai.onnx.ml': 3 } }));
    expect(proto.opsetImport.map(({ domain, version }) => [domain, version])).toEqual([
      ['', 20n],
      ['com.microsoft', 1n],
    ]);
  });

  it.each([
    ['float4e2m1', 11n],
    ['float8e8m0', 12n],
    ['uint2', 13n],
    ['int4', 10n],
  ] as const)('with %s is of IR version %i', async (dtype, version) => {
    const g = new GraphBuilder();
    g.output('y', g.ops.identity(g.parameter('p', zeros(dtype, [4]))));
    expect((await protoOf(g.build())).irVersion).toBe(version);
  });

  it('has symbolic dimensions, and the types of intermediate values when asked', async () => {
    const { graph } = await protoOf(small().build(), { valueInfo: true });
    const shapes = [...graph!.input, ...graph!.valueInfo, ...graph!.output].map(({ name, type }) => {
      const dims = type?.value.case === 'tensorType' ? type.value.value.shape?.dim.map(({ value }) => value.value) : [];
      return [name, dims];
    });
    expect(shapes).toEqual([
      ['x', ['batch', 2n]],
      ['MatMul_0', ['batch', 2n]],
      ['Relu_1', ['batch', 2n]],
      ['y', ['batch', 2n]],
    ]);
    expect((await protoOf(small().build())).graph?.valueInfo).toEqual([]);
  });

  it('keeps what ONNX has no field for as properties', async () => {
    const { graph } = await protoOf(small().build());
    expect(graph!.node.map(({ name }) => name)).toEqual(['/layer.0/MatMul', '/layer.0/Relu', 'Add']);
    const [w, one] = graph!.initializer;
    expect([w?.name, props(w!.metadataProps)]).toEqual([
      'layer.0.weight',
      { 'anneal.trainable': 'true', 'anneal.transposed': 'true' },
    ]);
    expect(props(one!.metadataProps)).toEqual({});
  });
});

describe('names', () => {
  it('of inputs, outputs and parameters win, all others give way', async () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2]);
    const p = g.parameter('x', tensor('float32', [2], [1, 2]));
    const c = g.constant(tensor('float32', [2], [3, 4]), 'y');
    const [h] = g.node('Add', [x, p], { names: ['x'] });
    const [k] = g.node('Add', [h, c], { names: [''] });
    g.output('y', g.ops.neg(k!));
    const { graph } = await protoOf(g.build());
    expect(graph!.initializer.map(({ name, metadataProps }) => [name, props(metadataProps)])).toEqual([
      ['x_1', { 'anneal.name': 'x' }],
      ['y_1', { 'anneal.kind': 'constant' }],
    ]);
    expect(graph!.node.map(({ input, output }) => [input, output])).toEqual([
      [['x', 'x_1'], ['x_2']],
      [['x_2', 'y_1'], ['value']],
      [['value'], ['y']],
    ]);
    expect(new Set(graph!.node.map(({ name }) => name)).size).toBe(3);
  });

  it('of outputs that have one already are given by an Identity', async () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2]);
    const y = g.ops.relu(x);
    g.output('x', x);
    g.output('copy', x);
    g.output('y', y);
    g.output('again', y);
    g.output('p', g.parameter('w', tensor('float32', [2], [1, 2])));
    const { model, names } = await writeOnnx(g.build());
    const { graph } = await decodeOnnx(memorySource(model));
    expect(graph!.node.map(({ opType, input, output }) => [opType, input[0], output[0]])).toEqual([
      ['Relu', 'x', 'y'],
      ['Identity', 'x', 'copy'],
      ['Identity', 'y', 'again'],
      ['Identity', 'w', 'p'],
    ]);
    expect(graph!.output.map(({ name }) => name)).toEqual(['x', 'copy', 'y', 'again', 'p']);
    expect([names.get(x), names.get(y)]).toEqual(['x', 'y']);
  });

  it('cannot be shared by an input and an output that differ', async () => {
    const g = new GraphBuilder();
    g.output('x', g.ops.relu(g.input('x', 'float32', [2])));
    const error = await errorOf(() => writeOnnx(g.build()));
    expect([error.code, error.message]).toEqual([
      'ANNEAL_E_GRAPH',
      expect.stringContaining('"x" is the name of an input and of an output'),
    ]);
  });

  it('of values that nothing produces are an error', async () => {
    const graph = small().build();
    const stray = new Value('stray', 'float32', [2]);
    const broken = { ...graph, nodes: [{ ...graph.nodes[0]!, inputs: [stray, stray] }, ...graph.nodes.slice(1)] };
    const error = await errorOf(() => writeOnnx(broken));
    expect([error.code, error.message]).toEqual([
      'ANNEAL_E_GRAPH',
      'MatMul uses "stray", which nothing before it produces',
    ]);
  });
});

describe('inner graphs', () => {
  it('see the values around them, and their names give way', async () => {
    const branch = (build: (g: GraphBuilder, x: Value) => Value, x: Value): Graph => {
      const g = new GraphBuilder();
      g.output('y', build(g, x));
      return g.build();
    };
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2]);
    const condition = g.input('condition', 'bool', []);
    const y = g.one('If', [condition], {
      attributes: {
        then_branch: { graph: branch((inner, value) => inner.ops.relu(value), x) },
        else_branch: { graph: branch((_, value) => value, x) },
      },
      types: [{ dtype: 'float32', shape: [2] }],
    });
    g.output('y', y);
    const { graph } = await protoOf(g.build());
    const branches = graph!.node[0]!.attribute.map(({ name, g: inner }) => [
      name,
      inner?.node.map(({ opType, input, output }) => [opType, input[0], output[0]]),
      inner?.output.map((output) => output.name),
    ]);
    expect(branches).toEqual([
      ['then_branch', [['Relu', 'x', 'y_1']], ['y_1']],
      ['else_branch', [['Identity', 'x', 'y_2']], ['y_2']],
    ]);
  });

  it('cannot have parameters of their own', async () => {
    const inner = new GraphBuilder();
    inner.output('y', inner.ops.identity(inner.parameter('w', tensor('float32', [2], [1, 2]))));
    const g = new GraphBuilder();
    const attributes = { then_branch: { graph: inner.build() } };
    g.output('y', g.one('If', [g.input('c', 'bool', [])], { attributes, types: [{ dtype: 'float32', shape: [2] }] }));
    const error = await errorOf(() => writeOnnx(g.build()));
    expect([error.code, error.message]).toEqual([
      'ANNEAL_E_GRAPH',
      expect.stringContaining('has parameters of its own'),
    ]);
  });
});

describe('external data', () => {
  /** Three parameters: 16 bytes, 2 MiB that stay elsewhere, 8 KiB. */
  function large(): { graph: Graph; source: ReturnType<typeof countingSource> } {
    const size = 2 << 20;
    const source = countingSource(
      memorySource(
        Uint8Array.from({ length: size + 4 }, (_, i) => i % 251),
        'elsewhere',
      ),
    );
    const g = new GraphBuilder();
    const lazy: LazyTensor = { dtype: 'uint8', shape: [size], source, offset: 4 };
    const middle = tensorFromBytes('float32', [2048], new Uint8Array(8192).fill(7));
    g.output('a', g.parameter('small', tensor('float32', [4], [1, 2, 3, 4])));
    g.output('b', g.parameter('middle', middle));
    g.output('c', g.parameter('large', lazy));
    return { graph: g.build(), source };
  }

  it('lies at aligned offsets and is streamed in chunks', async () => {
    const { graph, source } = large();
    const { model, external } = await writeOnnx(graph, { external: { location: 'm.onnx_data' } });
    expect(source.bytesRead).toBe(0);
    expect(model.byteLength).toBeLessThan(1000);
    expect(external?.entries).toEqual([
      { name: 'middle', offset: 0, length: 8192 },
      { name: 'large', offset: 65_536, length: 2 << 20 },
    ]);
    const writer = memoryWriter();
    await external?.write(writer);
    const bytes = writer.bytes();
    expect(bytes.byteLength).toBe(external?.size);
    expect(bytes.subarray(0, 8192).every((byte) => byte === 7)).toBe(true);
    expect(bytes.subarray(8192, 65_536).every((byte) => byte === 0)).toBe(true);
    expect(bytes.subarray(65_536, 65_540)).toEqual(Uint8Array.of(4, 5, 6, 7));
    expect(source.bytesRead).toBe(2 << 20);
    const { graph: proto } = await decodeOnnx(memorySource(model));
    expect(proto!.initializer.map(({ name, externalData }) => [name, props(externalData)])).toEqual([
      ['small', {}],
      ['middle', { location: 'm.onnx_data', offset: '0', length: '8192' }],
      ['large', { location: 'm.onnx_data', offset: '65536', length: String(2 << 20) }],
    ]);
  });

  it('is never held whole', async () => {
    const size = 64 << 20;
    const reads: number[] = [];
    const source = {
      name: 'zeros',
      size,
      read: (_: number, length: number) => {
        reads.push(length);
        return Promise.resolve(new Uint8Array(length));
      },
    };
    const g = new GraphBuilder();
    g.output('y', g.parameter('p', { dtype: 'uint8', shape: [size], source, offset: 0 }));
    const { external } = await writeOnnx(g.build(), { external: { location: 'd' } });
    let written = 0;
    await external?.write({
      write: (bytes) => {
        written += bytes.byteLength;
      },
    });
    expect(written).toBe(size);
    expect(Math.max(...reads)).toBeLessThanOrEqual(4 << 20);
  });

  it('can be where it is already', async () => {
    const { graph, source } = large();
    const { model, external } = await writeOnnx(graph, {
      stored: (name) => (name === 'large' ? { location: 'base/weights.bin', offset: 4 } : undefined),
    });
    expect(external).toBeUndefined();
    expect(source.bytesRead).toBe(0);
    const { graph: proto } = await decodeOnnx(memorySource(model));
    expect(proto!.initializer.map(({ rawData, externalData }) => [rawData.length, props(externalData)])).toEqual([
      [16, {}],
      [8192, {}],
      [0, { location: 'base/weights.bin', offset: '4', length: String(2 << 20) }],
    ]);
  });

  it('is needed beyond 2 GiB', async () => {
    const g = new GraphBuilder();
    const source = { name: 'huge', size: 3 * 2 ** 30, read: () => Promise.reject(new Error('must not be read')) };
    g.output('y', g.parameter('p', { dtype: 'uint8', shape: [3 * 2 ** 30], source, offset: 0 }));
    const error = await expectFormatError(
      () => writeOnnx(g.build()),
      /takes 3221225472 bytes, one ONNX file holds less/,
    );
    expect(error.fix).toContain('external');
    const { external } = await writeOnnx(g.build(), { external: { location: 'd' } });
    expect(external?.size).toBe(3 * 2 ** 30);
  });

  it.each(['/tmp/x', '../x', 'a/../../x', 'C:x', ''])('cannot be written to %j', async (location) => {
    await expectFormatError(
      () => writeOnnx(small().build(), { external: { location } }),
      /external data cannot be written/,
    );
  });
});

describe('what the format does not have', () => {
  it('fractions in integer attributes', async () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2]);
    g.output('y', g.one('Custom', [x], { domain: 'd', attributes: { axis: { int: 0.5 } }, types: [x] }));
    await expectFormatError(() => writeOnnx(g.build()), /axis: an int attribute must be an integer, received 0\.5/);
  });

  it('string tensors', async () => {
    const g = new GraphBuilder();
    g.output('y', g.ops.identity(g.constant(zeros('string', [0]), 'names')));
    await expectFormatError(() => writeOnnx(g.build()), /"names": string tensors/);
  });
});
