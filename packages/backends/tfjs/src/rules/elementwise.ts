import { attr, type DType, dtypeFromOnnx, isFloat } from '@anneal/graph';
import type { Elements, Kernels, Tensor } from '../device/kernels.ts';
import { heldAs } from '../device/types.ts';
import { add, binary, cast, div, fill, integers, mul, sub, unary, where } from './calc.ts';
import { arg, constantScalar, outputSlot, type Rule } from './rule.ts';
import { wrapped } from './wrap.ts';

type Function1 = (k: Kernels, x: Tensor) => Tensor;
type Function2 = (k: Kernels, a: Tensor, b: Tensor) => Tensor;

/** A kernel of one tensor. Integers that it does not take go through floats, which hold those that matter. */
const kernel1 = (name: string): Rule => of1((k, x) => unary(k, name, x));

function of1(f: Function1): Rule {
  return () => (call) => f(call.k, arg(call, 0));
}

/** Integers of fewer than 32 bits wrap around. */
function of2(f: Function2): Rule {
  return (step) => {
    const { dtype } = outputSlot(step);
    return (call) => wrapped(call.k, f(call.k, arg(call, 0), arg(call, 1)), dtype);
  };
}

const kernel2 = (name: string): Rule => of2((k, a, b) => binary(k, name, a, b));

/** Booleans are compared as integers. */
const numeric = (k: Kernels, x: Tensor): Tensor => (x.dtype === 'bool' ? cast(k, x, 'int32') : x);

const compare = (name: string): Rule => of2((k, a, b) => binary(k, name, numeric(k, a), numeric(k, b)));

/** Folds any number of operands from the left. */
function variadic(f: Function2, end: (k: Kernels, sum: Tensor, count: number) => Tensor = (_k, sum) => sum): Rule {
  return (step) => {
    const { dtype } = outputSlot(step);
    return (call) => {
      const { k, inputs } = call;
      let out = arg(call, 0);
      for (let i = 1; i < inputs.length; i++) out = f(k, out, arg(call, i));
      return wrapped(k, end(k, out, inputs.length), dtype);
    };
  };
}

/** The larger or smaller, or NaN where one is: that of wasm loses it in the second operand, others in either. */
export function extreme(name: 'Maximum' | 'Minimum'): Function2 {
  return (k, a, b) => {
    const out = binary(k, name, a, b);
    if (k.device === 'cpu' || a.dtype !== 'float32') return out;
    const second = unary(k, 'IsNan', b);
    const lost = k.device === 'wasm' ? second : binary(k, 'LogicalOr', unary(k, 'IsNan', a), second);
    return where(k, lost, Number.NaN, out);
  };
}

/** The same with a number that is none of those. Over memory of this process a loop is faster than the kernel of wasm. */
export function bounded(k: Kernels, name: 'Maximum' | 'Minimum', x: Tensor, bound: number): Tensor {
  if (k.device !== 'wasm') {
    const out = binary(k, name, x, bound);
    return k.isHost || x.dtype !== 'float32' ? out : where(k, unary(k, 'IsNan', x), x, out);
  }
  const out = k.blank(x.shape, x.dtype);
  const [from, to] = [k.view(x) as Elements, k.view(out) as Elements];
  if (name === 'Maximum')
    for (let i = 0; i < to.length; i++) to[i] = (from[i] as number) < bound ? bound : (from[i] as number);
  else for (let i = 0; i < to.length; i++) to[i] = (from[i] as number) > bound ? bound : (from[i] as number);
  return out;
}

/** Integers truncate. */
const divide: Function2 = (k, a, b) => {
  if (a.dtype === 'float32') return div(k, a, b);
  if (k.isHost) return integers(k, 'FloorDiv', a, b, (x, y) => Math.trunc(x / y));
  // One more than the floor where it is below a quotient that is negative; magnitudes would not do: the least has none.
  const floor = binary(k, 'FloorDiv', a, b);
  const hasRest = binary(k, 'NotEqual', mul(k, floor, b), a);
  const signs = binary(k, 'NotEqual', isNegative(k, a), isNegative(k, b));
  return add(k, floor, cast(k, binary(k, 'LogicalAnd', hasRest, signs), 'int32'));
};

const isNegative: Function1 = (k, x) => cast(k, binary(k, 'Less', x, 0), 'int32');

