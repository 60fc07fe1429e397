import { describe, expect, it } from 'vitest';
import { VJP } from '../src/autodiff/rules/index.ts';
import { STOP, stopOf } from '../src/autodiff/stop.ts';
import { DEQUANTIZATIONS, EXPANSIONS } from '../src/canonicalize/composites/index.ts';
import { INFER } from '../src/infer/index.ts';
import { elementwiseCases } from './autodiff/cases-elementwise.ts';
import { linearCases } from './autodiff/cases-linear.ts';
import { movementCases } from './autodiff/cases-movement.ts';
import { reduceCases } from './autodiff/cases-reduce.ts';
import { spatialCases } from './autodiff/cases-spatial.ts';
import { checkGradients, operatorsOf } from './autodiff/harness.ts';

const cases = [...elementwiseCases, ...reduceCases, ...linearCases, ...movementCases, ...spatialCases];

describe('gradients against central differences', () => {
  it.each(cases)('$name', (given) => {
    checkGradients(given);
  });
});

const names = (text: string): string[] => text.split(' ').map((name) => name.replace('ms.', 'com.microsoft.'));

/** What models that are trained consist of: GPT-2, Llama, BERT, ViT, CLIP and Whisper, as their exporters write them. */
const CORE = names(
  'MatMul Gemm ms.FusedMatMul Conv ms.MatMulNBits DequantizeLinear QuantizeLinear Add Sub Mul Div Neg Pow Sqrt ' +
    'Reciprocal Exp Log Abs Min Max Sum Mean Clip Where Cast Identity Floor Round Relu Sigmoid Tanh Erf Gelu ms.Gelu ' +
    'ms.FastGelu ms.QuickGelu ms.BiasGelu ReduceSum ReduceMean ReduceMax ReduceL2 Softmax LogSoftmax ' +
    'LayerNormalization SimplifiedLayerNormalization RMSNormalization Reshape Flatten Transpose Squeeze Unsqueeze ' +
    'Expand Tile Concat Split Slice Pad Gather GatherElements ScatterElements Trilu MaxPool AveragePool ' +
    'GlobalAveragePool Dropout ms.RotaryEmbedding RotaryEmbedding',
);
const MORE = names(
  'Einsum ConvTranspose Sin Cos LeakyRelu PRelu HardSigmoid HardSwish Swish Softplus Elu Mish ReduceMin ' +
    'ReduceSumSquare ReduceLogSumExp LpNormalization InstanceNormalization GroupNormalization BatchNormalization ' +
    'GatherND ScatterND CumSum TopK Resize DepthToSpace SpaceToDepth',
);
const BY_REWRITING = names(
  'ms.GroupQueryAttention ms.MultiHeadAttention ms.Attention Attention ms.EmbedLayerNormalization ' +
    'ms.SkipLayerNormalization ms.SkipSimplifiedLayerNormalization ms.GatherBlockQuantized',
);
const STOPPED = names(
  'Sign Shape Size Constant ConstantOfShape Range Equal Greater GreaterOrEqual Less LessOrEqual And Or Not Xor ArgMax ' +
    'ArgMin NonZero OneHot IsNaN IsInf Mod EyeLike Unique Compress RandomNormal RandomNormalLike RandomUniform ' +
    'RandomUniformLike Bernoulli Multinomial BitShift BitwiseAnd BitwiseOr BitwiseNot BitwiseXor DynamicQuantizeLinear',
);

describe('the tables', () => {
  it('have the operators of language and vision models', () => {
    const roots = new Set([...EXPANSIONS, ...DEQUANTIZATIONS].flatMap((rule) => rule.roots));
    expect([...CORE, ...MORE].filter((key) => !Object.hasOwn(VJP, key))).toEqual([]);
    expect(BY_REWRITING.filter((key) => !roots.has(key))).toEqual([]);
    const plain = { domain: '', inputs: [], outputs: [], attributes: {}, scope: '' };
    const unknown = stopOf({ ...plain, op: 'Mystery' });
    expect(STOPPED.filter((op) => [undefined, unknown].includes(stopOf({ ...plain, op })))).toEqual([]);
  });

  it('give every operator a rule or a reason, never both', () => {
    expect([...Object.keys(VJP), ...Object.keys(STOP)].sort()).toEqual(Object.keys(INFER).sort());
  });

  it('have a case for every rule', () => {
    const covered = new Set(cases.flatMap((given) => [...operatorsOf(given)]));
    // What rounds has no slope to compare with, and one gradient is what is said: autodiff-values.test.ts,
    // int8-linears.test.ts and cross-entropy.test.ts have theirs.
    const rounding = [
      'Ceil',
      'Floor',
      'Round',
      'QuantizeLinear',
      'com.microsoft.DynamicQuantizeMatMul',
      'anneal.Int8Linear',
      'anneal.WithGradient',
    ];
    expect(Object.keys(VJP).filter((key) => !covered.has(key) && !rounding.includes(key))).toEqual([]);
  });
});
