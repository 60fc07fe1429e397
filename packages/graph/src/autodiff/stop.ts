import { opKey } from '../infer/index.ts';
import { innerGraphs } from '../inner-graphs.ts';
import type { Node } from '../ir.ts';
import { ruleOf } from './rules/index.ts';
import type { Stop } from './types.ts';

const zero = (reason: string): Stop => ({ kind: 'zero', reason });
const error = (reason: string, fix?: string): Stop => ({ kind: 'error', reason, fix });

const COMPARISON = zero('a comparison is constant almost everywhere');
const BITS = zero('it works on bits');
const SHAPE = zero('it depends on the shape only');
const INDEX = zero('indices are constant almost everywhere');
const QUANTIZED = 'integer arithmetic has no derivative';
const RECURRENT = error('recurrent layers have no rule', 'freeze what lies below it');
const DEQUANTIZE = 'rewrite it to DequantizeLinear and MatMul, or freeze what lies below';

/** Operators without a rule, and why. Together with the rules these are all operators that `INFER` knows. */
export const STOP: Readonly<Record<StopOp, Stop>> = {
  And: COMPARISON,
  ArgMax: INDEX,
  ArgMin: INDEX,
  BitShift: BITS,
  BitwiseAnd: BITS,
  BitwiseNot: BITS,
  BitwiseOr: BITS,
  BitwiseXor: BITS,
  Constant: zero('a constant depends on nothing'),
  ConstantOfShape: SHAPE,
  Equal: COMPARISON,
  EyeLike: SHAPE,
  Greater: COMPARISON,
  GreaterOrEqual: COMPARISON,
  Hardmax: INDEX,
  IsInf: COMPARISON,
  IsNaN: COMPARISON,
  Less: COMPARISON,
  LessOrEqual: COMPARISON,
  NonZero: INDEX,
  Not: COMPARISON,
  Or: COMPARISON,
  Shape: SHAPE,
  Sign: zero('it is constant almost everywhere'),
  Size: SHAPE,
  Xor: COMPARISON,
  'anneal.StopGradient': zero('its gradient is cut on purpose'),

  DynamicQuantizeLinear: error(QUANTIZED, DEQUANTIZE),
  GRU: RECURRENT,
  LSTM: RECURRENT,
  RNN: RECURRENT,
  LRN: error('local response normalisation has no rule', 'freeze what lies below it'),
  MatMulInteger: error(QUANTIZED, DEQUANTIZE),
  Mod: error(
    'it jumps at every multiple of the divisor',
    'write x - floor(x / n) * n, whose floor passes straight through',
  ),
  OneHot: error('its on and off values have no rule', 'build it from Equal, Cast and Mul'),
  Range: error('its length depends on its values'),
  'com.microsoft.MatMulIntegerToFloat': error(QUANTIZED, DEQUANTIZE),
};

/** An operator without a gradient. */
export type StopOp =
  | 'GRU'
  | 'LSTM'
  | 'RNN'
  | 'And'
  | 'ArgMax'
  | 'ArgMin'
  | 'BitShift'
  | 'BitwiseAnd'
  | 'BitwiseNot'
  | 'BitwiseOr'
  | 'BitwiseXor'
  | 'Constant'
  | 'ConstantOfShape'
  | 'DynamicQuantizeLinear'
  | 'Equal'
  | 'EyeLike'
  | 'Greater'
  | 'GreaterOrEqual'
  | 'Hardmax'
  | 'IsInf'
  | 'IsNaN'
  | 'LRN'
  | 'Less'
  | 'LessOrEqual'
  | 'MatMulInteger'
  | 'Mod'
  | 'NonZero'
  | 'Not'
  | 'OneHot'
  | 'Or'
  | 'Range'
  | 'Shape'
  | 'Sign'
  | 'Size'
  | 'Xor'
  | 'anneal.StopGradient'
  | 'com.microsoft.MatMulIntegerToFloat';

const RANDOM = zero('random draws depend on the shape only');
const SELECTION = 'how many elements it gives depends on their values';

/** Operators of ai.onnx that have no type rule either. */
const UNTYPED: Readonly<Record<string, Stop>> = {
  Bernoulli: zero('a draw is constant almost everywhere'),
  Compress: error(SELECTION, 'multiply by the condition, cast to a float, and keep the shape'),
  Multinomial: zero('a draw is constant almost everywhere'),
  RandomNormal: RANDOM,
  RandomNormalLike: RANDOM,
  RandomUniform: RANDOM,
  RandomUniformLike: RANDOM,
  Unique: error(SELECTION),
};

const UNKNOWN = error(
  'no rule is known for this operator',
  'freeze what lies below it, or rewrite it to operators that have one (defineRewrite)',
);

const BRANCH = error(
  'what it runs is decided while the model runs',
  'fix what it depends on when reading the model: readOnnx(source, { inputs: { use_cache_branch: … } })',
);
const LOOP = error(
  'how often it runs is decided while the model runs',
  'export the model with the loop unrolled, or freeze what lies below it',
);

/** Why a node has no gradient; `undefined` when it has a rule. */
export function stopOf(node: Node): Stop | undefined {
  const key = opKey(node.domain, node.op);
  if (Object.hasOwn(STOP, key)) return STOP[key as StopOp];
  if (ruleOf(node)) return undefined;
  if (Object.hasOwn(UNTYPED, key)) return UNTYPED[key];
  if (innerGraphs(node).length === 0) return UNKNOWN;
  return node.op === 'If' ? BRANCH : LOOP;
}