const floorDivide: Function2 = (k, a, b) => integers(k, 'FloorDiv', a, b, (x, y) => Math.floor(x / y));

const negated: Function1 = (k, x) => (x.dtype === 'float32' ? unary(k, 'Neg', x) : sub(k, k.scalar(0, 'int32'), x));

const absolute: Function1 = (k, x) =>
  x.dtype === 'float32' ? unary(k, 'Abs', x) : binary(k, 'Maximum', x, negated(k, x));

/** The sign of the divisor, or with `fmod` that of the dividend. */
const mod: Rule = (step) => {
  const { dtype } = outputSlot(step);
  const asC = attr.int(step, 'fmod', 0) === 1;
  const rest: Function2 = (k, a, b) => {
    if (a.dtype !== 'float32') return sub(k, a, mul(k, asC ? divide(k, a, b) : floorDivide(k, a, b), b));
    const magnitude = binary(k, 'Mod', absolute(k, a), absolute(k, b));
    return where(k, binary(k, 'Less', a, 0), negated(k, magnitude), magnitude);
  };
  return (call) => wrapped(call.k, rest(call.k, arg(call, 0), arg(call, 1)), dtype);
};

/** Exponents that are cheaper as something else. */
const POWERS: Readonly<Record<number, Function1>> = {
  0.5: (k, x) => unary(k, 'Sqrt', x),
  1: (_k, x) => x,
  2: (k, x) => mul(k, x, x),
  3: (k, x) => mul(k, mul(k, x, x), x),
};

/** IEEE 754 calls 1 to the power of NaN, and ±1 to that of an infinity, 1: not all kernels do. */
function power(k: Kernels, a: Tensor, b: Tensor): Tensor {
  const [base, exponent] = [cast(k, a, 'float32'), cast(k, b, 'float32')];
  const out = binary(k, 'Pow', base, exponent);
  const unit = binary(k, 'Equal', unary(k, 'Abs', base), 1);
  const endless = binary(k, 'Equal', unary(k, 'Abs', exponent), Infinity);
  const one = binary(k, 'LogicalOr', binary(k, 'Equal', base, 1), binary(k, 'LogicalAnd', unit, endless));
  return where(k, one, 1, out);
}

const pow: Rule = (step) => {
  const { dtype } = outputSlot(step);
  const type = heldAs(dtype) ?? 'float32';
  const exponent = constantScalar(step, 1);
  const short = exponent !== undefined && Object.hasOwn(POWERS, exponent) ? POWERS[exponent] : undefined;
  const isScalar = (step.inputTypes[1]?.shape.length ?? 1) === 0;
  return (call) => {
    const { k } = call;
    const [a, b] = [arg(call, 0), arg(call, 1)];
    if (short !== undefined && isScalar) return short(k, a);
    return wrapped(k, cast(k, power(k, a, b), type), dtype);
  };
};

const logical = (name: string): Rule => of2((k, a, b) => binary(k, name, a, b));

const differs: Function2 = (k, a, b) => binary(k, 'NotEqual', cast(k, a, 'int32'), cast(k, b, 'int32'));

const isInf: Rule = (step) => {
  const positive = attr.int(step, 'detect_positive', 1) === 1;
  const negative = attr.int(step, 'detect_negative', 1) === 1;
  return ({ k, inputs }) => {
    const x = arg({ inputs }, 0);
    if (positive && negative) return binary(k, 'Equal', unary(k, 'Abs', x), Infinity);
    return positive || negative ? binary(k, 'Equal', x, positive ? Infinity : -Infinity) : fill(k, x.shape, 0, 'bool');
  };
};

/** To an integer a number is truncated. */
const castTo: Rule = (step) => {
  const to = dtypeFromOnnx(attr.int(step, 'to', 1)) as DType;
  const type = heldAs(to) ?? 'float32';
  return ({ k, inputs }) => wrapped(k, cast(k, arg({ inputs }, 0), type), to);
};

/** Inference: the identity, and a mask of ones. */
const dropout: Rule = (step) => (call) => {
  const x = arg(call, 0);
  return step.outputs[1] === undefined ? [x] : [x, fill(call.k, x.shape, 1, 'bool')];
};

const choose: Rule = () => (call) => where(call.k, arg(call, 0), arg(call, 1), arg(call, 2));

