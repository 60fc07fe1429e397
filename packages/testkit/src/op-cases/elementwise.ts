import type { DType } from '@anneal/graph';
import { attributes, type CaseSpec, type CaseTable, constant, EDGES, given, of, random, SPECIALS } from './spec.ts';

/** For most functions float64 has no kernel in any runtime, so that only the common ones ask for it. */
const HALF: readonly DType[] = ['float16'];
export const HALF_AND_DOUBLE: readonly DType[] = ['float16', 'float64'];

/** A function of one tensor: numbers of its domain, edges, infinities, a scalar and nothing at all. */
export function unary(low: number, high: number, dtypes: readonly DType[] = HALF, opset?: number): CaseSpec[] {
  const rest = { opset };
  const inside = EDGES.filter((v) => v >= low && v <= high);
  return [
    of('random', [random([3, 5], low, high)], rest),
    of('edges', [given(inside)], rest),
    of('infinities and NaN', [given(SPECIALS)], rest),
    of('scalar', [random([], low, high)], rest),
    of('nothing', [random([0, 3], low, high)], rest),
    ...dtypes.map((dtype) => of(dtype, [random([4], low, high, dtype)], rest)),
  ];
}

function integers(...dtypes: DType[]): CaseSpec[] {
  return dtypes.map((dtype) => of(dtype, [random([6], dtype.startsWith('u') ? 0 : -9, 9, dtype)]));
}

const SHAPES: readonly (readonly [string, readonly number[], readonly number[]])[] = [
  ['equal shapes', [2, 3], [2, 3]],
  ['a row', [2, 3], [3]],
  ['a column', [2, 3], [2, 1]],
  ['both ways', [2, 1, 3], [4, 1]],
  ['a scalar', [], [2, 2]],
  ['nothing', [0, 3], [1, 3]],
];

/** Pairs whose result is special. */
const LEFT: readonly number[] = [0, -0, 1, -1, Infinity, -Infinity, Number.NaN, 2, Infinity, -5.5];
const RIGHT: readonly number[] = [-0, 0, 0, 0, 1, Infinity, 1, Number.NaN, -Infinity, 2];

function binary(low: number, high: number, ...dtypes: DType[]): CaseSpec[] {
  return [
    ...SHAPES.map(([label, a, b]) => of(label, [random(a, low, high), random(b, low, high)])),
    of('infinities and NaN', [given(LEFT), given(RIGHT)]),
    ...dtypes.map((dtype) => {
      const least = dtype.startsWith('u') ? 1 : -9;
      return of(dtype, [random([5], least, 9, dtype), random([5], Math.max(1, least), 9, dtype)]);
    }),
  ];
}

/** Integers that a float32 does not hold, and the ends of the type. */
const LARGE: readonly number[] = [2 ** 24 + 1, -(2 ** 24) - 1, 2 ** 30 + 1, 2 ** 31 - 1, -(2 ** 31)];

const large = (b: readonly number[] = LARGE.toReversed()): CaseSpec =>
  of('large integers', [given(LARGE, [LARGE.length], 'int32'), given(b, [b.length], 'int32')]);

/** More axes than a kernel may have. */
const seven: CaseSpec = of('seven axes', [random([2, 1, 2, 1, 2, 1, 2]), random([1, 2, 1, 3, 1, 2, 1])]);

function comparison(): CaseSpec[] {
  const ties = [1, 2, 2, -0, Number.NaN, Infinity];
  return [
    ...binary(-2, 2, 'int32', 'int64', 'float16', 'float64'),
    of('ties', [given(ties), given([1, 1, 3, 0, Number.NaN, Infinity])]),
    large([2 ** 24, -(2 ** 24), 2 ** 30, 2 ** 31 - 1, 2 ** 31 - 1]),
  ];
}

const TRUTH = [0, 0, 1, 1];
const OTHER = [0, 1, 0, 1];

function logical(): CaseSpec[] {
  return [
    of('truth table', [given(TRUTH, [4], 'bool'), given(OTHER, [4], 'bool')]),
    of('broadcast', [given([1, 0], [2, 1], 'bool'), given([1, 0, 1], [3], 'bool')]),
  ];
}

