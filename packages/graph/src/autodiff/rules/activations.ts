import { attr, type Value } from '../../ir.ts';
import { like } from '../shapes.ts';
import { once, type VjpContext, type VjpRule } from '../types.ts';
import { masked, unary } from './elementwise.ts';

/** `dy` where `x > threshold`, else `other`. */
function above(c: VjpContext, threshold: number, other: Value | number): Value {
  return c.ops.where(c.ops.greater(c.x(0), threshold), c.dy, other);
}

const leakyRelu: VjpRule = unary((c, dy) => above(c, 0, c.ops.mul(dy, attr.float(c, 'alpha', 0.01))));

const prelu: VjpRule = (c) => {
  const { ops, dy } = c;
  return [
    () => above(c, 0, ops.mul(dy, c.x(1))),
    () => like(ops, ops.where(ops.greater(c.x(0), 0), 0, ops.mul(dy, c.x(0))), c.x(1)),
  ];
};

/** Below 0, `α(eˣ − 1)` has the derivative `y + α`. */
const elu: VjpRule = unary((c, dy, _, y) => above(c, 0, c.ops.mul(dy, c.ops.add(y, attr.float(c, 'alpha', 1)))));

const celu: VjpRule = unary((c, dy, _, y) =>
  above(c, 0, c.ops.mul(dy, c.ops.add(c.ops.mul(y, 1 / attr.float(c, 'alpha', 1)), 1))),
);

const selu: VjpRule = unary((c, dy, x, y) => {
  const alpha = attr.float(c, 'alpha', 1.67326319217681884765625);
  const gamma = attr.float(c, 'gamma', 1.05070102214813232421875);
  return c.ops.mul(dy, c.ops.where(c.ops.greater(x, 0), gamma, c.ops.add(y, alpha * gamma)));
});

const shrink: VjpRule = unary((c, _, x) => masked(c, c.ops.greater(c.ops.abs(x), attr.float(c, 'lambd', 0.5))));

/** Constant slope where the line is not cut off. */
const hardSigmoid: VjpRule = unary((c, _dy, _x, y) => {
  const { ops } = c;
  const inside = ops.logicalAnd(ops.greater(y, 0), ops.less(y, 1));
  return ops.mul(masked(c, inside), attr.float(c, 'alpha', 0.2));
});

const hardSwish: VjpRule = unary(({ ops }, dy, x) => {
  const slope = ops.add(ops.mul(x, 1 / 3), 0.5);
  const inside = ops.where(ops.less(x, 3), slope, 1);
  return ops.mul(dy, ops.where(ops.greater(x, -3), inside, 0));
});

/** `y = x·σ(αx)` has the derivative `s + αy(1 − s)`. */
function swishSlope(c: VjpContext, alpha: number): Value {
  const { ops } = c;
  const scaled = (v: Value): Value => (alpha === 1 ? v : ops.mul(v, alpha));
  const s = ops.sigmoid(scaled(c.x(0)));
  return ops.add(s, ops.mul(scaled(c.y(0)), ops.sub(1, s)));
}

const swish = (fallback: number): VjpRule =>
  unary((c, dy) => c.ops.mul(dy, swishSlope(c, attr.float(c, 'alpha', fallback))));

const mish: VjpRule = unary(({ ops }, dy, x) => {
  const t = ops.tanh(ops.softplus(x));
  return ops.mul(dy, ops.add(t, ops.mul(ops.mul(x, ops.sigmoid(x)), ops.sub(1, ops.mul(t, t)))));
});

/**
 * `Φ(x) + x·φ(x)` with `u = x/√2`: `(1 + erf u)/2 + u·exp(−u²)/√π`. The tensors here are the largest of a
 * transformer, each node is one pass over them: HardSigmoid computes `(1 + erf u)/2` in one (its clipping to [0, 1]
 * never acts), and `−u²` is a product of `u` with its negation, which is a pass less than squaring `x` and scaling.
 */
