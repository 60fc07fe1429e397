import type { Attributes, Value } from '../../src/ir.ts';
import { tensor } from '../../src/tensor.ts';
import type { Case } from './harness.ts';

type Range = { axis: number; start: number; end: number; step?: number };

const slice = (name: string, ranges: readonly Range[]): Case => ({
  name: `Slice ${name}`,
  inputs: { x: [5, 4, 3] },
  build: (g, { x }) => g.ops.slice(x as Value, ranges),
});

const gather = (name: string, axis: number, shape: readonly number[], indices: readonly number[]): Case => ({
  name: `Gather ${name}`,
  inputs: { x: [4, 3, 2] },
  build: (g, { x }) => g.ops.take(x as Value, g.constant(tensor('int64', shape, indices)), { axis }),
});

const pad = (mode: string, pads: readonly number[], axes?: readonly number[]): Case => ({
  name: `Pad ${mode} [${pads}]${axes === undefined ? '' : ` axes [${axes}]`}`,
  inputs: { x: [3, 4] },
  build: (g, { x }) =>
    g.one('Pad', [x, g.ints(pads), mode === 'constant' ? g.scalar(0.5, 'float64') : undefined, axes && g.ints(axes)], {
      attributes: { mode: { string: mode } },
    }),
});

const scatter = (reduction: string): Case => ({
  name: `ScatterElements ${reduction}`,
  inputs: { x: [4, 3], u: [2, 3] },
  build: (g, { x, u }) =>
    g.one('ScatterElements', [x, g.constant(tensor('int64', [2, 3], [0, 3, 1, 2, -4, 3])), u], {
      attributes: { axis: { int: 0 }, reduction: { string: reduction } },
    }),
});

const scatterND = (reduction: string): Case => ({
  name: `ScatterND ${reduction}`,
  inputs: { x: [4, 3], u: [2, 3] },
  build: (g, { x, u }) =>
    g.one('ScatterND', [x, g.constant(tensor('int64', [2, 1], [3, 1])), u], {
      attributes: { reduction: { string: reduction } },
    }),
});

const cumSum = (exclusive: number, reverse: number): Case => ({
  name: `CumSum exclusive ${exclusive} reverse ${reverse}`,
  inputs: { x: [2, 5] },
  build: (g, { x }) =>
    g.one('CumSum', [x, g.scalar(1, 'int64')], {
      attributes: { exclusive: { int: exclusive }, reverse: { int: reverse } },
    }),
});

const topK = (attributes: Attributes): Case => ({
  name: `TopK ${JSON.stringify(attributes)}`,
  inputs: { x: [3, 5] },
  build: (g, { x }) => g.node('TopK', [x, g.ints([2])], { outputs: 2, attributes })[0] as Value,
});

