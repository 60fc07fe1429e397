import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Attributes,
  type Backend,
  type DType,
  DTYPES,
  encodeFloat,
  evaluate,
  type Graph,
  GraphBuilder,
  tensor,
  type TensorData,
  type Tensors,
  type Value,
} from '@anneal/graph';
import { onnxBackend } from '../src/index.ts';
import { lower } from '../src/lower/index.ts';
import { LACKING } from '../src/lower/widen.ts';

let backend: Backend;
beforeAll(async () => {
  backend = await onnxBackend({ threads: 2 });
});
afterAll(() => backend.close());

async function run(graph: Graph, feeds: Tensors): Promise<Record<string, TensorData>> {
  const program = await backend.compile(graph, { purpose: 'training' });
  const results = await program.run(feeds);
  await program.dispose();
  return results;
}

/** Runs one node on a 2 × 3 tensor of whole numbers, which every element type holds. */
async function compare(op: string, dtype: DType, build: (g: GraphBuilder, x: Value) => Value | Value[]): Promise<void> {
  const g = new GraphBuilder();
  const values = dtype === 'bool' ? [1, 0, 1, 0, 0, 1] : [3, 1, 2, 1, 5, 2];
  const small = dtype === 'float16';
  const feeds = { x: tensor(dtype, [2, 3], values.map((v) => (small ? encodeFloat(v, dtype) : v)) as number[]) };
  const x = g.input('x', dtype, [2, 3]);
  [build(g, x)].flat().forEach((value, i) => g.output(`y${i}`, value));
  const graph = g.build({ name: op });
  expect(await run(graph, feeds)).toEqual(evaluate(graph, feeds));
}

const axis = (value: number): Attributes => ({ axis: { int: value } });
const plain = (op: string) => (g: GraphBuilder, x: Value) => g.one(op, [x]);
const reduce = (op: string) => (g: GraphBuilder, x: Value) => g.one(op, [x, g.ints([1])]);
const arg = (op: string) => (g: GraphBuilder, x: Value) => g.one(op, [x], { attributes: axis(1) });
const binary = (op: string) => (g: GraphBuilder, x: Value) =>
  g.one(op, [x, g.one('Slice', [x, g.ints([1]), g.ints([2]), g.ints([0])])]);

/** A use of each operator that lacks element types. */
const USES: Record<keyof typeof LACKING, (g: GraphBuilder, x: Value) => Value | Value[]> = {
  ArgMax: arg('ArgMax'),
  ArgMin: arg('ArgMin'),
  Celu: plain('Celu'),
  Clip: (g, x) => g.one('Clip', [x, g.scalar(2, x.dtype), undefined]),
  CumSum: (g, x) => g.one('CumSum', [x, g.scalar(1, 'int64')]),
  EyeLike: plain('EyeLike'),
  Max: binary('Max'),
  Min: binary('Min'),
  Pad: (g, x) => g.one('Pad', [x, g.ints([0, 1, 1, 0]), g.scalar(4, x.dtype)]),
  ReduceL1: reduce('ReduceL1'),
  ReduceL2: (g, x) => g.one('ReduceL2', [g.one('Slice', [x, g.ints([0]), g.ints([1]), g.ints([1])]), g.ints([1])]),
  ReduceLogSum: (g, x) =>
    g.one('ReduceLogSum', [g.one('Sub', [x, x]), g.ints([])], { attributes: { noop_with_empty_axes: { int: 1 } } }),
  ReduceLogSumExp: (g, x) =>
    g.one('ReduceLogSumExp', [g.one('Slice', [x, g.ints([0]), g.ints([1]), g.ints([1])]), g.ints([1])]),
  ReduceMax: reduce('ReduceMax'),
  ReduceMean: (g, x) => g.one('ReduceMean', [x, g.ints([1])]),
  ReduceMin: reduce('ReduceMin'),
  ReduceProd: reduce('ReduceProd'),
  ReduceSum: reduce('ReduceSum'),
  ReduceSumSquare: reduce('ReduceSumSquare'),
  Relu: plain('Relu'),
  ScatterElements: (g, x) =>
    g.one(
      'ScatterElements',
      [x, g.constant(tensor('int64', [2, 1], [1n, 1n])), g.one('Slice', [x, g.ints([0]), g.ints([1]), g.ints([1])])],
      {
        attributes: { axis: { int: 1 }, reduction: { string: 'add' } },
      },
    ),
  TopK: (g, x) => g.node('TopK', [x, g.ints([2])], { outputs: 2 }) as Value[],
  Trilu: (g, x) => g.one('Trilu', [x, g.scalar(0, 'int64')], { attributes: { upper: { int: 1 } } }),
  Where: (g, x) =>
    g.one('Where', [
      g.constant(tensor('bool', [1, 3], [1, 0, 1])),
      x,
      g.one('Slice', [x, g.ints([1]), g.ints([2]), g.ints([0])]),
    ]),
};