function bitwise(): CaseSpec[] {
  const dtypes: readonly DType[] = ['int32', 'uint8', 'int64', 'uint64'];
  return dtypes.map((dtype) => of(dtype, [random([6], 0, 100, dtype), random([6], 0, 100, dtype)]));
}

function variadic(): CaseSpec[] {
  return [
    of('one', [random([3])]),
    of('three, broadcast', [random([2, 3]), random([3]), random([2, 1])]),
    of('infinities and NaN', [given(LEFT), given(RIGHT)]),
    of('nothing', [random([0]), random([1])]),
  ];
}

/** `Max` and `Min` are for integers too. */
function extreme(): CaseSpec[] {
  const dtypes: readonly DType[] = ['int32', 'int64', 'uint8', 'float16', 'float64'];
  return [
    ...variadic(),
    ...dtypes.map((dtype) => of(dtype, [random([5], 0, 9, dtype), random([5], 0, 9, dtype)])),
    large(),
  ];
}

const to = (dtype: number): Pick<CaseSpec, 'attributes'> => ({ attributes: attributes({ to: dtype }) });

/** `TensorProto.DataType` numbers. */
const CODE = { float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7, bool: 9, float16: 10, float64: 11, bfloat16: 16 };

const casts: readonly CaseSpec[] = [
  of('float32 to int32 truncates', [given([1.9, -1.9, 0.5, -0.5, 100])], to(CODE.int32)),
  of('float32 to int64', [given([1.9, -1.9, 2 ** 40])], to(CODE.int64)),
  of('float32 to uint8', [given([1.9, 255, 3.2])], to(CODE.uint8)),
  of('float32 to bool', [given([0, -0, 0.1, -3, Number.NaN])], to(CODE.bool)),
  of('float32 to float16', [given([1.0009765625, 65504, 70000, 1e-7, 6e-8, 2e-8, Number.NaN, -0])], to(CODE.float16)),
  of('float32 to float64', [random([5])], to(CODE.float64)),
  of('float64 to float32', [given([0.1, 1e300, 1e-50], [3], 'float64')], to(CODE.float32)),
  of('float32 to bfloat16', [given([1.00390625, 1.01171875, 3.1415926, -1e30, Number.NaN])], to(CODE.bfloat16)),
  of('bool to float32', [given([1, 0], [2], 'bool')], to(CODE.float32)),
  of('bool to int64', [given([1, 0], [2], 'bool')], to(CODE.int64)),
  of('int32 to bool', [given([256, 0, -1, 2 ** 24], [4], 'int32')], to(CODE.bool)),
  of('int32 to int64', [given(LARGE, [LARGE.length], 'int32')], to(CODE.int64)),
  of('int64 to int32 wraps', [given([2 ** 31, 2 ** 32 + 5, -1], [3], 'int64')], to(CODE.int32)),
  of('int32 to int8 wraps', [given([127, 128, -129, 300], [4], 'int32')], to(CODE.int8)),
  of('int32 to uint8 wraps', [given([-1, 256, 255], [3], 'int32')], to(CODE.uint8)),
  of('int64 to float32', [given([2 ** 24 + 1, -3], [2], 'int64')], to(CODE.float32)),
  of('float16 to int32', [given([1.5, -2.5], [2], 'float16')], to(CODE.int32)),
  of('to float8e4m3fn', [given([0.1, 17, 18, 448, 465, 1000, -0.001, Number.NaN])], to(17)),
  of('to float8e4m3fn without saturation', [given([448, 464, 465, 1000, -1000])], {
    attributes: attributes({ to: 17, saturate: 0 }),
  }),
  of('to float8e5m2', [given([0.1, 17, 57344, 61440, 1e6, -1e-6, Infinity])], to(19)),
  of('to int4', [given([7, -8, 3], [3], 'int32')], to(22)),
  of('nothing', [random([2, 0])], to(CODE.int64)),
];

const intPairs = (a: number[], b: number[], dtype: DType): CaseSpec['inputs'] => [
  given(a, [a.length], dtype),
  given(b, [b.length], dtype),
];