export const movementCases: readonly Case[] = [
  { name: 'Reshape', inputs: { x: [2, 3, 4] }, build: (g, { x }) => g.ops.reshape(x as Value, [4, -1]) },
  { name: 'Flatten', inputs: { x: [2, 3, 4] }, build: (g, { x }) => g.one('Flatten', [x]) },
  { name: 'Squeeze', inputs: { x: [2, 1, 4, 1] }, build: (g, { x }) => g.ops.squeeze(x as Value, [1, -1]) },
  { name: 'Unsqueeze', inputs: { x: [2, 4] }, build: (g, { x }) => g.ops.expandDims(x as Value, [0, -1]) },
  { name: 'Transpose', inputs: { x: [2, 3, 4, 2] }, build: (g, { x }) => g.ops.transpose(x as Value, [2, 0, 3, 1]) },
  { name: 'Transpose, reversed', inputs: { x: [2, 3, 4] }, build: (g, { x }) => g.one('Transpose', [x]) },
  { name: 'Expand', inputs: { x: [3, 1] }, build: (g, { x }) => g.ops.broadcastTo(x as Value, [2, 3, 4]) },
  {
    name: 'Expand by a smaller shape',
    inputs: { x: [3, 2] },
    build: (g, { x }) => g.one('Expand', [x, g.ints([1, 1])]),
  },
  { name: 'Expand a scalar', inputs: { x: [] }, build: (g, { x }) => g.ops.broadcastTo(x as Value, [2, 3]) },
  { name: 'Tile', inputs: { x: [2, 3] }, build: (g, { x }) => g.ops.tile(x as Value, [3, 2]) },
  {
    name: 'Concat',
    inputs: { a: [2, 3], b: [2, 1], c: [2, 2] },
    build: (g, { a, b, c }) => g.ops.concat([a, b, c] as Value[], { axis: -1 }),
  },
  {
    name: 'Concat with constants',
    inputs: { a: [2, 3] },
    build: (g, { a }) =>
      g.ops.concat([g.ops.zeros([2, 3], 'float64'), a as Value, g.ops.ones([1, 3], 'float64')], { axis: 0 }),
  },
  {
    name: 'Split, all parts',
    inputs: { x: [2, 6] },
    build: (g, { x }) => {
      const [a, b, c] = g.ops.split(x as Value, [1, 2, 3], { axis: 1 }) as [Value, Value, Value];
      return g.ops.concat([g.ops.exp(c), g.ops.sin(a), b], { axis: 1 });
    },
  },
  {
    name: 'Split, one part',
    inputs: { x: [2, 6] },
    build: (g, { x }) => g.ops.exp(g.ops.split(x as Value, [1, 2, 3], { axis: 1 })[1] as Value),
  },
  {
    name: 'Split, two of three parts',
    inputs: { x: [6] },
    build: (g, { x }) => {
      const [a, , c] = g.node('Split', [x], { outputs: 3, attributes: { num_outputs: { int: 3 } } }) as Value[];
      return g.ops.mul(a as Value, c as Value);
    },
  },
  slice('one axis', [{ axis: 1, start: 1, end: 3 }]),
  slice('to the end', [{ axis: 0, start: -3, end: 2 ** 40 }]),
  slice('all of it', [{ axis: 0, start: 0, end: 5 }]),
  slice('two axes', [
    { axis: 0, start: 1, end: -1 },
    { axis: -1, start: 0, end: 2 },
  ]),
  slice('a step', [{ axis: 0, start: 1, end: 5, step: 2 }]),
  slice('a step that ends inside', [{ axis: 0, start: 0, end: 4, step: 3 }]),
  slice('backwards', [{ axis: 1, start: -1, end: -100, step: -1 }]),
  slice('backwards with a step', [
    { axis: 0, start: 4, end: 0, step: -2 },
    { axis: 2, start: 0, end: 1 },
  ]),
  pad('constant', [1, 0, 0, 2]),
  pad('constant', [-1, 1, 0, -2]),
  pad('constant', [2, 1], [-1]),
  pad('reflect', [1, 2, 2, 3]),
  pad('edge', [1, 2, 0, 3]),
  pad('wrap', [2, 1, 1, 3]),
  gather('rows, some twice', 0, [2, 3], [0, 3, 1, 1, 1, 0]),
  gather('negative indices', 0, [3], [-1, -4, 3]),
  gather('an inner axis', 1, [2, 2], [0, 2, 2, 1]),
  gather('a scalar index', 1, [], [-1]),
  gather('a single index', 2, [1], [0]),
  {
    name: 'GatherElements',
    inputs: { x: [3, 3] },
    build: (g, { x }) =>
      g.ops.takeAlongAxis(x as Value, g.constant(tensor('int64', [2, 3], [0, 1, -1, 0, 2, 1])), { axis: 0 }),
  },
  {
    name: 'GatherND',
    inputs: { x: [2, 3, 2] },
    build: (g, { x }) => g.one('GatherND', [x, g.constant(tensor('int64', [3, 2], [0, 1, 1, -1, 0, 1]))]),
  },
  {
    name: 'GatherND, batched',
    inputs: { x: [2, 3, 2] },
    build: (g, { x }) =>
      g.one('GatherND', [x, g.constant(tensor('int64', [2, 2, 1], [0, 2, 1, 1]))], {
        attributes: { batch_dims: { int: 1 } },
      }),
  },
  scatter('none'),
  scatter('add'),
  scatterND('none'),
  scatterND('add'),
  ...[0, 1].flatMap((upper): Case[] => [
    {
      name: `Trilu upper ${upper}`,
      inputs: { x: [2, 3, 4] },
      build: (g, { x }) => (upper === 1 ? g.ops.triu(x as Value, { k: 1 }) : g.ops.tril(x as Value)),
    },
  ]),
  cumSum(0, 0),
  cumSum(1, 0),
  cumSum(0, 1),
  cumSum(1, 1),
  topK({}),
  topK({ axis: { int: 1 }, largest: { int: 0 } }),
];
