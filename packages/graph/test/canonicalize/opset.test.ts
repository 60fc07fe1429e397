import { differenceOf, seededRandom } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/builder.ts';
import { canonicalize } from '../../src/canonicalize/canonicalize.ts';
import { arithmetic } from '../../src/canonicalize/opset/arithmetic.ts';
import { layers } from '../../src/canonicalize/opset/layers.ts';
import { movement } from '../../src/canonicalize/opset/movement.ts';
import { AttributeProto_AttributeType as Kind } from '../../src/formats/onnx/proto/onnx_pb.ts';
import { readOnnx } from '../../src/formats/onnx/read.ts';
import { memorySource } from '../../src/formats/source.ts';
import { interpret } from '../../src/interpret/evaluate.ts';
import type { Graph, Shape } from '../../src/ir.ts';
import { sizeOf, tensor } from '../../src/tensor.ts';
import { type AttributeInit, info, model, node, type NodeInit, type TensorInit } from '../formats/crafted.ts';
import { onRuntime, runBytes } from './runtime.ts';

const int = (name: string, i: number): AttributeInit => ({ name, type: Kind.INT, i: BigInt(i) });
const ints = (name: string, ...values: number[]): AttributeInit => ({
  name,
  type: Kind.INTS,
  ints: values.map(BigInt),
});
const float = (name: string, f: number): AttributeInit => ({ name, type: Kind.FLOAT, f });
const floats = (name: string, ...values: number[]): AttributeInit => ({ name, type: Kind.FLOATS, floats: values });
const text = (name: string, s: string): AttributeInit => ({ name, type: Kind.STRING, s: new TextEncoder().encode(s) });

interface OldModel {
  readonly opset: number;
  /** Shape of the input `x`. */
  readonly x: readonly number[];
  readonly nodes: readonly NodeInit[];
  readonly initializer?: readonly TensorInit[];
  /** Operators of the graph that is read. */
  readonly becomes: readonly string[];
  /** Shape of `y`, for an operator that has no type rule; it runs on the runtime then. */
  readonly y?: readonly number[];
}

const one = (op: string, ...attribute: AttributeInit[]): NodeInit[] => [node(op, ['x'], ['y'], { attribute })];
const tensorOf = (name: string, dims: readonly number[], values: readonly number[]): TensorInit => ({
  name,
  dataType: 1,
  dims: dims.map(BigInt),
  floatData: [...values],
});
const longs = (name: string, ...values: number[]): TensorInit => ({
  name,
  dataType: 7,
  dims: [BigInt(values.length)],
  int64Data: values.map(BigInt),
});
const channel = tensorOf('c', [3], [0.5, -1, 2]);
const norm = ['scale', 'bias', 'mean', 'variance'].map((name, i) => tensorOf(name, [3], [1 + i, 0.5, 2]));