export const elementwise: CaseTable<
  | 'Abs'
  | 'Acos'
  | 'Acosh'
  | 'Asin'
  | 'Asinh'
  | 'Atan'
  | 'Atanh'
  | 'Ceil'
  | 'Cos'
  | 'Cosh'
  | 'Exp'
  | 'Floor'
  | 'Identity'
  | 'anneal.StopGradient'
  | 'anneal.WithGradient'
  | 'Log'
  | 'Neg'
  | 'Reciprocal'
  | 'Round'
  | 'Sign'
  | 'Sin'
  | 'Sinh'
  | 'Sqrt'
  | 'Tan'
  | 'Tanh'
  | 'Not'
  | 'BitwiseNot'
  | 'IsNaN'
  | 'IsInf'
  | 'Add'
  | 'Sub'
  | 'Mul'
  | 'Div'
  | 'Mod'
  | 'Pow'
  | 'Max'
  | 'Min'
  | 'Sum'
  | 'Mean'
  | 'And'
  | 'Or'
  | 'Xor'
  | 'BitwiseAnd'
  | 'BitwiseOr'
  | 'BitwiseXor'
  | 'BitShift'
  | 'Equal'
  | 'Greater'
  | 'GreaterOrEqual'
  | 'Less'
  | 'LessOrEqual'
  | 'Where'
  | 'Cast'
  | 'Dropout'
