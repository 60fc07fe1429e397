import { dtypeFromOnnx, isFloat } from '@anneal/graph';

import type { WriteContext, WriteRule } from '../context.ts';
import { type Ref, tfAttr } from '../emitter.ts';

/** Writes an operator on each element of tensors that broadcast, in the order of axes that they are in. */
function pointwise(fn: (inputs: readonly Ref[], node: WriteContext) => Ref): WriteRule {
  return (node) => {
    const values = node.node.inputs.flatMap((value) => (value === undefined ? [] : [value]));
    const rank = Math.max(...values.map((value) => value.rank));
    const isLast = rank >= 3 && values.some((value) => value.rank === rank && node.e.isLast(value));
    const refs = node.node.inputs.flatMap((value, i) =>
      value === undefined ? [] : [isLast ? node.operandLast(i, rank) : node.x(i)],
    );
    const y = fn(refs, node);
    if (isLast) node.outLast(y);
    else node.out(y);
  };
}

const plain = (op: string): WriteRule => pointwise((inputs, node) => node.tf(op, inputs));

/** Several inputs, two at a time. */
const folded = (op: string): WriteRule => pointwise((inputs, node) => inputs.reduce((a, b) => node.tf(op, [a, b])));

/** A composition of operators on one tensor. */
const composed = (fn: (x: Ref, node: WriteContext) => Ref): WriteRule => pointwise(([x], node) => fn(x as Ref, node));

const asFloat = (x: Ref, node: WriteContext): Ref =>
  node.tf('Cast', [x], { SrcT: tfAttr.type('int32'), DstT: tfAttr.type('float32') });

/** Integers divide towards zero. */
const divide: WriteRule = pointwise((inputs, node) => {
  if (isFloat(node.value(0).dtype)) return node.tf('RealDiv', inputs);
  const quotient = node.tf(
    'RealDiv',
    inputs.map((x) => asFloat(x, node)),
    { T: tfAttr.type('float32') },
  );
  return node.tf('Cast', [quotient], { SrcT: tfAttr.type('float32'), DstT: tfAttr.type('int32') });
});

/** What has an attribute that TensorFlow does not know. */
const only =
  (rule: WriteRule, fits: (node: WriteContext) => boolean, what: string): WriteRule =>
  (node) => {
    if (!fits(node)) throw node.error(what);
    rule(node);
  };

const clip: WriteRule = (node) => {
  const bounds = [1, 2].map((i) => node.data(i)?.data[0]);
  pointwise(([x], ctx) => {
    const [min, max] = bounds.map((bound) =>
      bound === undefined
        ? undefined
        : isFloat(ctx.value(0).dtype)
          ? ctx.e.float(Number(bound))
          : ctx.e.int(Number(bound)),
    );
    const low = min === undefined ? (x as Ref) : ctx.tf('Maximum', [x as Ref, min]);
    return max === undefined ? low : ctx.tf('Minimum', [low, max]);
  })(node);
};

const cast: WriteRule = composed((x, node) => {
  const to = dtypeFromOnnx(node.int('to', 1));
  if (to === undefined) throw node.error('its type is unknown');
  return node.tf('Cast', [x], { SrcT: tfAttr.type(node.value(0).dtype), DstT: tfAttr.type(to) });
});

/** `x · (1 + erf(x / √2)) / 2`. */
export function gelu(x: Ref, node: WriteContext): Ref {
  const { e } = node;
  const erf = node.tf('Erf', [node.tf('Mul', [x, e.float(Math.SQRT1_2)])]);
  return node.tf('Mul', [node.tf('Mul', [x, e.float(0.5)]), node.tf('AddV2', [erf, e.float(1)])]);
}

/** With tanh in place of erf. */
function geluTanh(x: Ref, node: WriteContext): Ref {
  const { e } = node;
  const cube = node.tf('Mul', [node.tf('Mul', [node.tf('Mul', [x, x]), x]), e.float(0.044715)]);
  const inner = node.tf('Mul', [node.tf('AddV2', [x, cube]), e.float(Math.sqrt(2 / Math.PI))]);
  const half = node.tf('Mul', [x, e.float(0.5)]);
  return node.tf('Mul', [half, node.tf('AddV2', [node.tf('Tanh', [inner]), e.float(1)])]);
}

const elu = (alpha: number, x: Ref, node: WriteContext): Ref => {
  if (alpha === 1) return node.tf('Elu', [x]);
  const below = node.tf('Mul', [node.tf('Expm1', [node.tf('Minimum', [x, node.e.float(0)])]), node.e.float(alpha)]);
  return node.tf('AddV2', [node.tf('Relu', [x]), below]);
};

/** Klambauer et al. (2017). */
const [SELU_ALPHA, SELU_GAMMA] = [1.6732632, 1.050701];

const hardSigmoid = (x: Ref, alpha: number, beta: number, node: WriteContext): Ref => {
  const line = node.tf('AddV2', [node.tf('Mul', [x, node.e.float(alpha)]), node.e.float(beta)]);
  return node.tf('Minimum', [node.tf('Maximum', [line, node.e.float(0)]), node.e.float(1)]);
};