/** One model for each change of form, in an operator set that ONNX Runtime has kernels for. */
const OLD: Readonly<Record<string, OldModel>> = {
  'axes of a sum': {
    opset: 12,
    x: [2, 3, 4],
    nodes: one('ReduceSum', ints('axes', 1), int('keepdims', 0)),
    becomes: ['ReduceSum'],
  },
  'axes of a mean': { opset: 17, x: [2, 3, 4], nodes: one('ReduceMean', ints('axes', -1, 0)), becomes: ['ReduceMean'] },
  'a reduction of everything': { opset: 12, x: [2, 3], nodes: one('ReduceMax'), becomes: ['ReduceMax'] },
  'axes to add and drop': {
    opset: 11,
    x: [2, 3],
    nodes: [
      node('Unsqueeze', ['x'], ['u'], { attribute: [ints('axes', 0, 3)] }),
      node('Squeeze', ['u'], ['y'], { attribute: [ints('axes', 3)] }),
    ],
    becomes: ['Unsqueeze', 'Squeeze'],
  },
  'bounds of a clip': { opset: 6, x: [2, 3], nodes: one('Clip', float('max', 0.5)), becomes: ['Clip'] },
  'both bounds of a clip': {
    opset: 10,
    x: [2, 3],
    nodes: one('Clip', float('min', -1), float('max', 0.5)),
    becomes: ['Clip'],
  },
  padding: { opset: 10, x: [2, 3], nodes: one('Pad', ints('pads', 0, 1, 2, 0), float('value', 1.5)), becomes: ['Pad'] },
  'a slice': {
    opset: 9,
    x: [4, 3],
    nodes: one('Slice', ints('starts', 1), ints('ends', 99), ints('axes', 0)),
    becomes: ['Slice'],
  },
  'sizes of pieces': {
    opset: 12,
    x: [2, 5],
    nodes: [node('Split', ['x'], ['z', 'y'], { attribute: [int('axis', 1), ints('split', 2, 3)] })],
    becomes: ['Split'],
  },
  'equal pieces': {
    opset: 13,
    x: [2, 6],
    nodes: [node('Split', ['x'], ['z', 'y'], { attribute: [int('axis', 1)] })],
    becomes: ['Split'],
  },
  'softmax over the rest': {
    opset: 12,
    x: [2, 3, 4],
    nodes: one('Softmax'),
    becomes: ['Flatten', 'Softmax', 'Reshape'],
  },
  'softmax over the last axis': { opset: 12, x: [2, 3], nodes: one('Softmax', int('axis', 1)), becomes: ['Softmax'] },
  'log softmax from the end': {
    opset: 11,
    x: [2, 3, 4],
    nodes: one('LogSoftmax', int('axis', -2)),
    becomes: ['Flatten', 'LogSoftmax', 'Reshape'],
  },
  'hardmax over the rest': {
    opset: 12,
    x: [2, 3, 4],
    nodes: one('Hardmax', int('axis', 1)),
    becomes: ['Flatten', 'Hardmax', 'Reshape'],
  },
  'how many are largest': {
    opset: 9,
    x: [2, 6],
    nodes: [node('TopK', ['x'], ['y', 'i'], { attribute: [int('k', 3)] })],
    becomes: ['TopK'],
  },
  'dropout by attribute': { opset: 7, x: [2, 3], nodes: one('Dropout', float('ratio', 0.3)), becomes: ['Dropout'] },
  'scales of an enlargement': {
    opset: 7,
    x: [1, 1, 2, 3],
    nodes: one('Upsample', floats('scales', 1, 1, 2, 3), text('mode', 'nearest')),
    becomes: ['Resize'],
  },
  'linear enlargement': {
    opset: 9,
    x: [1, 1, 2, 3],
    initializer: [tensorOf('s', [4], [1, 1, 2, 2])],
    nodes: [node('Upsample', ['x', 's'], ['y'], { attribute: [text('mode', 'linear')] })],
    becomes: ['Resize'],
  },
  'the first resize': {
    opset: 10,
    x: [1, 1, 3, 3],
    initializer: [tensorOf('s', [4], [1, 1, 1.5, 2])],
    nodes: [node('Resize', ['x', 's'], ['y'], { attribute: [text('mode', 'nearest')] })],
    becomes: ['Resize'],
  },
  'half pixels for the nearest': {
    opset: 11,
    x: [1, 1, 5, 4],
    initializer: [tensorOf('r', [0], []), tensorOf('s', [0], []), longs('z', 1, 1, 3, 7)],
    nodes: [
      node('Resize', ['x', 'r', 's', 'z'], ['y'], {
        attribute: [text('mode', 'nearest'), text('coordinate_transformation_mode', 'tf_half_pixel_for_nn')],
      }),
    ],
    becomes: ['Resize'],
  },
  'the same, rounded down': {
    opset: 11,
    x: [1, 1, 5, 4],
    initializer: [tensorOf('r', [0], []), tensorOf('s', [0], []), longs('z', 1, 1, 3, 7)],
    nodes: [
      node('Resize', ['x', 'r', 's', 'z'], ['y'], {
        attribute: [
          text('mode', 'nearest'),
          text('nearest_mode', 'floor'),
          text('coordinate_transformation_mode', 'tf_half_pixel_for_nn'),
        ],
      }),
    ],
    becomes: ['Resize'],
  },
  'batch statistics': {
    opset: 7,
    x: [2, 3, 4],
    initializer: norm,
    nodes: [
      node('BatchNormalization', ['x', 'scale', 'bias', 'mean', 'variance'], ['y'], {
        attribute: [float('epsilon', 0.01)],
      }),
    ],
    becomes: ['BatchNormalization'],
  },
  'group scales': {
    opset: 18,
    x: [2, 4, 3],
    initializer: [tensorOf('s', [2], [0.5, 2]), tensorOf('b', [2], [1, -1])],
    nodes: [node('GroupNormalization', ['x', 's', 'b'], ['y'], { attribute: [int('num_groups', 2)] })],
    becomes: ['Unsqueeze', 'Expand', 'Reshape', 'Unsqueeze', 'Expand', 'Reshape', 'GroupNormalization'],
  },
  ...Object.fromEntries(
    ['Min', 'Prod', 'L1', 'L2', 'LogSum', 'LogSumExp', 'SumSquare'].map((kind): [string, OldModel] => [
      `axes of Reduce${kind}`,
      {
        opset: 17,
        x: [2, 3, 2],
        nodes: one(`Reduce${kind}`, ints('axes', 1, -1), int('keepdims', 0)),
        becomes: [`Reduce${kind}`],
      },
    ]),
  ),
  'scattering by its first name': {
    opset: 10,
    x: [3, 2],
    initializer: [
      { name: 'i', dataType: 7, dims: [2n, 2n], int64Data: [2n, 0n, 0n, 1n] },
      tensorOf('u', [2, 2], [5, 6, 7, 8]),
    ],
    nodes: [node('Scatter', ['x', 'i', 'u'], ['y'])],
    becomes: ['ScatterElements'],
  },
  'the axis of a Fourier transform': {
    opset: 17,
    x: [1, 4, 1],
    nodes: one('DFT', int('axis', 1)),
    y: [1, 4, 2],
    becomes: ['DFT'],
  },
  'corners of regions': {
    opset: 10,
    x: [1, 1, 6, 6],
    initializer: [tensorOf('r', [1, 4], [0.5, 1, 4, 5]), { name: 'b', dataType: 7, dims: [1n], int64Data: [0n] }],
    nodes: [
      node('RoiAlign', ['x', 'r', 'b'], ['y'], {
        attribute: [int('output_height', 2), int('output_width', 2), int('sampling_ratio', 2)],
      }),
    ],
    y: [1, 1, 2, 2],
    becomes: ['RoiAlign'],
  },
  'names of sampling modes': {
    opset: 16,
    x: [1, 1, 3, 3],
    initializer: [tensorOf('g', [1, 1, 2, 2], [0.2, -0.4, 0.9, 0.1])],
    nodes: [node('GridSample', ['x', 'g'], ['y'], { attribute: [text('mode', 'bilinear')] })],
    y: [1, 1, 1, 2],
    becomes: ['GridSample'],
  },
};

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
/** Two steps of a layer with one hidden unit: weights are 1, those of the state 0; the state starts at 0 and so does x. */
const steps = (op: string, gates: number): OldModel => ({
  opset: 6,
  x: [2, 1, 1],
  initializer: [
    tensorOf(
      'w',
      [1, gates, 1],
      Array.from({ length: gates }, () => 1),
    ),
    tensorOf(
      'r',
      [1, gates, 1],
      Array.from({ length: gates }, () => 0),
    ),
  ],
  nodes: [node(op, ['x', 'w', 'r'], ['y'], { attribute: [int('hidden_size', 1), int('output_sequence', 1)] })],
  becomes: [op],
});

