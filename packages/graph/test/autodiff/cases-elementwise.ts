import type { Attributes, Value } from '../../src/ir.ts';
import { tensor } from '../../src/tensor.ts';
import type { Case, InputSpec } from './harness.ts';

/** One operator with one input. */
function unary(
  op: string,
  input: InputSpec = [3, 5],
  options: { attributes?: Attributes; domain?: string; name?: string } = {},
): Case {
  const { attributes = {}, domain = '', name = op } = options;
  return {
    name,
    inputs: { x: input },
    build: (g, { x }) => g.one(op, [x], { attributes, domain }),
  };
}

/** One operator with two inputs, over shapes that broadcast in every way. */
function binary(op: string, low: number = -2, high: number = 2): Case[] {
  const shapes: [number[], number[]][] = [
    [
      [2, 3],
      [2, 3],
    ],
    [[2, 3], [3]],
    [[2, 3], []],
    [
      [2, 1, 3],
      [4, 1],
    ],
    [[1], [2, 2]],
    [
      [1, 3],
      [2, 1, 1],
    ],
  ];
  return shapes.map(([a, b]) => ({
    name: `${op} [${a}] [${b}]`,
    inputs: { a: { shape: a, low, high }, b: { shape: b, low, high } },
    build: (g, { a: left, b: right }) => g.one(op, [left, right]),
  }));
}

const within = (low: number, high: number): InputSpec => ({ shape: [3, 4], low, high });
const alpha = (value: number): Attributes => ({ alpha: { float: value } });

const SMOOTH = [
  'Atan',
  'Cos',
  'Exp',
  'Neg',
  'Sigmoid',
  'Softplus',
  'Tanh',
  'Gelu',
  'Mish',
  'Selu',
  'Relu',
  'HardSwish',
];
const SHAPES: readonly (readonly number[])[] = [[], [1], [2, 1, 3], [0, 2]];

