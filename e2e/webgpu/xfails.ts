/** Operators that have a kernel in half precision, which SwiftShader has not: a graphics card has. */
const HALF =
  `Abs Acos Acosh Asin Asinh Atan Atanh Ceil Cos Cosh Exp Floor Log Neg Reciprocal Round Sign Sin Sinh Sqrt Tan Tanh
Add Sub Mul Div Max Min Equal Greater GreaterOrEqual Less LessOrEqual Relu LeakyRelu Elu Sigmoid HardSigmoid HardSwish Swish
Softplus Mish ThresholdedRelu Erf Gelu ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSum
ReduceLogSumExp ReduceSumSquare`.split(/\s+/);

const NO_HALF = 'SwiftShader has no half precision';
/** https://www.w3.org/TR/WGSL/#floating-point-evaluation. */
const NO_NAN = 'WGSL promises neither NaN nor infinities';
const INEXACT = 'WGSL allows an error of 2^-11';
const SKIPS_NAN = 'the kernel skips NaN';
const NO_INT8 = 'products of bytes are for the CPU';

/** What the WebGPU provider is known to fail, on SwiftShader. */
export const XFAILS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(HALF.map((op) => [`${op}: float16`, NO_HALF])),
  'Cast: float16 to int32': NO_HALF,
  'Cast: float32 to float16': NO_HALF,
  'DequantizeLinear: to float16': NO_HALF,
  'Acos: edges': INEXACT,
  'Acos: random': INEXACT,
  'Acos: scalar': INEXACT,
  'Cos: edges': INEXACT,
  'Cos: random': INEXACT,
  'Cos: scalar': INEXACT,
  'Sin: edges': INEXACT,
  'Sin: random': INEXACT,
  'Tan: random': INEXACT,
  'Tan: scalar': INEXACT,
  'Acosh: infinities and NaN': NO_NAN,
  'Asinh: infinities and NaN': NO_NAN,
  'Atanh: infinities and NaN': NO_NAN,
  'Clip: infinities and NaN': NO_NAN,
  'Cosh: infinities and NaN': NO_NAN,
  'Elu: infinities and NaN': NO_NAN,
  'Exp: infinities and NaN': NO_NAN,
  'HardSigmoid: infinities and NaN': NO_NAN,
  'Log: edges': NO_NAN,
  'Log: infinities and NaN': NO_NAN,
  'Pow: special': NO_NAN,
  'ReduceLogSumExp: infinities': NO_NAN,
  'Relu: infinities and NaN': NO_NAN,
  'Sigmoid: infinities and NaN': NO_NAN,
  'Softmax: NaN': NO_NAN,
  'Softmax: masked altogether': NO_NAN,
  'Softplus: infinities and NaN': NO_NAN,
  'ReduceMax: NaN': SKIPS_NAN,
  'ReduceMin: NaN': SKIPS_NAN,
  'BatchNormalization: training': 'no kernel, and the provider takes it',
  'LRN: even size': 'the kernel refuses it',
  'MaxPool: positions': 'no kernel, and the provider takes it',
  'MaxPool: positions by columns': 'no kernel, and the provider takes it',
  'anneal.Int8Linear: *': NO_INT8,
};