/** Models of operator sets that ONNX Runtime 1.30 has no kernels for any more: what they mean, in numbers. */
const OLDEST: readonly (readonly [name: string, given: OldModel, y: readonly number[]])[] = [
  [
    'a second operand aligned at an axis',
    {
      opset: 6,
      x: [2, 3, 2],
      initializer: [channel],
      nodes: [node('Mul', ['x', 'c'], ['y'], { attribute: [int('broadcast', 1), int('axis', 1)] })],
      becomes: ['Unsqueeze', 'Mul'],
    },
    [0, 0.5, -2, -3, 8, 10, 3, 3.5, -8, -9, 20, 22],
  ],
  ['an output that was asked for (RNN)', steps('RNN', 1), [0, Math.tanh(1)]],
  ['an output that was asked for (GRU)', steps('GRU', 3), [0, (1 - sigmoid(1)) * Math.tanh(1)]],
  ['an output that was asked for (LSTM)', steps('LSTM', 4), [0, sigmoid(1) * Math.tanh(sigmoid(1) * Math.tanh(1))]],
  [
    'a bias that is said to broadcast',
    {
      opset: 6,
      x: [1, 2],
      initializer: [tensorOf('w', [2, 2], [1, 2, 3, 4]), tensorOf('c', [2], [10, 20])],
      nodes: [node('Gemm', ['x', 'w', 'c'], ['y'], { attribute: [int('broadcast', 1)] })],
      becomes: ['Gemm'],
    },
    [13, 24],
  ],
  [
    'a power that is no integer by type (LpPool)',
    { opset: 1, x: [1, 1, 3], nodes: one('LpPool', float('p', 2), ints('kernel_shape', 2)), becomes: ['LpPool'] },
    [1, Math.sqrt(5)],
  ],
  [
    'a power that is no integer by type (GlobalLpPool)',
    { opset: 1, x: [1, 1, 3], nodes: one('GlobalLpPool', float('p', 2)), y: [1, 1, 1], becomes: ['GlobalLpPool'] },
    [Math.sqrt(5)],
  ],
  [
    'channels that are normalised together',
    {
      opset: 8,
      x: [1, 2, 1, 2],
      nodes: one('MeanVarianceNormalization', int('across_channels', 1), int('normalize_variance', 1)),
      becomes: ['MeanVarianceNormalization'],
    },
    [-1.5, -0.5, 0.5, 1.5].map((value) => value / Math.sqrt(1.25)),
  ],
  [
    'a second operand aligned at the end',
    {
      opset: 6,
      x: [2, 3],
      initializer: [channel],
      nodes: [node('Add', ['x', 'c'], ['y'], { attribute: [int('broadcast', 1)] })],
      becomes: ['Add'],
    },
    [0.5, 0, 4, 3.5, 3, 7],
  ],
  [
    'a slope for each channel',
    {
      opset: 6,
      x: [1, 3, 2],
      initializer: [channel],
      nodes: [node('Neg', ['x'], ['n']), node('PRelu', ['n', 'c'], ['y'])],
      becomes: ['Neg', 'Unsqueeze', 'PRelu'],
    },
    [0, -0.5, 2, 3, -8, -10],
  ],
  [
    'a type by its name',
    { opset: 1, x: [3], nodes: [node('Cast', ['x'], ['y'], { attribute: [text('to', 'INT32')] })], becomes: ['Cast'] },
    [0, 1, 2],
  ],
  [
    'the axis of a concatenation',
    { opset: 1, x: [2, 1], nodes: [node('Concat', ['x', 'x'], ['y'])], becomes: ['Concat'] },
    [0, 0, 1, 1],
  ],
  [
    'padding by its first name',
    { opset: 1, x: [2], nodes: one('Pad', ints('paddings', 1, 0)), becomes: ['Pad'] },
    [0, 0, 1],
  ],
  [
    'a shape as attribute',
    {
      opset: 1,
      x: [2, 2],
      nodes: [node('Reshape', ['x'], ['y'], { attribute: [ints('shape', 4)] })],
      becomes: ['Reshape'],
    },
    [0, 1, 2, 3],
  ],
  [
    'an axis to tile',
    {
      opset: 1,
      x: [2, 1],
      initializer: [tensorOf('t', [], [2]), tensorOf('a', [], [1])],
      nodes: [node('Tile', ['x', 't', 'a'], ['y'])],
      becomes: ['Tile'],
    },
    [0, 0, 1, 1],
  ],
  [
    'statistics said to be fixed, hints about buffers',
    {
      opset: 1,
      x: [1, 3],
      initializer: norm,
      nodes: [
        node('BatchNormalization', ['x', 'scale', 'bias', 'mean', 'variance'], ['y'], {
          attribute: [int('is_test', 1), float('epsilon', 0), ints('consumed_inputs', 0, 0, 0, 1, 1)],
        }),
      ],
      becomes: ['BatchNormalization'],
    },
    // (x - mean) / √variance · scale + bias, each parameter (i + 1, 0.5, 2) for i = 0 … 3
    [(0 - 3) / 2 + 2, ((1 - 0.5) / Math.SQRT1_2) * 0.5 + 0.5, ((2 - 2) / Math.SQRT2) * 2 + 2],
  ],
];

