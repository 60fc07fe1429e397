import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Backend, GraphBuilder, interpret, tensor, type TensorData, zeros } from '@anneal/graph';
import { onnxBackend } from '../src/index.ts';

let backend: Backend;
beforeAll(async () => {
  backend = await onnxBackend({ threads: 2 });
});
afterAll(() => backend.close());

/** y = relu(x · w), with the first dimension open. */
function layer(): GraphBuilder {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', ['batch', 2]);
  const w = g.parameter('layer.weight', tensor('float32', [2, 3], [1, -2, 3, 4, 5, -6]));
  g.output('y', g.ops.relu(g.ops.matmul(x, w)));
  return g;
}

describe('info', () => {
  it('names the runtime, the device and the threads', () => {
    expect(backend.info).toEqual({ name: 'onnx', version: 'onnxruntime-node 1.30.0', device: 'cpu', threads: 2 });
  });

  it('tells the peak memory of the process', async () => {
    const { peakRssBytes } = await backend.memory();
    expect(peakRssBytes).toBeGreaterThanOrEqual(process.memoryUsage.rss() * 0.5);
  });
});

describe('program', () => {
  it('says what it takes and gives', async () => {
    const g = layer();
    g.input('scale', 'float32', [1]);
    const program = await backend.compile(g.build());
    expect([...program.inputs]).toEqual([
      ['x', undefined],
      ['scale', { dtype: 'float32', shape: [1] }],
    ]);
    expect(program.outputs).toEqual(['y']);
    await program.dispose();
  });

  it.each(['training', 'inference'] as const)('computes what the interpreter computes (%s)', async (purpose) => {
    const graph = layer().build();
    const program = await backend.compile(graph, { purpose });
    for (const rows of [1, 3]) {
      const x = tensor(
        'float32',
        [rows, 2],
        Float32Array.from({ length: rows * 2 }, (_, i) => i - 2.5),
      );
      expect(await program.run({ x })).toEqual(await interpret(graph, { x }));
    }
    await program.dispose();
  });

  it('leaves the arrays of the caller alone', async () => {
    const program = await backend.compile(layer().build());
    const data = new Float32Array([1, 1]);
    const { y } = await program.run({ x: tensor('float32', [1, 2], data) });
    expect(data).toEqual(new Float32Array([1, 1]));
    expect(y?.data).toEqual(new Float32Array([5, 3, 0]));
  });

  it('takes a view into a larger buffer, and shared memory', async () => {
    const program = await backend.compile(layer().build());
    const view = new Float32Array([9, 9, 1, 1, 9]).subarray(2, 4);
    const shared = new Float32Array(new SharedArrayBuffer(8));
    shared.set([1, 1]);
    for (const data of [view, shared]) {
      const { y } = await program.run({ x: tensor('float32', [1, 2], data) });
      expect(y?.data).toEqual(new Float32Array([5, 3, 0]));
    }
  });

  it.each([
    ['float32', [1.5, -2]],
    ['float64', [1e-300, -2]],
    ['int8', [-128, 127]],
    ['int16', [-32768, 32767]],
    ['int32', [-(2 ** 31), 2 ** 31 - 1]],
    ['uint8', [0, 255]],
    ['uint16', [0, 65535]],
    ['uint32', [0, 2 ** 32 - 1]],
    ['bool', [1, 0]],
    ['float16', [0x3c00, 0xc000]],
  ] as const)('hands over %s', async (dtype, values) => {
    const g = new GraphBuilder();
    const x = g.input('x', dtype, [2]);
    g.output('same', x);
    g.output('swapped', g.ops.take(x, g.ints([1, 0])));
    const program = await backend.compile(g.build());
    const results = await program.run({ x: tensor(dtype, [2], values) });
    expect(results).toEqual({
      same: tensor(dtype, [2], values),
      swapped: tensor(dtype, [2], [...values].reverse()),
    });
  });

  it.each(['int64', 'uint64'] as const)('hands over %s', async (dtype) => {
    const g = new GraphBuilder();
    g.output('y', g.ops.identity(g.input('x', dtype, [2])));
    const program = await backend.compile(g.build());
    const x = tensor(dtype, [2], [1n, 2n ** 60n + 1n]);
    expect(await program.run({ x })).toEqual({ y: x });
  });

  it('gives outputs that are inputs, parameters or constants, and one value twice', async () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [1]);
    g.output('input', x);
    g.output('parameter', g.parameter('w', tensor('float32', [1], [2])));
    g.output('constant', g.scalar(3, 'float32'));
    const double = g.ops.add(x, x);
    g.output('a', double);
    g.output('b', double);
    const graph = g.build();
    const program = await backend.compile(graph);
    const feeds = { x: tensor('float32', [1], [1]) };
    expect(await program.run(feeds)).toEqual(await interpret(graph, feeds));
  });

  it('runs in call order, also when calls are not awaited', async () => {
    const program = await backend.compile(layer().build());
    const order: number[] = [];
    const runs = [5, 1, 3].map(async (rows, i) => {
      const { y } = await program.run({ x: zeros('float32', [rows, 2]) });
      order.push(i);
      return y?.shape[0];
    });
    expect(await Promise.all(runs)).toEqual([5, 1, 3]);
    expect(order).toEqual([0, 1, 2]);
  });

  it('refuses to run when it is disposed; disposing twice is fine', async () => {
    const program = await backend.compile(layer().build(), { label: 'layer' });
    await program.dispose();
    await program.dispose();
    await expect(program.run({ x: zeros('float32', [1, 2]) })).rejects.toMatchObject({
      code: 'ANNEAL_E_BACKEND',
      message: '"layer" is disposed',
    });
  });

  it('finishes what was asked before it was disposed', async () => {
    const program = await backend.compile(layer().build());
    const run = program.run({ x: tensor('float32', [1, 2], [1, 1]) });
    await program.dispose();
    expect((await run)['y']?.data).toEqual(new Float32Array([5, 3, 0]));
  });
});

describe('feeds', () => {
  const x = (shape: number[], data: TensorData['data'] = new Float32Array(shape.reduce((a, b) => a * b, 1))) => ({
    dtype: 'float32' as const,
    shape,
    data,
  });
  it.each([
    ['a missing one', {}, 'ANNEAL_E_BACKEND', /"layer": the input "x" is not given/],
    ['an unknown one', { x: x([1, 2]), z: x([1]) }, 'ANNEAL_E_BACKEND', /"layer" has no input "z"/],
    ['the wrong type', { x: zeros('float64', [1, 2]) }, 'ANNEAL_E_DTYPE', /must be float32, received float64/],
    ['the wrong size', { x: x([1, 3]) }, 'ANNEAL_E_SHAPE', /the shape \[batch, 2\], received \[1, 3\]/],
    ['the wrong rank', { x: x([2]) }, 'ANNEAL_E_SHAPE', /the shape \[batch, 2\], received \[2\]/],
    [
      'too few elements',
      { x: x([4, 2], new Float32Array(2)) },
      'ANNEAL_E_SHAPE',
      /takes 8 elements.*Float32Array of 2/,
    ],
    ['the wrong array', { x: x([1, 2], new Int32Array(2)) }, 'ANNEAL_E_SHAPE', /its data is a Int32Array/],
  ])('refuses %s', async (_name, feeds, code, message) => {
    const program = await backend.compile(layer().build(), { label: 'layer' });
    await expect(program.run(feeds)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });
});
