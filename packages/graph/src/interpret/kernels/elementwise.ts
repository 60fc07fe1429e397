import { DTYPES, type DType, isFloat } from '../../dtype.ts';
import { GraphError } from '../../error.ts';
import { encodeFloat, decodeFloat, isSmallFloat, roundHalfEven } from '../../float16.ts';
import type { elementwise as rules } from '../../infer/elementwise.ts';
import { attr } from '../../ir.ts';
import type { NdArray } from '../array.ts';
import { arg, type Call, type Kernel, map, outputDType, type Result, scalarArg, zip } from '../kernel.ts';
import { activations } from './activations.ts';
import { normalizations } from './normalization.ts';
import { onAxes } from './on-axes.ts';

function unary(f: (x: number) => number): Kernel {
  return (call) => map(arg(call, 0), f);
}

type Binary = (a: number, b: number, dtype: DType) => number;

function binary(f: Binary): Kernel {
  return (call) => {
    const [a, b] = [arg(call, 0), arg(call, 1)];
    return zip(call.node.op, [a, b], (x, y) => f(x, y, a.dtype));
  };
}

/** Folds any number of inputs from the left. */
function variadic(f: (a: number, b: number) => number): (call: Call) => Result {
  return (call) => {
    const first = arg(call, 0);
    let out: NdArray = first;
    for (let i = 1; i < call.inputs.length; i++) {
      out = { ...zip(call.node.op, [out, arg(call, i)], f), dtype: first.dtype };
    }
    return out;
  };
}

/** Bits of a 64-bit product or shift, which a double cannot hold. */
function wide(value: bigint, dtype: DType): number {
  const { bits, kind } = DTYPES[dtype];
  return Number(kind === 'uint' ? BigInt.asUintN(bits, value) : BigInt.asIntN(bits, value));
}

const multiply: Binary = (a, b, dtype) => {
  const product = a * b;
  if (isFloat(dtype) || Number.isSafeInteger(product)) return product;
  return wide(BigInt(a) * BigInt(b), dtype);
};

/** Integer division truncates; by zero it is undefined in ONNX and 0 here. */
const divide: Binary = (a, b, dtype) => {
  if (isFloat(dtype)) return a / b;
  return b === 0 ? 0 : Math.trunc(a / b);
};

/** `fmod: 1` has the sign of the dividend, as C; else the sign of the divisor, as Python. */
const mod: Kernel = (call) => {
  const asC = attr.int(call.node, 'fmod', 0) === 1;
  return zip('Mod', [arg(call, 0), arg(call, 1)], (a, b) => {
    const rest = a % b;
    return asC || rest === 0 || rest < 0 === b < 0 ? rest : rest + b;
  });
};

const power: Kernel = (call) => {
  const integers = !isFloat(arg(call, 0).dtype);
  return zip('Pow', [arg(call, 0), arg(call, 1)], (a, b) => {
    // ECMAScript calls 1 ** NaN and (±1) ** ±Infinity NaN, IEEE 754 and ONNX call them 1.
    if (a === 1 || (a === -1 && Math.abs(b) === Infinity)) return 1;
    return integers ? Math.trunc(a ** b) : a ** b;
  });
};

function bits(f: (a: bigint, b: bigint) => bigint): Kernel {
  return binary((a, b, dtype) => wide(f(BigInt(a), BigInt(b)), dtype));
}

const bitShift: Kernel = (call) => {
  const left = attr.string(call.node, 'direction', '') === 'LEFT';
  const shift = bits((a, b) => (left ? a << b : a >> b));
  return shift(call);
};

const where: Kernel = (call) =>
  zip('Where', [arg(call, 0), arg(call, 1), arg(call, 2)], (c, a, b) => (c !== 0 ? a : b));