const MASK: OldModel = { opset: 7, x: [3], nodes: [node('Dropout', ['x'], ['z', 'y'])], becomes: [] };

/** The file; a runtime wants to be told the shape of `y`. */
const bytesOf = ({ opset, x, nodes, initializer = [], y }: OldModel, shape: Shape | undefined = y): Uint8Array =>
  model(
    {
      input: [info('x', x)],
      initializer: [...initializer],
      node: [...nodes],
      output: [shape ? info('y', shape) : { name: 'y' }],
    },
    { opsetImport: [{ domain: '', version: BigInt(opset) }], irVersion: 8n },
  );
const read = (old: OldModel): Promise<Graph> => readOnnx(memorySource(bytesOf(old), 'm.onnx'));
const ops = (graph: Graph): string[] => graph.nodes.map(({ op }) => op);

describe('operators of older sets', () => {
  it('have cases of every change', () => {
    const cases = [...Object.values(OLD), ...OLDEST.map(([, old]) => old), MASK];
    const given = cases.flatMap(({ opset, nodes }) => nodes.map(({ opType = '' }) => ({ opType, opset })));
    const changes = Object.entries({ ...arithmetic, ...movement, ...layers }).flatMap(([op, list]) =>
      list.map((change) => ({ op, change })),
    );
    // Some operators changed in the same way: one case is enough for all of them.
    const covered = new Set(
      changes
        .filter(({ op, change }) => given.some(({ opType, opset }) => opType === op && opset < change.since))
        .map(({ change }) => change),
    );
    const missing = changes.filter(({ change }) => !covered.has(change));
    expect(missing.map(({ op, change }) => `${op} before ${change.since}`)).toEqual([]);
  });

  it.each(Object.entries(OLD))('%s', async (_, old) => {
    const graph = await read(old);
    expect(graph.opsets).toEqual({ '': 21 });
    expect(ops(graph)).toEqual(old.becomes);
    const random = seededRandom(5);
    const x = tensor(
      'float32',
      old.x,
      Array.from({ length: sizeOf(old.x) }, () => random() * 4 - 2),
    );
    const expected = (await runBytes(bytesOf(old, graph.outputs.get('y')!.shape), { x }))['y']!;
    const { y } = await (old.y ? onRuntime(graph, { x }) : interpret(graph, { x }));
    expect(differenceOf(y!, expected, { absolute: 1e-6, relative: 1e-5 })).toBeUndefined();
  });

  it.each(OLDEST)('%s', async (_, old, y) => {
    const graph = await read(old);
    expect(ops(graph)).toEqual(old.becomes);
    const x = tensor(
      'float32',
      old.x,
      Array.from({ length: sizeOf(old.x) }, (_item, i) => i),
    );
    const result = (await (old.y ? onRuntime : interpret)(graph, { x }))['y']!;
    expect(Array.from(result.data, Number)).toEqual(y.map((value) => expect.closeTo(value, 5) as number));
  });

  it('a mask of the type of the data', async () => {
    const graph = await read(MASK);
    expect(ops(graph)).toEqual(['Dropout', 'Cast']);
    expect(graph.outputs.get('y')?.dtype).toBe('float32');
  });

  it.each<[string, OldModel, RegExp]>([
    [
      'statistics for each element',
      {
        opset: 7,
        x: [2, 3],
        initializer: norm,
        nodes: [
          node('BatchNormalization', ['x', 'scale', 'bias', 'mean', 'variance'], ['y'], {
            attribute: [int('spatial', 0)],
          }),
        ],
        becomes: [],
      },
      /BatchNormalization: statistics for each element .* cannot be expressed in operator set 21/,
    ],
    [
      'an unknown type',
      { opset: 1, x: [2], nodes: [node('Cast', ['x'], ['y'], { attribute: [text('to', 'DECIMAL')] })], becomes: [] },
      /the type "DECIMAL"/,
    ],
    [
      'a computed axis',
      { opset: 1, x: [2], nodes: [node('Tile', ['x', 'x', 'x'], ['y'])], becomes: [] },
      /an input 1 that is computed/,
    ],
  ])('that cannot be said now are refused: %s', async (_, old, message) => {
    await expect(read(old)).rejects.toThrow(
      expect.objectContaining({ code: 'ANNEAL_E_OP', message: expect.stringMatching(message) as string }),
    );
  });

  it('of a graph that code built become present ones too', async () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2, 3]);
    g.output('y', g.one('ReduceSum', [x], { attributes: { axes: { ints: [1] }, keepdims: { int: 0 } } }));
    const { graph } = canonicalize(g.build({ opsets: { '': 11 } }));
    expect(graph.opsets).toEqual({ '': 21 });
    expect(graph.nodes[0]?.inputs).toHaveLength(2);
    const { y } = await interpret(graph, { x: tensor('float32', [2, 3], [1, 2, 3, 4, 5, 6]) });
    expect(Array.from(y!.data, Number)).toEqual([6, 15]);
  });
});