describe('element types without a kernel', () => {
  const cases = Object.entries(LACKING).flatMap(([op, dtypes]) => dtypes.map((dtype) => [op, dtype] as const));
  it.each(cases)('%s of %s', async (op, dtype) => {
    await compare(op, dtype, USES[op] as (g: GraphBuilder, x: Value) => Value);
  });

  it('large unsigned numbers survive', async () => {
    const g = new GraphBuilder();
    const [x, y] = [g.input('x', 'uint64', [2]), g.input('y', 'uint64', [2])];
    g.output('z', g.one('Where', [g.constant(tensor('bool', [2], [1, 0])), x, y]));
    const feeds = { x: tensor('uint64', [2], [2n ** 64n - 1n, 0n]), y: tensor('uint64', [2], [0n, 2n ** 63n + 5n]) };
    expect(await run(g.build(), feeds)).toEqual({ z: tensor('uint64', [2], [2n ** 64n - 1n, 2n ** 63n + 5n]) });
  });

  it('bfloat16 is computed in float32 and rounded after each node', async () => {
    const g = new GraphBuilder();
    const half = (value: Value): Value => g.ops.cast(value, 'bfloat16');
    const x = half(g.input('x', 'float32', [2, 2]));
    const bits = Uint16Array.from([1, 0.3, -2, 0.1], (value) => encodeFloat(value, 'bfloat16'));
    const w = g.parameter('w', tensor('bfloat16', [2, 2], bits));
    const y = g.ops.softmax(g.ops.add(g.ops.matmul(x, w), half(g.scalar(1 / 3, 'float32'))));
    g.output('y', g.ops.cast(y, 'float32'));
    const graph = g.build();
    const feeds = { x: tensor('float32', [2, 2], [0.7, 0.123, -3, 2.5]) };
    expect(await run(graph, feeds)).toEqual(evaluate(graph, feeds));
  });
});

