import { attr, type Node } from '../../ir.ts';
import { finiteRange } from '../array.ts';
import { arg, type Call, type Kernel, map, type Result, scalarArg, zip } from '../kernel.ts';
import { erf, gelu, geluTanh, sigmoid, softplus } from './special.ts';

type Scalar = (x: number) => number;

/** A kernel from a function of one number that may depend on the node's attributes. */
function activation(make: (node: Node) => Scalar): Kernel {
  return (call) => map(arg(call, 0), make(call.node));
}

function float(node: Node, name: string, fallback: number): number {
  return attr.float(node, name, fallback);
}

function geluOf(node: Node): Scalar {
  return attr.string(node, 'approximate', 'none') === 'tanh' ? geluTanh : gelu;
}

/** An activation of `x + bias`, where the bias may be left out. */
function biased(f: Scalar): Kernel {
  return (call: Call): Result => {
    const [x, bias] = [arg(call, 0), call.inputs[1]];
    return bias ? zip(call.node.op, [x, bias], (a, b) => f(a + b)) : map(x, f);
  };
}

/**
 * Bounds are inputs since opset 11, attributes before, and by default the ends of the type's finite range. The upper one
 * wins where they cross.
 */
const clip: Kernel = (call) => {
  const x = arg(call, 0);
  const [least, most] = finiteRange(x.dtype);
  const low = scalarArg(call, 1, float(call.node, 'min', least));
  const high = scalarArg(call, 2, float(call.node, 'max', most));
  return map(x, (value) => Math.min(Math.max(value, low), high));
};

/** Defaults of SELU (Klambauer et al., 2017), rounded to float32 as ONNX gives them. */
const SELU_ALPHA = 1.6732631921768188;
const SELU_GAMMA = 1.0507010221481323;

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
  | 'Clip'
  | 'Erf'
  | 'Gelu'
  | 'com.microsoft.Gelu'
  | 'com.microsoft.FastGelu'
  | 'com.microsoft.QuickGelu'
  | 'com.microsoft.BiasGelu',
  Kernel
> = {
  Relu: activation(() => (x) => Math.max(x, 0)),
  LeakyRelu: activation((node) => {
    const alpha = float(node, 'alpha', 0.01);
    return (x) => (x < 0 ? alpha * x : x);
  }),
  PRelu: (call) => zip('PRelu', [arg(call, 0), arg(call, 1)], (x, slope) => (x < 0 ? slope * x : x)),
  Elu: activation((node) => {
    const alpha = float(node, 'alpha', 1);
    return (x) => (x < 0 ? alpha * Math.expm1(x) : x);
  }),
  Celu: activation((node) => {
    const alpha = float(node, 'alpha', 1);
    return (x) => Math.max(x, 0) + Math.min(alpha * Math.expm1(x / alpha), 0);
  }),
  Selu: activation((node) => {
    const [alpha, gamma] = [float(node, 'alpha', SELU_ALPHA), float(node, 'gamma', SELU_GAMMA)];
    return (x) => gamma * (x > 0 ? x : alpha * Math.expm1(x));
  }),
  Sigmoid: activation(() => sigmoid),
  HardSigmoid: activation((node) => {
    const [alpha, beta] = [float(node, 'alpha', 0.2), float(node, 'beta', 0.5)];
    return (x) => Math.max(0, Math.min(1, alpha * x + beta));
  }),
  HardSwish: activation(() => (x) => x * Math.max(0, Math.min(1, x / 6 + 0.5))),
  Swish: activation((node) => {
    const alpha = float(node, 'alpha', 1);
    return (x) => x * sigmoid(alpha * x);
  }),
  Softplus: activation(() => softplus),
  Softsign: activation(() => (x) => x / (1 + Math.abs(x))),
  Mish: activation(() => (x) => x * Math.tanh(softplus(x))),
  Shrink: activation((node) => {
    const [lambd, bias] = [float(node, 'lambd', 0.5), float(node, 'bias', 0)];
    return (x) => {
      if (x < -lambd) return x + bias;
      return x > lambd ? x - bias : 0;
    };
  }),
  ThresholdedRelu: activation((node) => {
    const alpha = float(node, 'alpha', 1);
    return (x) => (x > alpha ? x : 0);
  }),
  Clip: clip,
  Erf: activation(() => erf),
  Gelu: activation(geluOf),
  'com.microsoft.Gelu': activation(() => gelu),
  'com.microsoft.FastGelu': biased(geluTanh),
  'com.microsoft.QuickGelu': activation((node) => {
    const alpha = float(node, 'alpha', 1.702);
    return (x) => x * sigmoid(alpha * x);
  }),
  'com.microsoft.BiasGelu': biased(gelu),
};