/** The largest float32, beyond which lies infinity. */
const LARGEST = 3.4028234663852886e38;

/** Bounds are operands since set 11, attributes before. The upper one wins where they cross; without one there is the end of what is finite. */
const clip: Rule = (step) => {
  const bound = (index: number, name: string): number | undefined =>
    constantScalar(step, index) ?? (name in step.attributes ? attr.float(step, name, 0) : undefined);
  const float = isFloat(outputSlot(step).dtype);
  const end = (index: number, largest: number): number | undefined =>
    float && step.inputs[index] === undefined ? largest : undefined;
  const [low, high] = [bound(1, 'min') ?? end(1, -LARGEST), bound(2, 'max') ?? end(2, LARGEST)];
  const fixed = float && low !== undefined && high !== undefined && low <= high;
  return (call) => {
    const { k, inputs } = call;
    const x = arg(call, 0);
    if (fixed && k.device === 'cpu') return k.run('ClipByValue', { x }, { clipValueMin: low, clipValueMax: high });
    const [least, most] = [low ?? inputs[1], high ?? inputs[2]];
    const above = least === undefined ? x : limited(k, 'Maximum', x, least);
    return most === undefined ? above : limited(k, 'Minimum', above, most);
  };
};

function limited(k: Kernels, name: 'Maximum' | 'Minimum', x: Tensor, bound: Tensor | number): Tensor {
  return typeof bound === 'number' ? bounded(k, name, x, bound) : extreme(name)(k, x, bound);
}

/** -1, 0 or 1, and NaN of NaN. */
const sign: Function1 = (k, x) => {
  const positive = cast(k, binary(k, 'Greater', x, 0), x.dtype);
  const signed = sub(k, positive, cast(k, binary(k, 'Less', x, 0), x.dtype));
  return x.dtype === 'float32' ? where(k, unary(k, 'IsNan', x), x, signed) : signed;
};

const same: Rule = () => (call) => arg(call, 0);

const divisible = (k: Kernels, sum: Tensor, count: number): Tensor => div(k, sum, count);

export const elementwise: Record<
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
  | 'Equal'
  | 'Greater'
  | 'GreaterOrEqual'
  | 'Less'
  | 'LessOrEqual'
  | 'Where'
  | 'Cast'
  | 'Dropout'
  | 'Clip',
  Rule
> = {
  Abs: of1(absolute),
  Acos: kernel1('Acos'),
  Acosh: kernel1('Acosh'),
  Asin: kernel1('Asin'),
  Asinh: kernel1('Asinh'),
  Atan: kernel1('Atan'),
  Atanh: kernel1('Atanh'),
  Ceil: kernel1('Ceil'),
  Cos: kernel1('Cos'),
  Cosh: kernel1('Cosh'),
  Exp: kernel1('Exp'),
  Floor: kernel1('Floor'),
  Identity: same,
  'anneal.StopGradient': same,
  'anneal.WithGradient': same,
  Log: kernel1('Log'),
  Neg: (step) => {
    const { dtype } = outputSlot(step);
    return (call) => wrapped(call.k, negated(call.k, arg(call, 0)), dtype);
  },
  Reciprocal: kernel1('Reciprocal'),
  Round: kernel1('Round'),
  Sign: of1(sign),
  Sin: kernel1('Sin'),
  Sinh: kernel1('Sinh'),
  Sqrt: kernel1('Sqrt'),
  Tan: kernel1('Tan'),
  Tanh: kernel1('Tanh'),
  Not: kernel1('LogicalNot'),
  IsNaN: kernel1('IsNan'),
  IsInf: isInf,
  Add: kernel2('Add'),
  Sub: kernel2('Sub'),
  Mul: kernel2('Multiply'),
  Div: of2(divide),
  Mod: mod,
  Pow: pow,
  Max: variadic(extreme('Maximum')),
  Min: variadic(extreme('Minimum')),
  Sum: variadic(add),
  Mean: variadic(add, divisible),
  And: logical('LogicalAnd'),
  Or: logical('LogicalOr'),
  Xor: of2(differs),
  Equal: compare('Equal'),
  Greater: compare('Greater'),
  GreaterOrEqual: compare('GreaterEqual'),
  Less: compare('Less'),
  LessOrEqual: compare('LessEqual'),
  Where: choose,
  Cast: castTo,
  Dropout: dropout,
  Clip: clip,
};
