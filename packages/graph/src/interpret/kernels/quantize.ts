import { isFloat } from '../../dtype.ts';
import { decodeFloat, encodeFloat, isSmallFloat, roundHalfEven } from '../../float16.ts';
import { attr } from '../../ir.ts';
import { integerRange, type NdArray } from '../array.ts';
import { arg, type Call, type Kernel, outputDType, type Result } from '../kernel.ts';
import { resolveAxis, stridesOf } from '../strided.ts';
import { product } from './linear.ts';

/**
 * For each element of `x`, which element of `parameter` belongs to it: one for all, one along `axis`, or one for
 * `block_size` elements along `axis`.
 */
function parameterIndex(call: Call, x: NdArray, parameter: NdArray): (i: number) => number {
  if (parameter.data.length === 1 && parameter.shape.length <= 1) return () => 0;
  const axis = resolveAxis(call.node.op, attr.int(call.node, 'axis', 1), x.shape.length);
  const strides = stridesOf(x.shape);
  const [stride, dim] = [strides[axis] as number, x.shape[axis] as number];
  const block = attr.int(call.node, 'block_size', 0);
  if (block === 0) return (i) => Math.floor(i / stride) % dim;
  const blocks = parameter.shape[axis] as number;
  return (i) => {
    const [outer, at, inner] = [Math.floor(i / (stride * dim)), Math.floor(i / stride) % dim, i % stride];
    return (outer * blocks + Math.floor(at / block)) * stride + inner;
  };
}

const dequantizeLinear: Kernel = (call): Result => {
  const [x, scale, zero] = [arg(call, 0), arg(call, 1), call.inputs[2]];
  const which = parameterIndex(call, x, scale);
  const data = x.data.map((value, i) => (value - (zero?.data[which(i)] ?? 0)) * (scale.data[which(i)] as number));
  return { shape: x.shape, data };
};

/** Rounds half to even and saturates; runtimes divide in float32, which decides what is a tie. */
const quantizeLinear: Kernel = (call): Result => {
  const [x, scale, zero] = [arg(call, 0), arg(call, 1), call.inputs[2]];
  const which = parameterIndex(call, x, scale);
  const dtype = outputDType(call);
  const saturate = attr.int(call.node, 'saturate', 1) === 1;
  const [low, high] = integerRange(dtype);
  const data = x.data.map((value, i) => {
    const ratio = Math.fround(value / (scale.data[which(i)] as number));
    if (isSmallFloat(dtype)) return decodeFloat(encodeFloat(ratio, dtype, saturate), dtype);
    const level = roundHalfEven(ratio) + (zero?.data[which(i)] ?? 0);
    return Math.min(Math.max(level, low), high);
  });
  return { shape: x.shape, data };
};

interface Quantized {
  readonly levels: NdArray;
  readonly scale: number;
  readonly zero: number;
}

/** Affine 8-bit codes over the range of the whole tensor, widened to hold zero, in float32 as the specification has it. */
function dynamicQuantize(x: NdArray): Quantized {
  const low = x.data.reduce((a, b) => Math.min(a, b), 0);
  const high = x.data.reduce((a, b) => Math.max(a, b), 0);
  const scale = low === high ? 1 : Math.fround(Math.fround(high - low) / 255);
  const clamp = (v: number): number => Math.min(Math.max(v, 0), 255);
  const zero = clamp(roundHalfEven(Math.fround(-low / scale)));
  const data = x.data.map((v) => clamp(roundHalfEven(Math.fround(v / scale)) + zero));
  return { levels: { dtype: 'uint8', shape: x.shape, data }, scale, zero };
}

const dynamicQuantizeLinear: Kernel = (call): Result[] => {
  const { levels, scale, zero } = dynamicQuantize(arg(call, 0));
  return [levels, { shape: [], data: Float64Array.of(scale) }, { shape: [], data: Float64Array.of(zero) }];
};

/** Subtracts a zero point: one for all, one a row, or one a column. */
function centred(x: NdArray, zero: NdArray | undefined, by: 'row' | 'column'): NdArray {
  if (zero === undefined) return x;
  const [rows, columns] = [x.shape.at(-2) ?? 1, x.shape.at(-1) ?? 1];
  const data = x.data.map((value, i) => {
    const [row, column, matrix] = [Math.floor(i / columns) % rows, i % columns, Math.floor(i / (rows * columns))];
    const own = by === 'row' ? row : column;
    const count = by === 'row' ? rows : columns;
    // A zero point a matrix of a batch has the batch's axes in front.
    const at = zero.data.length === 1 ? 0 : (matrix * count + own) % zero.data.length;
    return value - (zero.data[at] as number);
  });
  return { dtype: x.dtype, shape: x.shape, data };
}

/** Scales columns of a product and adds a bias. */
function rescale(out: Result, scale: number, columns: NdArray, bias: NdArray | undefined): Result {
  const n = out.shape.at(-1) ?? 1;
  const data = out.data.map((value, i) => {
    const factor = columns.data[columns.data.length === 1 ? 0 : i % n] as number;
    return value * scale * factor + (bias?.data[i % n] ?? 0);
  });
  return { shape: out.shape, data };
}