const sigmoidTimes = (x: Ref, factor: number, node: WriteContext): Ref => {
  const scaled = factor === 1 ? x : node.tf('Mul', [x, node.e.float(factor)]);
  return node.tf('Mul', [x, node.tf('Sigmoid', [scaled])]);
};

/** Operators of one tensor that TensorFlow has under this name. */
const SAME: Readonly<Record<string, string>> = {
  Abs: 'Abs',
  Acos: 'Acos',
  Acosh: 'Acosh',
  Asin: 'Asin',
  Asinh: 'Asinh',
  Atan: 'Atan',
  Atanh: 'Atanh',
  Ceil: 'Ceil',
  Cos: 'Cos',
  Cosh: 'Cosh',
  Erf: 'Erf',
  Exp: 'Exp',
  Floor: 'Floor',
  IsNaN: 'IsNan',
  Log: 'Log',
  Neg: 'Neg',
  Not: 'LogicalNot',
  Reciprocal: 'Reciprocal',
  Relu: 'Relu',
  Round: 'Round',
  Sigmoid: 'Sigmoid',
  Sign: 'Sign',
  Sin: 'Sin',
  Sinh: 'Sinh',
  Softplus: 'Softplus',
  Sqrt: 'Sqrt',
  Tan: 'Tan',
  Tanh: 'Tanh',
  And: 'LogicalAnd',
  Equal: 'Equal',
  Greater: 'Greater',
  GreaterOrEqual: 'GreaterEqual',
  Less: 'Less',
  LessOrEqual: 'LessEqual',
  Mul: 'Mul',
  Or: 'LogicalOr',
  Pow: 'Pow',
  Sub: 'Sub',
  Add: 'AddV2',
  Where: 'SelectV2',
  Xor: 'NotEqual',
};

const identity: WriteRule = pointwise(([x]) => x as Ref);

/** A scaled product with the bias before it. */
const biasGelu: WriteRule = pointwise(([x, bias], node) => gelu(node.tf('AddV2', [x as Ref, bias as Ref]), node));

export const elementwise: Readonly<Record<string, WriteRule>> = {
  ...Object.fromEntries(Object.entries(SAME).map(([op, tf]) => [op, plain(tf)])),
  Div: divide,
  IsInf: only(
    plain('IsInf'),
    (node) => node.int('detect_positive', 1) === 1 && node.int('detect_negative', 1) === 1,
    'it looks for one sign alone',
  ),
  Mod: only(plain('FloorMod'), (node) => node.int('fmod', 0) === 0, 'its remainder has the sign of the dividend'),
  Selu: composed((x, node) => {
    const [alpha, gamma] = [node.float('alpha', SELU_ALPHA), node.float('gamma', SELU_GAMMA)];
    return node.tf('Mul', [elu(alpha, x, node), node.e.float(gamma)]);
  }),
  Max: folded('Maximum'),
  Min: folded('Minimum'),
  Sum: folded('AddV2'),
  Clip: clip,
  Cast: cast,
  Elu: composed((x, node) => elu(node.float('alpha', 1), x, node)),
  LeakyRelu: composed((x, node) => node.tf('LeakyRelu', [x], { alpha: tfAttr.float(node.float('alpha', 0.01)) })),
  PRelu: pointwise(([x, slope], node) => {
    const below = node.tf('Mul', [node.tf('Minimum', [x as Ref, node.e.float(0)]), slope as Ref]);
    return node.tf('AddV2', [node.tf('Relu', [x as Ref]), below]);
  }),
  ThresholdedRelu: composed((x, node) => {
    const above = node.tf('Greater', [x, node.e.float(node.float('alpha', 1))]);
    return node.tf('SelectV2', [above, x, node.e.float(0)]);
  }),
  HardSigmoid: composed((x, node) => hardSigmoid(x, node.float('alpha', 0.2), node.float('beta', 0.5), node)),
  HardSwish: composed((x, node) => node.tf('Mul', [x, hardSigmoid(x, 1 / 6, 0.5, node)])),
  Mish: composed((x, node) => node.tf('Mul', [x, node.tf('Tanh', [node.tf('Softplus', [x])])])),
  Softsign: composed((x, node) => node.tf('RealDiv', [x, node.tf('AddV2', [node.tf('Abs', [x]), node.e.float(1)])])),
  Gelu: composed((x, node) => (node.text('approximate', 'none') === 'tanh' ? geluTanh(x, node) : gelu(x, node))),
  'com.microsoft.Gelu': composed(gelu),
  'com.microsoft.FastGelu': composed((x, node) => {
    if (node.has(1)) throw node.error('it has a bias');
    return geluTanh(x, node);
  }),
  'com.microsoft.QuickGelu': composed((x, node) => sigmoidTimes(x, node.float('alpha', 1.702), node)),
  'com.microsoft.BiasGelu': biasGelu,
  Swish: composed((x, node) => sigmoidTimes(x, node.float('alpha', 1), node)),
  Identity: identity,
  'anneal.StopGradient': identity,
  'anneal.WithGradient': (node) => {
    node.out(node.x(0));
  },
  // The identity where the model does not train.
  Dropout: (node) => {
    const value = node.value(0);
    if (node.e.isLast(value)) node.outLast(node.e.last(value));
    else node.out(node.x(0));
  },
};
