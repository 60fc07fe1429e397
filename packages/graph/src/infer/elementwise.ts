import { type DType, dtypeFromOnnx } from '../dtype.ts';
import { GraphError } from '../error.ts';
import { attr } from '../ir.ts';
import { broadcastAll, type InferRule, required, sameDType, shapeError } from './types.ts';

const unary: InferRule = (ctx) => [{ dtype: required(ctx, 0).dtype, shape: required(ctx, 0).shape }];

const broadcast: InferRule = (ctx) => {
  const values = ctx.inputs.map((_, i) => required(ctx, i));
  return [{ dtype: sameDType(ctx, values), shape: broadcastAll(ctx, values) }];
};

const predicate: InferRule = (ctx) => {
  const values = ctx.inputs.map((_, i) => required(ctx, i));
  sameDType(ctx, values);
  return [{ dtype: 'bool', shape: broadcastAll(ctx, values) }];
};

const toBool: InferRule = (ctx) => [{ dtype: 'bool', shape: required(ctx, 0).shape }];

/** Base and exponent may differ in dtype; the base decides. */
const pow: InferRule = (ctx) => [
  { dtype: required(ctx, 0).dtype, shape: broadcastAll(ctx, [required(ctx, 0), required(ctx, 1)]) },
];

const where: InferRule = (ctx) => {
  const [condition, x, y] = [required(ctx, 0), required(ctx, 1), required(ctx, 2)];
  if (condition.dtype !== 'bool') {
    throw new GraphError('ANNEAL_E_DTYPE', `Where: the condition must be bool, received ${condition.dtype}`);
  }
  return [{ dtype: sameDType(ctx, [x, y]), shape: broadcastAll(ctx, [condition, x, y]) }];
};

const cast: InferRule = (ctx) => {
  const code = attr.int(ctx, 'to', 0);
  const dtype: DType | undefined = dtypeFromOnnx(code);
  if (dtype === undefined) throw new GraphError('ANNEAL_E_DTYPE', `Cast: unknown element type ${code}`);
  return [{ dtype, shape: required(ctx, 0).shape }];
};

const dropout: InferRule = (ctx) => {
  const x = required(ctx, 0);
  return [
    { dtype: x.dtype, shape: x.shape },
    { dtype: 'bool', shape: x.shape },
  ];
};

/** The element type is an attribute, or that of the input. */
const eyeLike: InferRule = (ctx) => [
  { dtype: dtypeFromOnnx(attr.int(ctx, 'dtype', 0)) ?? required(ctx, 0).dtype, shape: required(ctx, 0).shape },
];

const UNARY_OPS = [
  'Abs',
  'Acos',
  'Acosh',
  'Asin',
  'Asinh',
  'Atan',
  'Atanh',
  'BitwiseNot',
  'Ceil',
  'Celu',
  'Clip',
  'Cos',
  'Cosh',
  'CumSum',
  'Elu',
  'Erf',
  'Exp',
  'Floor',
  'Gelu',
  'HardSigmoid',
  'HardSwish',
  'Hardmax',
  'Identity',
  'LeakyRelu',
  'Log',
  'LogSoftmax',
  'LpNormalization',
  'MeanVarianceNormalization',
  'Mish',
  'Neg',
  'Reciprocal',
  'Relu',
  'Round',
  'Selu',
  'Shrink',
  'Sigmoid',
  'Sign',
  'Sin',
  'Sinh',
  'Softmax',
  'Softplus',
  'Softsign',
  'Sqrt',
  'Swish',
  'Tan',
  'Tanh',
  'ThresholdedRelu',
  'Trilu',
  'Not',
  'LRN',
  'InstanceNormalization',
  'GroupNormalization',
  'PRelu',
  'com.microsoft.Gelu',
  'com.microsoft.FastGelu',
  'com.microsoft.QuickGelu',
  'com.microsoft.BiasGelu',
  'anneal.StopGradient',
] as const;

const BROADCAST_OPS = [
  'Add',
  'Sub',
  'Mul',
  'Div',
  'Max',
  'Min',
  'Mean',
  'Sum',
  'Mod',
  'And',
  'Or',
  'Xor',
  'BitwiseAnd',
  'BitwiseOr',
  'BitwiseXor',
  'BitShift',
] as const;

const PREDICATES = ['Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual'] as const;

/** Inputs: a scalar, what it has a derivative by, and the derivative. */
const withGradient: InferRule = (ctx) => {
  const [value, x, gradient] = [required(ctx, 0), required(ctx, 1), required(ctx, 2)];
  if (value.rank !== 0) throw shapeError(ctx, 'only a scalar can be given a gradient');
  if (gradient.shape.join() !== x.shape.join()) throw shapeError(ctx, 'the gradient must be like what it belongs to');
  return [{ dtype: value.dtype, shape: value.shape }];
};

function all<K extends string>(keys: readonly K[], rule: InferRule): Record<K, InferRule> {
  return Object.fromEntries(keys.map((key) => [key, rule])) as Record<K, InferRule>;
}

export const elementwise: Record<
  | (typeof UNARY_OPS)[number]
  | (typeof BROADCAST_OPS)[number]
  | (typeof PREDICATES)[number]
  | 'IsNaN'
  | 'IsInf'
  | 'Pow'
  | 'Where'
  | 'Cast'
  | 'Dropout'
  | 'EyeLike'
  | 'anneal.WithGradient',
  InferRule
> = {
  ...all(UNARY_OPS, unary),
  ...all(BROADCAST_OPS, broadcast),
  ...all(PREDICATES, predicate),
  IsNaN: toBool,
  IsInf: toBool,
  Pow: pow,
  Where: where,
  Cast: cast,
  Dropout: dropout,
  EyeLike: eyeLike,
  'anneal.WithGradient': withGradient,
};
