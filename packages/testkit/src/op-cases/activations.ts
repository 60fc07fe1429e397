import type { DType } from '@anneal/graph';
import { HALF_AND_DOUBLE, unary } from './elementwise.ts';
import { attributes, type CaseSpec, type CaseTable, constant, float, given, of, random } from './spec.ts';

/** An activation with its defaults, and once with other attributes. */
function activation(values: Parameters<typeof attributes>[0] = {}, dtypes?: readonly DType[]): CaseSpec[] {
  const other = Object.keys(values).length > 0;
  return [
    ...unary(-20, 20, dtypes),
    ...(other ? [of('attributes', [random([8], -3, 3)], { attributes: attributes(values) })] : []),
  ];
}

/** Operators of com.microsoft, for float32. */
function contrib(): CaseSpec[] {
  return [of('random', [random([3, 4], -4, 4)]), of('edges', [given([0, -0, 6, -6, 30, -30])])];
}

function biased(): CaseSpec[] {
  return [of('bias', [random([2, 3, 4], -4, 4), random([4])])];
}

export const activations: CaseTable<
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
  | 'com.microsoft.BiasGelu'
> = {
  Relu: [...activation({}, HALF_AND_DOUBLE), of('int32', [random([5], -9, 9, 'int32')])],
  LeakyRelu: activation({ alpha: float(0.3) }),
  PRelu: [
    of('one slope', [random([2, 3, 2]), constant([0.25], [1], 'float32')]),
    of('a slope for each channel', [random([2, 3, 2]), random([3, 1])]),
  ],
  Elu: activation({ alpha: float(0.5) }),
  Celu: activation({ alpha: float(0.5) }, []),
  Selu: activation({ alpha: float(1.2), gamma: float(0.7) }),
  Sigmoid: activation({}, HALF_AND_DOUBLE),
  HardSigmoid: activation({ alpha: float(0.4), beta: float(0.3) }),
  HardSwish: activation(),
  Swish: unary(-20, 20, HALF_AND_DOUBLE, 24),
  Softplus: activation(),
  Softsign: activation(),
  Mish: activation(),
  Shrink: activation({ lambd: float(1.5), bias: float(0.5) }),
  ThresholdedRelu: activation({ alpha: float(0.3) }),
  Clip: [
    of('both bounds', [random([6], -3, 3), constant([-1], [], 'float32'), constant([1.5], [], 'float32')]),
    of('lower bound', [random([6], -3, 3), constant([-1], [], 'float32')]),
    of('infinity without a bound', [given([Infinity, -Infinity]), constant([-1], [], 'float32')]),
    of('upper bound', [random([6], -3, 3), undefined, constant([1.5], [], 'float32')]),
    of('crossed bounds', [random([4], -3, 3), constant([1], [], 'float32'), constant([-1], [], 'float32')]),
    of('infinities and NaN', [
      given([Infinity, -Infinity, Number.NaN]),
      constant([-1], [], 'float32'),
      constant([1], [], 'float32'),
    ]),
    of('int64', [random([6], -9, 9, 'int64'), constant([-2], []), constant([5], [])]),
    of('nothing', [random([0]), constant([-1], [], 'float32')]),
  ],
  Erf: activation(),
  Gelu: [...unary(-20, 20), of('tanh', [random([8], -4, 4)], { attributes: attributes({ approximate: 'tanh' }) })],
  'com.microsoft.Gelu': contrib(),
  'com.microsoft.FastGelu': [...contrib(), ...biased()],
  'com.microsoft.QuickGelu': [
    ...contrib(),
    of('alpha', [random([5])], { attributes: attributes({ alpha: float(1) }) }),
  ],
  'com.microsoft.BiasGelu': biased(),
};