export const elementwiseCases: readonly Case[] = [
  ...SMOOTH.flatMap((op) => SHAPES.map((shape) => unary(op, shape, { name: `${op} [${shape}]` }))),
  ...['Abs', 'Atan', 'Asinh', 'Cos', 'Cosh', 'Erf', 'Exp', 'Identity', 'Neg', 'Sin', 'Sinh'].map((op) => unary(op)),
  ...['Relu', 'Sigmoid', 'Softplus', 'Softsign', 'Tanh', 'Gelu', 'Mish', 'HardSwish', 'Selu'].map((op) => unary(op)),
  unary('Acos', within(-0.9, 0.9)),
  unary('Asin', within(-0.9, 0.9)),
  unary('Atanh', within(-0.9, 0.9)),
  unary('Acosh', within(1.1, 4)),
  unary('Tan', within(-1, 1)),
  unary('Log', within(0.1, 3)),
  unary('Sqrt', within(0.1, 3)),
  unary('Reciprocal', within(0.2, 2)),
  unary('Reciprocal', within(-2, -0.2), { name: 'Reciprocal of negatives' }),
  unary('Celu', [3, 5], { attributes: alpha(1.4) }),
  unary('Elu', [3, 5], { attributes: alpha(0.6) }),
  unary('LeakyRelu', [3, 5], { attributes: alpha(0.2) }),
  unary('ThresholdedRelu', [3, 5], { attributes: alpha(0.3) }),
  unary('Swish', [3, 5], { attributes: alpha(1.5) }),
  unary('HardSigmoid', [3, 5], { attributes: { alpha: { float: 0.3 }, beta: { float: 0.4 } } }),
  unary('Shrink', [3, 5], { attributes: { lambd: { float: 0.4 }, bias: { float: 0.1 } } }),
  unary('Gelu', [40], { attributes: { approximate: { string: 'tanh' } }, name: 'Gelu tanh' }),
  unary('Gelu', { shape: [6], data: [-9, -3, -1e-3, 0, 3, 9] }, { name: 'Gelu far out' }),
  unary('Gelu', [3, 5], { domain: 'com.microsoft', name: 'com.microsoft.Gelu' }),
  unary('QuickGelu', [3, 5], { domain: 'com.microsoft', attributes: alpha(1.702) }),
  unary('QuickGelu', [3, 5], { domain: 'com.microsoft', attributes: alpha(1), name: 'QuickGelu as SiLU' }),
  unary('FastGelu', [3, 5], { domain: 'com.microsoft' }),
  {
    name: 'FastGelu with a bias',
    inputs: { x: [2, 3, 4], b: [4] },
    build: (g, { x, b }) => g.one('FastGelu', [x, b], { domain: 'com.microsoft' }),
  },
  {
    name: 'BiasGelu',
    inputs: { x: [2, 3, 4], b: [4] },
    build: (g, { x, b }) => g.one('BiasGelu', [x, b], { domain: 'com.microsoft' }),
  },
  {
    name: 'PRelu per channel',
    inputs: { x: [2, 3, 4], slope: [3, 1] },
    build: (g, { x, slope }) => g.one('PRelu', [x, slope]),
  },

  ...['Add', 'Sub', 'Mul', 'Max', 'Min', 'Sum', 'Mean'].flatMap((op) => binary(op)),
  ...binary('Div', 0.5, 2),
  ...binary('Pow', 0.3, 2),
  ...['Sum', 'Mean', 'Max', 'Min'].map((op): Case => ({
    name: `${op} of three`,
    inputs: { a: [2, 3], b: [3], c: [2, 1] },
    build: (g, { a, b, c }) => g.one(op, [a, b, c]),
  })),
  ...['Sum', 'Mean', 'Max'].map((op): Case => ({
    name: `${op} of one`,
    inputs: { a: [2, 3] },
    build: (g, { a }) => g.one(op, [a]),
  })),
  { name: 'a square', inputs: { x: [5] }, build: (g, { x }) => g.ops.mul(x as Value, x as Value) },
  { name: 'a quotient with itself', inputs: { x: within(0.5, 2) }, build: (g, { x }) => g.one('Div', [x, x]) },
  ...[0, 1, 2, 3, -1, 0.5, 2.5].map((exponent): Case => ({
    name: `Pow ${exponent}`,
    inputs: { x: within(0.3, 2) },
    build: (g, { x }) => g.ops.pow(x as Value, exponent),
  })),
  {
    name: 'Pow of negatives to a constant',
    inputs: { x: within(-2, -0.5) },
    build: (g, { x }) => g.ops.pow(x as Value, 3),
  },
  {
    name: 'Pow with an exponent of another dtype',
    inputs: { x: within(0.5, 2) },
    build: (g, { x }) => g.one('Pow', [x, g.constant(tensor('float32', [4], [0.5, 1, 2, 0]))]),
  },
  {
    name: 'Where with a broadcast condition',
    inputs: { a: [2, 3], b: [3] },
    build: (g, { a, b }) => g.one('Where', [g.constant(tensor('bool', [4, 1, 1], [1, 0, 0, 1])), a, b]),
  },
  {
    name: 'Clip',
    inputs: { x: [4, 4], low: { shape: [], data: [-0.7] }, high: { shape: [], data: [0.6] } },
    build: (g, { x, low, high }) => g.one('Clip', [x, low, high]),
  },
  { name: 'Clip below', inputs: { x: [9] }, build: (g, { x }) => g.ops.clip(x as Value, { min: 0.1 }) },
  { name: 'Clip above', inputs: { x: [9] }, build: (g, { x }) => g.ops.clip(x as Value, { max: 0.1 }) },
  {
    name: 'Cast to another float and back',
    inputs: { x: [5] },
    build: (g, { x }) => g.ops.cast(g.ops.mul(g.ops.cast(x as Value, 'float32'), 3), 'float64'),
  },
  {
    name: 'Dropout while it does nothing',
    inputs: { x: [5] },
    build: (g, { x }) => g.ops.dropout(x as Value, { rate: 0.5 }),
  },
  {
    name: 'SiLU',
    inputs: { x: [5] },
    build: (g, { x }) => g.ops.silu(x as Value),
  },
];