> = {
  Abs: [
    ...unary(-100, 100, HALF_AND_DOUBLE),
    ...integers('int32', 'int64', 'int8'),
    of('large integers', [given(LARGE.slice(0, 4), [4], 'int32')]),
  ],
  Acos: unary(-1, 1),
  Acosh: unary(1, 20),
  Asin: unary(-1, 1),
  Asinh: unary(-20, 20),
  Atan: unary(-20, 20),
  Atanh: unary(-0.95, 0.95),
  Ceil: unary(-100, 100, HALF_AND_DOUBLE),
  Cos: unary(-20, 20, HALF_AND_DOUBLE),
  Cosh: unary(-5, 5),
  Exp: unary(-20, 20, HALF_AND_DOUBLE),
  Floor: unary(-100, 100, HALF_AND_DOUBLE),
  Identity: [...unary(-100, 100, HALF_AND_DOUBLE), ...integers('int64', 'uint8')],
  'anneal.StopGradient': [of('random', [random([3, 2])])],
  'anneal.WithGradient': [of('a scalar', [random([]), random([3, 2]), random([3, 2])])],
  Log: unary(0, 100, HALF_AND_DOUBLE),
  Neg: [
    ...unary(-100, 100, HALF_AND_DOUBLE),
    ...integers('int32', 'int64', 'int8'),
    of('large integers', [given(LARGE.slice(0, 4), [4], 'int32')]),
  ],
  Reciprocal: unary(-100, 100, HALF_AND_DOUBLE),
  Round: [...unary(-100, 100, HALF_AND_DOUBLE), of('ties', [given([0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.49999997])])],
  Sign: [...unary(-100, 100, HALF_AND_DOUBLE), ...integers('int32', 'int64', 'uint8')],
  Sin: unary(-20, 20, HALF_AND_DOUBLE),
  Sinh: unary(-5, 5),
  Sqrt: unary(0, 100, HALF_AND_DOUBLE),
  Tan: unary(-1.5, 1.5),
  Tanh: unary(-20, 20, HALF_AND_DOUBLE),
  Not: [of('both', [given([0, 1, 1], [3], 'bool')])],
  BitwiseNot: integers('int32', 'uint8', 'int64'),
  IsNaN: [of('all kinds', [given([0, 1, ...SPECIALS])])],
  IsInf: [
    of('all kinds', [given([0, 1, ...SPECIALS])]),
    of('positive only', [given(SPECIALS)], { attributes: attributes({ detect_negative: 0 }) }),
    of('negative only', [given(SPECIALS)], { attributes: attributes({ detect_positive: 0 }) }),
  ],
  Add: [...binary(-2, 2, 'int32', 'int64', 'float16', 'float64', 'uint8'), large(), seven],
  Sub: [...binary(-2, 2, 'int32', 'int64', 'float16', 'float64', 'uint8'), large([1, -1, 2 ** 24, 5, -5])],
  Mul: [
    ...binary(-2, 2, 'int32', 'int64', 'float16', 'float64', 'uint8'),
    of('int32 wraps', intPairs([2 ** 30, 123456789, -(2 ** 31)], [7, 987654321, 3], 'int32')),
  ],
  Div: [
    ...binary(0.5, 2, 'int32', 'int64', 'float16', 'float64', 'uint8'),
    of('integers truncate', intPairs([7, -7, 7, -7, 6], [2, 2, -2, -2, 3], 'int32')),
    large([1, 3, -7, 2, 2]),
  ],
  Mod: [
    of('sign of the divisor', intPairs([7, -7, 7, -7, 6], [3, 3, -3, -3, 3], 'int64')),
    of('fmod of integers', intPairs([7, -7, 7, -7, 6], [3, 3, -3, -3, 3], 'int32'), {
      attributes: attributes({ fmod: 1 }),
    }),
    of('fmod of floats', [given([7.5, -7.5, 1, -4.25]), given([2, 2, Infinity, -2])], {
      attributes: attributes({ fmod: 1 }),
    }),
    of('broadcast', [random([2, 3], 0, 20, 'int64'), given([4], [1], 'int64')]),
  ],
  Pow: [
    of('positive base', [random([2, 3], 0.1, 3), random([3], -2, 2)]),
    of('square', [random([5]), constant([2], [], 'float32')]),
    of('cube', [random([5]), constant([3], [], 'float32')]),
    of('half', [random([5], 0, 4), constant([0.5], [], 'float32')]),
    of('special', [
      given([0, 0, 0, 1, -1, -8, 2, Infinity, -Infinity, Number.NaN]),
      given([0, 1, -1, Number.NaN, Infinity, 1 / 3, -Infinity, -1, 3, 0]),
    ]),
    of('integers', intPairs([2, -3, 5], [5, 3, 0], 'int32')),
    of('integer to a float', [given([4, 9], [2], 'int32'), given([0.5, 1.5])]),
    of('float to an integer', [given([1.5, -2]), given([3, 2], [2], 'int64')]),
  ],
  Max: extreme(),
  Min: extreme(),
  Sum: variadic(),
  Mean: variadic(),
  And: logical(),
  Or: logical(),
  Xor: logical(),
  BitwiseAnd: bitwise(),
  BitwiseOr: bitwise(),
  BitwiseXor: bitwise(),
  BitShift: [
    of('left', intPairs([1, 2, 255], [3, 0, 7], 'uint8'), { attributes: attributes({ direction: 'LEFT' }) }),
    of('right', intPairs([16, 2, 255], [3, 0, 7], 'uint32'), { attributes: attributes({ direction: 'RIGHT' }) }),
    of('64 bits', intPairs([1, 3], [40, 33], 'uint64'), { attributes: attributes({ direction: 'LEFT' }) }),
  ],
  Equal: [...comparison(), of('bool', [given(TRUTH, [4], 'bool'), given(OTHER, [4], 'bool')])],
  Greater: comparison(),
  GreaterOrEqual: comparison(),
  Less: comparison(),
  LessOrEqual: comparison(),
  Where: [
    of('equal shapes', [given([1, 0, 1, 0], [2, 2], 'bool'), random([2, 2]), random([2, 2])]),
    of('broadcast', [given([1, 0], [2, 1], 'bool'), random([3]), random([])]),
    of('takes no part in what it drops', [given([1, 0], [2], 'bool'), given([1, Number.NaN]), given([Infinity, 2])]),
    of('int64', [given([1, 0], [2], 'bool'), random([2], -9, 9, 'int64'), random([2], -9, 9, 'int64')]),
    of('large integers', [
      given([1, 0], [2], 'bool'),
      given([2 ** 24 + 1, 0], [2], 'int32'),
      given([0, -(2 ** 31)], [2], 'int32'),
    ]),
    of('bool', [given([1, 0], [2], 'bool'), given([1, 1], [2], 'bool'), given([0, 0], [2], 'bool')]),
    of('a scalar condition', [given([0], [], 'bool'), random([2, 3]), random([3])]),
    of('seven axes', [
      given([1, 0], [2, 1, 1, 1, 1, 1, 1], 'bool'),
      random([1, 2, 1, 2, 1, 2, 1]),
      random([2, 1, 2, 1, 2, 1, 2]),
    ]),
    of('nothing', [given([], [0], 'bool'), random([0]), random([1])]),
  ],
  Cast: casts,
  Dropout: [of('inference', [random([2, 3]), constant([0.3], [], 'float32')], { outputs: 2 })],
};
