import type { Value } from '../../ir.ts';
import { isFloat } from '../../dtype.ts';
import { like } from '../shapes.ts';
import { once, type Pullback, type VjpContext, type VjpRule } from '../types.ts';

/** A rule for an operator with one input, from its gradient, its input and its result. */
export function unary(derivative: (c: VjpContext, dy: Value, x: Value, y: Value) => Value): VjpRule {
  return (c) => [() => derivative(c, c.dy, c.x(0), c.y(0))];
}

/**
 * `dy` where the condition holds, else 0. A product with the condition as a number: ONNX Runtime's Where takes twice as
 * long (2.2 ms against 1.2 ms for 3 million elements on 2 cores).
 */
export function masked({ ops, dy }: VjpContext, condition: Value): Value {
  return ops.mul(dy, ops.cast(condition, dy.dtype));
}

const identity: VjpRule = (c) => [() => c.dy];

/** Sums over broadcast axes what each operand contributes. */
const add: VjpRule = (c) => c.inputs.map((_, i) => () => like(c.ops, c.dy, c.x(i)));

const sub: VjpRule = (c) => [() => like(c.ops, c.dy, c.x(0)), () => c.ops.neg(like(c.ops, c.dy, c.x(1)))];

const mul: VjpRule = (c) => {
  const [a, b] = [c.x(0), c.x(1)];
  if (a === b) {
    // A square: the engine adds the two equal parts.
    const part = once(() => c.ops.mul(c.dy, a));
    return [part, part];
  }
  return [() => like(c.ops, c.ops.mul(c.dy, b), a), () => like(c.ops, c.ops.mul(c.dy, a), b)];
};

const div: VjpRule = (c) => {
  const [a, b] = [c.x(0), c.x(1)];
  const quotient = once(() => c.ops.div(c.dy, b));
  return [() => like(c.ops, quotient(), a), () => c.ops.neg(like(c.ops, c.ops.mul(quotient(), c.y(0)), b))];
};

/** Both operands; an exponent that is a constant scalar costs one power at most. */
const pow: VjpRule = (c) => {
  const { ops, dy } = c;
  const [a, b] = [c.x(0), c.x(1)];
  const fixed = b.shape.length === 0 || b.shape.join() === '1' ? c.constant(1)?.[0] : undefined;
  const base = (): Value => {
    if (fixed === 0) return ops.mul(dy, 0);
    if (fixed === 1) return dy;
    if (fixed === 2) return ops.mul(ops.mul(dy, a), 2);
    if (fixed === 0.5) return ops.mul(ops.div(dy, c.y(0)), 0.5);
    if (fixed !== undefined) return ops.mul(ops.mul(dy, ops.pow(a, fixed - 1)), fixed);
    const exponent = ops.cast(b, a.dtype);
    // 0 · 0^-1 would be NaN where the exponent is 0.
    const slope = ops.mul(exponent, ops.pow(a, ops.sub(exponent, 1)));
    return ops.mul(dy, ops.where(ops.equal(exponent, 0), 0, slope));
  };
  const exponent = (): Value => {
    // y = 0 where the base is 0; its infinite logarithm must not turn that into NaN.
    const log = ops.log(ops.where(ops.equal(a, 0), 1, a));
    return ops.mul(dy, ops.mul(c.y(0), log));
  };
  return [() => like(ops, base(), a), () => like(ops, exponent(), b)];
};

/** Operands that tie share the gradient equally. */
const extremum: VjpRule = (c) => {
  const { ops } = c;
  const masks = once(() => c.inputs.map((_, i) => ops.cast(ops.equal(c.x(i), c.y(0)), c.dy.dtype)));
  const share = once(() =>
    ops.div(
      c.dy,
      masks().reduce((sum, mask) => ops.add(sum, mask)),
    ),
  );
  return c.inputs.map((_, i): Pullback => {
    if (c.inputs.length === 1) return () => c.dy;
    return () => like(ops, ops.mul(share(), masks()[i] as Value), c.x(i));
  });
};

const mean: VjpRule = (c) => {
  const part = once(() => c.ops.mul(c.dy, 1 / c.inputs.length));
  return c.inputs.map((_, i) => () => like(c.ops, part(), c.x(i)));
};

const where: VjpRule = (c) => {
  const { ops, dy } = c;
  return [
    undefined,
    () => like(ops, ops.where(c.x(0), dy, 0), c.x(1)),
    () => like(ops, ops.where(c.x(0), 0, dy), c.x(2)),
  ];
};