function geluSlope({ g, ops }: VjpContext, x: Value): Value {
  const u = ops.mul(x, Math.SQRT1_2);
  const half = { float: 0.5 };
  const phi = g.one('HardSigmoid', [ops.erf(u)], { attributes: { alpha: half, beta: half } });
  const density = ops.exp(ops.mul(u, ops.neg(u)));
  return ops.add(phi, ops.mul(ops.mul(u, density), 1 / Math.sqrt(Math.PI)));
}

const TANH_SCALE = Math.sqrt(2 / Math.PI);
const TANH_CUBE = 0.044715;

/**
 * `y = x·s` with `s = σ(2p)`, `2p = x(a + b·x²)`, which is the tanh form as `tanh p = 2σ(2p) − 1`. The derivative is
 * `s + (y − y·s)·(2p)'`, `(2p)' = a + 3b·x²`.
 */
function geluTanhSlope({ ops }: VjpContext, x: Value, y: Value): Value {
  const a = 2 * TANH_SCALE;
  const bxx = ops.mul(ops.mul(x, x), a * TANH_CUBE);
  const s = ops.sigmoid(ops.mul(x, ops.add(bxx, a)));
  const slope = ops.add(ops.mul(bxx, 3), a);
  return ops.add(s, ops.mul(ops.sub(y, ops.mul(y, s)), slope));
}

const gelu: VjpRule = unary((c, dy, x, y) => {
  const tanh = attr.string(c, 'approximate', 'none') === 'tanh';
  return c.ops.mul(dy, tanh ? geluTanhSlope(c, x, y) : geluSlope(c, x));
});

/** An activation of `x + bias`: both operands share one gradient. */
function biased(slope: (c: VjpContext, z: Value) => Value): VjpRule {
  return (c) => {
    const bias = c.inputs[1];
    const dz = once(() => c.ops.mul(c.dy, slope(c, bias === undefined ? c.x(0) : c.ops.add(c.x(0), bias))));
    return [dz, () => like(c.ops, dz(), c.x(1))];
  };
}

export const activationRules: Record<
  | 'Celu'
  | 'Elu'
  | 'Gelu'
  | 'HardSigmoid'
  | 'HardSwish'
  | 'LeakyRelu'
  | 'Mish'
  | 'PRelu'
  | 'Relu'
  | 'Selu'
  | 'Shrink'
  | 'Sigmoid'
  | 'Softplus'
  | 'Softsign'
  | 'Swish'
  | 'Tanh'
  | 'ThresholdedRelu'
  | 'com.microsoft.BiasGelu'
  | 'com.microsoft.FastGelu'
  | 'com.microsoft.Gelu'
  | 'com.microsoft.QuickGelu',
  VjpRule
> = {
  Celu: celu,
  Elu: elu,
  Gelu: gelu,
  HardSigmoid: hardSigmoid,
  HardSwish: hardSwish,
  LeakyRelu: leakyRelu,
  Mish: mish,
  PRelu: prelu,
  Relu: unary((c, _, x) => masked(c, c.ops.greater(x, 0))),
  Selu: selu,
  Shrink: shrink,
  Sigmoid: unary(({ ops }, dy, _, y) => ops.mul(ops.mul(dy, y), ops.sub(1, y))),
  Softplus: unary(({ ops }, dy, x) => ops.mul(dy, ops.sigmoid(x))),
  Softsign: unary(({ ops }, dy, _, y) => {
    const rest = ops.sub(1, ops.abs(y));
    return ops.mul(dy, ops.mul(rest, rest));
  }),
  Swish: swish(1),
  Tanh: unary(({ ops }, dy, _, y) => ops.mul(dy, ops.sub(1, ops.mul(y, y)))),
  ThresholdedRelu: unary((c, _, x) => masked(c, c.ops.greater(x, attr.float(c, 'alpha', 1)))),
  'com.microsoft.BiasGelu': biased(geluSlope),
  'com.microsoft.FastGelu': biased((c, z) => geluTanhSlope(c, z, c.y(0))),
  'com.microsoft.Gelu': gelu,
  'com.microsoft.QuickGelu': swish(1.702),
};