/** To an integer a number is truncated; to an 8-bit float it saturates unless told otherwise. */
const cast: Kernel = (call) => {
  const x = arg(call, 0);
  const to = outputDType(call);
  if (isSmallFloat(to) && DTYPES[to].bits < 16) {
    const saturate = attr.int(call.node, 'saturate', 1) === 1;
    return map(x, (value) => decodeFloat(encodeFloat(value, to, saturate), to));
  }
  const narrow = !isFloat(to) && DTYPES[to].bits < 64;
  // The largest int64 is 2^63 as a double; its low bits are all ones.
  return narrow && x.dtype === 'int64' ? map(x, (value) => (value === 2 ** 63 ? -1 : value)) : map(x, (value) => value);
};

/** Inference: the identity, and a mask of ones. Training mode needs a generator, which a graph does not have. */
const dropout: Kernel = (call) => {
  const x = arg(call, 0);
  if (scalarArg(call, 2, 0) !== 0 && scalarArg(call, 1, 0.5) !== 0) {
    throw new GraphError('ANNEAL_E_OP', 'Dropout: training mode draws random numbers, the interpreter has none', {
      fix: 'multiply by a mask that is an input of the graph',
    });
  }
  return [x, { shape: x.shape, data: x.data.map(() => 1) }];
};

const isInf: Kernel = (call) => {
  const positive = attr.int(call.node, 'detect_positive', 1) === 1;
  const negative = attr.int(call.node, 'detect_negative', 1) === 1;
  return map(arg(call, 0), (x) => Number((positive && x === Infinity) || (negative && x === -Infinity)));
};

const mean: Kernel = (call) => {
  const sum = variadic((a, b) => a + b)(call);
  return { shape: sum.shape, data: sum.data.map((x) => x / call.inputs.length) };
};

const identity: Kernel = unary((x) => x);

export const elementwise: Record<keyof typeof rules, Kernel> = {
  ...activations,
  ...normalizations,
  ...onAxes,
  Abs: unary(Math.abs),
  Acos: unary(Math.acos),
  Acosh: unary(Math.acosh),
  Asin: unary(Math.asin),
  Asinh: unary(Math.asinh),
  Atan: unary(Math.atan),
  Atanh: unary(Math.atanh),
  Ceil: unary(Math.ceil),
  Cos: unary(Math.cos),
  Cosh: unary(Math.cosh),
  Exp: unary(Math.exp),
  Floor: unary(Math.floor),
  Identity: identity,
  'anneal.StopGradient': identity,
  'anneal.WithGradient': identity,
  Log: unary(Math.log),
  Neg: unary((x) => -x),
  Reciprocal: unary((x) => 1 / x),
  Round: unary(roundHalfEven),
  Sign: unary(Math.sign),
  Sin: unary(Math.sin),
  Sinh: unary(Math.sinh),
  Sqrt: unary(Math.sqrt),
  Tan: unary(Math.tan),
  Tanh: unary(Math.tanh),
  Not: unary((x) => Number(x === 0)),
  BitwiseNot: unary((x) => -x - 1),
  IsNaN: unary((x) => Number(Number.isNaN(x))),
  IsInf: isInf,
  Add: binary((a, b) => a + b),
  Sub: binary((a, b) => a - b),
  Mul: binary(multiply),
  Div: binary(divide),
  Mod: mod,
  Pow: power,
  Max: variadic((a, b) => Math.max(a, b)),
  Min: variadic((a, b) => Math.min(a, b)),
  Sum: variadic((a, b) => a + b),
  Mean: mean,
  And: binary((a, b) => Number(a !== 0 && b !== 0)),
  Or: binary((a, b) => Number(a !== 0 || b !== 0)),
  Xor: binary((a, b) => Number((a !== 0) !== (b !== 0))),
  BitwiseAnd: bits((a, b) => a & b),
  BitwiseOr: bits((a, b) => a | b),
  BitwiseXor: bits((a, b) => a ^ b),
  BitShift: bitShift,
  Equal: binary((a, b) => Number(a === b)),
  Greater: binary((a, b) => Number(a > b)),
  GreaterOrEqual: binary((a, b) => Number(a >= b)),
  Less: binary((a, b) => Number(a < b)),
  LessOrEqual: binary((a, b) => Number(a <= b)),
  Where: where,
  Cast: cast,
  Dropout: dropout,
};