describe('operators that are composed', () => {
  it('ScatterND with a sum loses nothing on two threads', async () => {
    const rows = 4096;
    const g = new GraphBuilder();
    const zeros = g.input('zeros', 'float32', [3, 64]);
    const indices = g.input('indices', 'int64', [rows, 1]);
    const updates = g.input('updates', 'float32', [rows, 64]);
    const attributes: Attributes = { reduction: { string: 'add' } };
    g.output('sums', g.one('ScatterND', [zeros, indices, updates], { attributes }));
    const { sums } = await run(g.build(), {
      zeros: tensor('float32', [3, 64], new Float32Array(192)),
      indices: tensor(
        'int64',
        [rows, 1],
        BigInt64Array.from({ length: rows }, (_, i) => BigInt(i % 3)),
      ),
      updates: tensor('float32', [rows, 64], new Float32Array(rows * 64).fill(1)),
    });
    expect(sums?.data).toEqual(Float32Array.from({ length: 192 }, (_, i) => (i < 64 ? 1366 : 1365)));
  });

  it.each([
    ['add', 'float32'],
    ['mul', 'int32'],
    ['max', 'float32'],
    ['min', 'float64'],
    ['add', 'float16'],
  ] as const)('ScatterND with %s of %s, several axes and negative indices', async (reduction, dtype) => {
    const g = new GraphBuilder();
    const number = (value: number): number => (dtype === 'float16' ? encodeFloat(value, dtype) : value);
    const shape = [2, 3, 2];
    const x = g.input('x', dtype, shape);
    const indices = g.constant(tensor('int64', [2, 2, 2], [0n, 1n, -1n, -1n, 0n, -2n, 1n, 0n]));
    const updates = g.input('updates', dtype, [2, 2, 2]);
    g.output('y', g.one('ScatterND', [x, indices, updates], { attributes: { reduction: { string: reduction } } }));
    const graph = g.build();
    const feeds = {
      x: tensor(
        dtype,
        shape,
        Array.from({ length: 12 }, (_, i) => number(i - 4)),
      ),
      updates: tensor(
        dtype,
        [2, 2, 2],
        Array.from({ length: 8 }, (_, i) => number(3 - i)),
      ),
    };
    expect(await run(graph, feeds)).toEqual(evaluate(graph, feeds));
  });

  it.each(['float64', 'bool', 'int8', 'uint16', 'int32', 'uint64'] as const)('OneHot of %s', async (dtype) => {
    const g = new GraphBuilder();
    const values =
      DTYPES[dtype].bits === 64 && dtype !== 'float64' ? [7n, 2n ** 63n] : dtype === 'bool' ? [1, 0] : [7, 9];
    const on = g.constant(tensor(dtype, [2], values as number[]));
    const indices = g.input('indices', 'int32', [2, 2]);
    g.output('y', g.one('OneHot', [indices, g.scalar(3, 'int64'), on], { attributes: axis(1) }));
    const graph = g.build();
    const feeds = { indices: tensor('int32', [2, 2], [0, 2, -1, 5]) };
    expect(await run(graph, feeds)).toEqual(evaluate(graph, feeds));
  });

  it.each(['float64', 'int8', 'uint32', 'uint64'] as const)('NonZero of %s', (dtype) =>
    compare('NonZero', dtype, (g, x) => g.one('NonZero', [g.one('Sub', [x, g.scalar(1, dtype)])])),
  );

  it.each([21, 23])('RMSNormalization in opset %i', async (opset) => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2, 4]);
    const scale = g.constant(tensor('float32', [4], [1, 2, 3, 4]));
    g.output('y', g.one('RMSNormalization', [x, scale], { attributes: { epsilon: { float: 1e-3 } } }));
    const graph = g.build({ opsets: { '': opset } });
    const feeds = { x: tensor('float32', [2, 4], [1, -2, 3, -4, 0.1, 0.2, -0.3, 0]) };
    const { y } = await run(graph, feeds);
    const expected = evaluate(graph, feeds)['y'] as TensorData;
    Array.from(expected.data, Number).forEach((value, i) => expect(y?.data[i]).toBeCloseTo(value, 5));
  });

  it('Swish, StopGradient and Dropout with its mask', async () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [4]);
    g.output('swish', g.one('Swish', [x], { attributes: { alpha: { float: 2 } } }));
    g.output('stopped', g.ops.stopGradient(x));
    const [kept, mask] = g.node('Dropout', [x, g.scalar(0.5, 'float32')], { outputs: 2 }) as [Value, Value];
    g.output('kept', kept);
    g.output('mask', mask);
    const feeds = { x: tensor('float32', [4], [1, -2, 0, 0.5]) };
    const { swish, ...rest } = await run(g.build(), feeds);
    expect(rest).toEqual({ stopped: feeds.x, kept: feeds.x, mask: tensor('bool', [4], [1, 1, 1, 1]) });
    [0.8807970779, -0.03597241992, 0, 0.3655292893].forEach((value, i) => expect(swish?.data[i]).toBeCloseTo(value, 6));
  });

  it.each([
    ['Div', 'int32', [-(2 ** 31), -7, 7], [-(2 ** 31), 7, 3]],
    ['Mod', 'int32', [-(2 ** 31), -7, 7], [0, 0, 1]],
    ['Div', 'int64', [-(2n ** 63n), -7n, 7n], [-(2n ** 63n), 7n, 3n]],
    ['Mod', 'int64', [-(2n ** 63n), -7n, 7n], [0n, 0n, 1n]],
  ] as const)('%s of the smallest %s by -1 does not end the process', async (op, dtype, x, expected) => {
    const g = new GraphBuilder();
    g.output('y', g.one(op, [g.input('x', dtype, [3]), g.input('z', dtype, [3])]));
    const divisors = dtype === 'int64' ? [-1n, -1n, 2n] : [-1, -1, 2];
    const feeds = { x: tensor(dtype, [3], x as readonly number[]), z: tensor(dtype, [3], divisors as number[]) };
    expect(await run(g.build(), feeds)).toEqual({ y: tensor(dtype, [3], expected as readonly number[]) });
  });
});

describe('lowering', () => {
  it('keeps the module of what it replaces, and everything else as it is', () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'int16', [2]);
    const y = g.scope('block', () => g.ops.maximum(x, g.input('z', 'int16', [2])));
    g.output(
      'y',
      g.scope('head', () => g.ops.add(y, 1)),
    );
    const lowered = lower(g.build());
    expect(lowered.nodes.map(({ op, scope }) => [op, scope])).toEqual([
      ['Cast', 'block'],
      ['Cast', 'block'],
      ['Max', 'block'],
      ['Cast', 'block'],
      ['Add', 'head'],
    ]);
  });

  it('keeps a constant divisor that is safe', () => {
    const g = new GraphBuilder();
    g.output('y', g.ops.div(g.input('x', 'int64', [2]), 2));
    expect(lower(g.build()).nodes.map(({ op }) => op)).toEqual(['Div']);
  });
});
