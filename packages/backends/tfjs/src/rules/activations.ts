import { attr } from '@anneal/graph';
import type { Kernels, Tensor } from '../device/kernels.ts';
import type { Step } from '../plan.ts';
import { add, binary, div, mul, sub, unary, where } from './calc.ts';
import { bounded } from './elementwise.ts';
import { arg, type Rule } from './rule.ts';

type Scalar = (k: Kernels, x: Tensor) => Tensor;

/** A function of one tensor that may depend on the node's attributes. */
function activation(make: (step: Step) => Scalar): Rule {
  return (step) => {
    const f = make(step);
    return (call) => f(call.k, arg(call, 0));
  };
}

const float = (step: Step, name: string, fallback: number): number => attr.float(step, name, fallback);

const max = (k: Kernels, x: Tensor, bound: number): Tensor => bounded(k, 'Maximum', x, bound);
const min = (k: Kernels, x: Tensor, bound: number): Tensor => bounded(k, 'Minimum', x, bound);

const isNegative = (k: Kernels, x: Tensor): Tensor => binary(k, 'Less', x, 0);

/** `e^x - 1`, which keeps its digits near zero. */
const expm1: Scalar = (k, x) => unary(k, 'Expm1', x);

const sigmoid: Scalar = (k, x) => unary(k, 'Sigmoid', x);

/** `log(1 + e^x)` without overflow. */
const softplus: Scalar = (k, x) =>
  add(k, max(k, x, 0), unary(k, 'Log1p', unary(k, 'Exp', unary(k, 'Neg', unary(k, 'Abs', x)))));

/** `x · Φ(x)` (Hendrycks & Gimpel, 2016). */
export const gelu: Scalar = (k, x) => {
  const phi = add(k, unary(k, 'Erf', mul(k, x, Math.SQRT1_2)), 1);
  return mul(k, mul(k, x, 0.5), phi);
};

/** The tanh form of {@link gelu}. */
export const geluTanh: Scalar = (k, x) => {
  const inner = mul(k, add(k, x, mul(k, mul(k, mul(k, x, x), x), 0.044715)), Math.sqrt(2 / Math.PI));
  return mul(k, mul(k, x, 0.5), add(k, unary(k, 'Tanh', inner), 1));
};

const times = (k: Kernels, x: Tensor, alpha: number): Tensor => (alpha === 1 ? x : mul(k, x, alpha));

const swish =
  (alpha: number): Scalar =>
  (k, x) =>
    mul(k, x, sigmoid(k, times(k, x, alpha)));

const elu =
  (alpha: number): Scalar =>
  (k, x) =>
    where(k, isNegative(k, x), times(k, expm1(k, x), alpha), x);

/** Defaults of SELU (Klambauer et al., 2017), rounded to float32 as ONNX gives them. */
const SELU_ALPHA = 1.6732631921768188;
const SELU_GAMMA = 1.0507010221481323;

/** An activation of `x + bias`, where the bias may be left out. */
function biased(f: Scalar): Rule {
  return () => (call) => {
    const { k, inputs } = call;
    const x = arg(call, 0);
    return f(k, inputs[1] === undefined ? x : add(k, x, inputs[1]));
  };
}

const hardSwish: Scalar = (k, x) => mul(k, x, max(k, min(k, add(k, div(k, x, 6), 0.5), 1), 0));

export const activations: Record<
  | 'Relu'
  | 'LeakyRelu'
  | 'PRelu'
  | 'Elu'
  | 'Celu'
  | 'Selu'
  | 'Sigmoid'
  | 'HardSigmoid'
  | 'HardSwish'
  | 'Swish'
  | 'Softplus'
  | 'Softsign'
  | 'Mish'
  | 'Shrink'
  | 'ThresholdedRelu'
  | 'Erf'
  | 'Gelu'
  | 'com.microsoft.Gelu'
  | 'com.microsoft.FastGelu'
  | 'com.microsoft.QuickGelu'
  | 'com.microsoft.BiasGelu',
  Rule
> = {
  Relu: activation(() => (k, x) => (x.dtype === 'float32' && k.device === 'wasm' ? unary(k, 'Relu', x) : max(k, x, 0))),
  LeakyRelu: activation((step) => {
    const alpha = float(step, 'alpha', 0.01);
    return (k, x) => where(k, isNegative(k, x), mul(k, x, alpha), x);
  }),
  PRelu: () => (call) => {
    const [x, slope] = [arg(call, 0), arg(call, 1)];
    return where(call.k, isNegative(call.k, x), mul(call.k, x, slope), x);
  },
  Elu: activation((step) => elu(float(step, 'alpha', 1))),
  Celu: activation((step) => {
    const alpha = float(step, 'alpha', 1);
    return (k, x) => add(k, max(k, x, 0), min(k, times(k, expm1(k, div(k, x, alpha)), alpha), 0));
  }),
  Selu: activation((step) => {
    const [alpha, gamma] = [float(step, 'alpha', SELU_ALPHA), float(step, 'gamma', SELU_GAMMA)];
    return (k, x) => mul(k, where(k, binary(k, 'Greater', x, 0), x, mul(k, expm1(k, x), alpha)), gamma);
  }),
  Sigmoid: activation(() => sigmoid),
  HardSigmoid: activation((step) => {
    const [alpha, beta] = [float(step, 'alpha', 0.2), float(step, 'beta', 0.5)];
    return (k, x) => max(k, min(k, add(k, mul(k, x, alpha), beta), 1), 0);
  }),
  HardSwish: activation(() => hardSwish),
  Swish: activation((step) => swish(float(step, 'alpha', 1))),
  Softplus: activation(() => softplus),
  Softsign: activation(() => (k, x) => div(k, x, add(k, unary(k, 'Abs', x), 1))),
  Mish: activation(() => (k, x) => mul(k, x, unary(k, 'Tanh', softplus(k, x)))),
  Shrink: activation((step) => {
    const [lambd, bias] = [float(step, 'lambd', 0.5), float(step, 'bias', 0)];
    return (k, x) => {
      const below = where(k, binary(k, 'Less', x, -lambd), add(k, x, bias), 0);
      return where(k, binary(k, 'Greater', x, lambd), sub(k, x, bias), below);
    };
  }),
  ThresholdedRelu: activation((step) => {
    const alpha = float(step, 'alpha', 1);
    return (k, x) => where(k, binary(k, 'Greater', x, alpha), x, 0);
  }),
  Erf: activation(() => (k, x) => unary(k, 'Erf', x)),
  Gelu: activation((step) => (attr.string(step, 'approximate', 'none') === 'tanh' ? geluTanh : gelu)),
  'com.microsoft.Gelu': activation(() => gelu),
  'com.microsoft.FastGelu': biased(geluTanh),
  'com.microsoft.QuickGelu': activation((step) => swish(float(step, 'alpha', 1.702))),
  'com.microsoft.BiasGelu': biased(gelu),
};