const matMulInteger: Kernel = (call) =>
  product(call, centred(arg(call, 0), call.inputs[2], 'row'), centred(arg(call, 1), call.inputs[3], 'column'));

/** Inputs: A, B, scale of A, scale of B, zero points of A and B, bias. */
const matMulIntegerToFloat: Kernel = (call) => {
  const out = product(
    call,
    centred(arg(call, 0), call.inputs[4], 'row'),
    centred(arg(call, 1), call.inputs[5], 'column'),
  );
  return rescale(out, arg(call, 2).data[0] as number, arg(call, 3), call.inputs[6]);
};

/** A in floats, quantised on the fly, times int8 columns of input 1 with the scales of input 2. */
function dynamicProduct(call: Parameters<Kernel>[0], zeroPoint?: NdArray, bias?: NdArray): Result {
  const { levels, scale, zero } = dynamicQuantize(arg(call, 0));
  const a = { ...levels, data: levels.data.map((v) => v - zero) };
  return rescale(product(call, a, centred(arg(call, 1), zeroPoint, 'column')), scale, arg(call, 2), bias);
}

/** Inputs: A; B, its scale, its zero point, bias. */
const dynamicQuantizeMatMul: Kernel = (call) => dynamicProduct(call, call.inputs[3], call.inputs[4]);

/** Inputs: A; B and its scale; what the gradient needs. */
const int8Linear: Kernel = (call) => {
  if (attr.int(call.node, 'rowwise', 0) === 0) return dynamicProduct(call);
  const [x, ...others] = call.inputs as [NdArray, ...NdArray[]];
  const width = x.shape.at(-1) as number;
  const row = (i: number): number => Math.floor(i / width);
  const largest = new Float64Array(x.data.length / width).fill(1e-30);
  x.data.forEach((v, i) => (largest[row(i)] = Math.max(largest[row(i)] as number, Math.abs(v))));
  const unit: NdArray = { ...x, data: x.data.map((v, i) => v / (largest[row(i)] as number)) };
  const out = dynamicProduct({ ...call, inputs: [unit, ...others] });
  const columns = out.shape.at(-1) as number;
  return { shape: out.shape, data: out.data.map((v, i) => v * (largest[Math.floor(i / columns)] as number)) };
};

/**
 * `A @ dequantize(B)ᵀ` where row `n` of B is blocks of `block_size` codes of `bits` bits, little end first, each block
 * with a scale and a zero point (by default the middle code).
 */
const matMulNBits: Kernel = (call): Result => {
  const { node } = call;
  const [a, b, scales, zeros, groups, bias] = [arg(call, 0), arg(call, 1), arg(call, 2), ...call.inputs.slice(3, 6)];
  const [k, n] = [attr.int(node, 'K', 0), attr.int(node, 'N', 0)];
  const [bits, block] = [attr.int(node, 'bits', 4), attr.int(node, 'block_size', 32)];
  const blocks = Math.ceil(k / block);
  const perByte = 8 / bits;
  const code = (bytes: NdArray, rowBytes: number, row: number, i: number): number =>
    ((bytes.data[row * rowBytes + Math.floor(i / perByte)] as number) >> ((i % perByte) * bits)) & (2 ** bits - 1);
  const zeroOf = (row: number, at: number): number => {
    if (zeros === undefined) return 2 ** (bits - 1);
    if (isFloat(zeros.dtype)) return zeros.data[row * blocks + at] as number;
    return code(zeros, Math.ceil(blocks / perByte), row, at);
  };
  const data = new Float64Array(k * n);
  for (let row = 0; row < n; row++) {
    for (let i = 0; i < k; i++) {
      const at = groups ? (groups.data[i] as number) : Math.floor(i / block);
      const level = code(b, (blocks * block) / perByte, row, i) - zeroOf(row, at);
      data[i * n + row] = level * (scales.data[row * blocks + at] as number);
    }
  }
  const out = product(call, a, { dtype: a.dtype, shape: [k, n], data });
  if (bias === undefined) return out;
  return { shape: out.shape, data: out.data.map((v, i) => v + (bias.data[i % n] as number)) };
};

export const quantization: Record<
  | 'MatMulInteger'
  | 'DynamicQuantizeLinear'
  | 'DequantizeLinear'
  | 'QuantizeLinear'
  | 'com.microsoft.DynamicQuantizeMatMul'
  | 'com.microsoft.MatMulIntegerToFloat'
  | 'com.microsoft.MatMulNBits'
  | 'anneal.Int8Linear',
  Kernel
> = {
  MatMulInteger: matMulInteger,
  DynamicQuantizeLinear: dynamicQuantizeLinear,
  DequantizeLinear: dequantizeLinear,
  QuantizeLinear: quantizeLinear,
  'com.microsoft.DynamicQuantizeMatMul': dynamicQuantizeMatMul,
  'com.microsoft.MatMulIntegerToFloat': matMulIntegerToFloat,
  'com.microsoft.MatMulNBits': matMulNBits,
  'anneal.Int8Linear': int8Linear,
};