/** Passes inside and at the bounds; a bound gets what was cut off there. */
const clip: VjpRule = (c) => {
  const { ops } = c;
  return [
    () => masked(c, ops.equal(c.x(0), c.y(0))),
    () => like(ops, masked(c, ops.less(c.x(0), c.x(1))), c.x(1)),
    () => like(ops, masked(c, ops.greater(c.x(0), c.x(2))), c.x(2)),
  ];
};

const cast: VjpRule = (c) => [() => c.ops.cast(c.dy, isFloat(c.x(0).dtype) ? c.x(0).dtype : c.dy.dtype)];

/** `1 / sqrt(1 ± x²)` and its relatives. */
const inverseRoot = (radicand: (c: VjpContext, square: Value) => Value): VjpRule =>
  unary((c, dy, x) => c.ops.div(dy, c.ops.sqrt(radicand(c, c.ops.mul(x, x)))));

export const elementwiseRules: Record<
  | 'Abs'
  | 'Acos'
  | 'Acosh'
  | 'Add'
  | 'Asin'
  | 'Asinh'
  | 'Atan'
  | 'Atanh'
  | 'Cast'
  | 'Ceil'
  | 'Clip'
  | 'Cos'
  | 'Cosh'
  | 'Div'
  | 'Erf'
  | 'Exp'
  | 'Floor'
  | 'Identity'
  | 'Log'
  | 'Max'
  | 'Mean'
  | 'Min'
  | 'Mul'
  | 'Neg'
  | 'Pow'
  | 'Reciprocal'
  | 'Round'
  | 'Sin'
  | 'Sinh'
  | 'Sqrt'
  | 'Sub'
  | 'Sum'
  | 'Tan'
  | 'Where',
  VjpRule
> = {
  Abs: unary(({ ops }, dy, x) => ops.mul(dy, ops.sign(x))),
  Acos: unary(({ ops }, dy, x) => ops.neg(ops.div(dy, ops.sqrt(ops.sub(1, ops.mul(x, x)))))),
  Acosh: inverseRoot(({ ops }, square) => ops.sub(square, 1)),
  Add: add,
  Asin: inverseRoot(({ ops }, square) => ops.sub(1, square)),
  Asinh: inverseRoot(({ ops }, square) => ops.add(square, 1)),
  Atan: unary(({ ops }, dy, x) => ops.div(dy, ops.add(ops.mul(x, x), 1))),
  Atanh: unary(({ ops }, dy, x) => ops.div(dy, ops.sub(1, ops.mul(x, x)))),
  Cast: cast,
  // Straight-through (Bengio et al., 2013, arXiv 1308.3432): what rounds is trained as if it did not.
  Ceil: identity,
  Clip: clip,
  Cos: unary(({ ops }, dy, x) => ops.neg(ops.mul(dy, ops.sin(x)))),
  Cosh: unary(({ g, ops }, dy, x) => ops.mul(dy, g.one('Sinh', [x]))),
  Div: div,
  Erf: unary(({ ops }, dy, x) => ops.mul(ops.mul(dy, ops.exp(ops.neg(ops.mul(x, x)))), 2 / Math.sqrt(Math.PI))),
  Exp: unary(({ ops }, dy, _, y) => ops.mul(dy, y)),
  Floor: identity,
  Identity: identity,
  Log: unary(({ ops }, dy, x) => ops.div(dy, x)),
  Max: extremum,
  Mean: mean,
  Min: extremum,
  Mul: mul,
  Neg: unary(({ ops }, dy) => ops.neg(dy)),
  Pow: pow,
  Reciprocal: unary(({ ops }, dy, _, y) => ops.neg(ops.mul(dy, ops.mul(y, y)))),
  Round: identity,
  Sin: unary(({ ops }, dy, x) => ops.mul(dy, ops.cos(x))),
  Sinh: unary(({ g, ops }, dy, x) => ops.mul(dy, g.one('Cosh', [x]))),
  Sqrt: unary(({ ops }, dy, _, y) => ops.mul(ops.div(dy, y), 0.5)),
  Sub: sub,
  Sum: add,
  Tan: unary(({ ops }, dy, _, y) => ops.mul(dy, ops.add(ops.mul(y, y), 1))),
  Where: where,
};
