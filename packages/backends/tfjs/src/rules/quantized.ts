import { attr, DTYPES, type DType, isFloat, sizeOf } from '@anneal/graph';
import type { Kernels, Tensor } from '../device/kernels.ts';
import { heldAs } from '../device/types.ts';
import type { Step } from '../plan.ts';
import { add, binary, cast, concat, div, mul, sliceAxis, sub, swapLast, unary } from './calc.ts';
import { bounded } from './elementwise.ts';
import { gatherAxis } from './indexing.ts';
import { product } from './linear.ts';
import { reduced } from './reductions.ts';
import { arg, axisAttribute, outputSlot, type Rule } from './rule.ts';

const clamped = (k: Kernels, x: Tensor, low: number, high: number): Tensor =>
  bounded(k, 'Minimum', bounded(k, 'Maximum', x, low), high);

/** The least and greatest number of an integer type. */
function limits(dtype: DType): readonly [number, number] {
  const { bits, kind } = DTYPES[dtype];
  return kind === 'uint' ? [0, 2 ** bits - 1] : [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1];
}

const float = (k: Kernels, x: Tensor): Tensor => cast(k, x, 'float32');

/** A scale or zero point: one for all, one along `axis`, or one for `block_size` elements along it. */
function spreadOver(k: Kernels, step: Step, x: Tensor, parameter: Tensor): Tensor {
  const values = float(k, parameter);
  if (sizeOf(values.shape) === 1 && values.shape.length <= 1) return k.alias(values, []);
  const axis = axisAttribute(step, x.shape.length, 1);
  const block = attr.int(step, 'block_size', 0);
  const dim = x.shape[axis] as number;
  if (block === 0) return k.alias(values, [dim, ...x.shape.slice(axis + 1).map(() => 1)]);
  const at = k.write(
    Int32Array.from({ length: dim }, (_, i) => Math.floor(i / block)),
    [dim],
    'int32',
  );
  return gatherAxis(k, values, at, axis);
}

const dequantizeLinear: Rule = (step) => (call) => {
  const { k, inputs } = call;
  const x = arg(call, 0);
  const centred = inputs[2] === undefined ? float(k, x) : sub(k, float(k, x), spreadOver(k, step, x, inputs[2]));
  return mul(k, centred, spreadOver(k, step, x, arg(call, 1)));
};

/** Rounds half to even and saturates. */
const quantizeLinear: Rule = (step) => {
  const { dtype } = outputSlot(step);
  const [low, high] = limits(dtype);
  return (call) => {
    const { k, inputs } = call;
    const x = arg(call, 0);
    const rounded = unary(k, 'Round', div(k, x, spreadOver(k, step, x, arg(call, 1))));
    const level = inputs[2] === undefined ? rounded : add(k, rounded, spreadOver(k, step, x, inputs[2]));
    return cast(k, clamped(k, level, low, high), heldAs(dtype) ?? 'int32');
  };
};

interface Quantized {
  /** Codes from 0 to 255, as floats. */
  readonly levels: Tensor;
  readonly scale: Tensor;
  readonly zero: Tensor;
}

/** Affine 8-bit codes over the range of the whole tensor, widened to hold zero. */
function dynamicQuantize(k: Kernels, x: Tensor): Quantized {
  const flat = k.alias(x, [sizeOf(x.shape)]);
  const end = (kernel: 'Max' | 'Min', join: 'Maximum' | 'Minimum'): Tensor =>
    binary(k, join, k.alias(reduced(k, kernel, flat, [0]), []), 0);
  const [low, high] = [end('Min', 'Minimum'), end('Max', 'Maximum')];
  const range = div(k, sub(k, high, low), 255);
  const scale = add(k, range, cast(k, binary(k, 'Equal', range, 0), 'float32'));
  const zero = clamped(k, unary(k, 'Round', div(k, unary(k, 'Neg', low), scale)), 0, 255);
  return { levels: clamped(k, add(k, unary(k, 'Round', div(k, x, scale)), zero), 0, 255), scale, zero };
}

const dynamicQuantizeLinear: Rule = (step) => (call) => {
  const { k } = call;
  const { levels, scale, zero } = dynamicQuantize(k, arg(call, 0));
  const results = [cast(k, levels, 'int32'), scale, cast(k, zero, 'int32')];
  return results.filter((_, i) => step.outputs[i] !== undefined);
};

/** Subtracts a zero point: one for all, one a row, or one a column. */
function centred(k: Kernels, x: Tensor, zero: Tensor | undefined, by: 'row' | 'column'): Tensor {
  const values = float(k, x);
  if (zero === undefined) return values;
  const shift = float(k, zero);
  if (sizeOf(shift.shape) === 1) return sub(k, values, k.alias(shift, []));
  return sub(k, values, by === 'row' ? k.alias(shift, [...shift.shape, 1]) : batched(k, shift, x.shape.length));
}

/** A zero point for every matrix of a batch has the batch's axes in front. */
function batched(k: Kernels, shift: Tensor, rank: number): Tensor {
  if (shift.shape.length === 1 || shift.shape.length >= rank) return shift;
  return k.alias(shift, [...shift.shape.slice(0, -1), 1, shift.shape.at(-1) as number]);
}

/** Products of 8-bit codes that a float adds up exactly: 255² · 256 < 2^24. */
const EXACT = 256;

/** A product of whole numbers, exact: the parts are added as integers. */
function exactProduct(k: Kernels, a: Tensor, b: Tensor): Tensor {
  const inner = a.shape.at(-1) as number;
  let sum: Tensor | undefined;
  for (let from = 0; from < inner; from += EXACT) {
    const size = Math.min(EXACT, inner - from);
    const part = product(
      k,
      sliceAxis(k, a, a.shape.length - 1, from, size),
      sliceAxis(k, b, Math.max(0, b.shape.length - 2), from, size),
    );
    const whole = cast(k, part, 'int32');
    sum = sum === undefined ? whole : add(k, sum, whole);
  }
  return sum ?? cast(k, product(k, a, b), 'int32');
}

const matMulInteger: Rule = () => (call) => {
  const { k, inputs } = call;
  return exactProduct(k, centred(k, arg(call, 0), inputs[2], 'row'), centred(k, arg(call, 1), inputs[3], 'column'));
};

/** Scales columns of a product and adds a bias. */
function rescaled(k: Kernels, out: Tensor, scale: Tensor, columns: Tensor, bias: Tensor | undefined): Tensor {
  const factor = sizeOf(columns.shape) === 1 ? k.alias(columns, []) : columns;
  const result = mul(k, out, mul(k, sizeOf(scale.shape) === 1 ? k.alias(scale, []) : scale, factor));
  return bias === undefined ? result : add(k, result, bias);
}

/** Operands: A, B, scale of A, scale of B, zero points of A and B, bias. */
const matMulIntegerToFloat: Rule = () => (call) => {
  const { k, inputs } = call;
  const [a, b] = [centred(k, arg(call, 0), inputs[4], 'row'), centred(k, arg(call, 1), inputs[5], 'column')];
  return rescaled(k, product(k, a, b), arg(call, 2), arg(call, 3), inputs[6]);
};

/** A in floats, quantised as it comes, times int8 columns with their scales. */
function dynamicProduct(
  k: Kernels,
  x: Tensor,
  weight: Tensor,
  columns: Tensor,
  zeroPoint?: Tensor,
  bias?: Tensor,
): Tensor {
  const { levels, scale, zero } = dynamicQuantize(k, x);
  const out = product(k, sub(k, levels, zero), centred(k, weight, zeroPoint, 'column'));
  return rescaled(k, out, scale, columns, bias);
}

const dynamicQuantizeMatMul: Rule = () => (call) =>
  dynamicProduct(call.k, arg(call, 0), arg(call, 1), arg(call, 2), call.inputs[3], call.inputs[4]);

/** Operands: A; B and its scale; what the gradient needs. */
const int8Linear: Rule = (step) => {
  const rowwise = attr.int(step, 'rowwise', 0) === 1;
  return (call) => {
    const { k } = call;
    const [x, weight, scale] = [arg(call, 0), arg(call, 1), arg(call, 2)];
    if (!rowwise) return dynamicProduct(k, x, weight, scale);
    const top = reduced(k, 'Max', unary(k, 'Abs', x), [x.shape.length - 1]);
    const largest = bounded(k, 'Maximum', top, 1e-30);
    return mul(k, dynamicProduct(k, div(k, x, largest), weight, scale), largest);
  };
};

/** Codes of `bits` bits, little end first, as floats: the last axis of bytes becomes one of codes. */
function unpacked(k: Kernels, bytes: Tensor, bits: number): Tensor {
  let rest = float(k, bytes);
  if (bits === 8) return rest;
  const range = 2 ** bits;
  const codes: Tensor[] = [];
  for (let i = 0; i < 8 / bits; i++) {
    const high = unary(k, 'Floor', div(k, rest, range));
    const low = sub(k, rest, mul(k, high, range));
    codes.push(k.alias(low, [...low.shape, 1]));
    rest = high;
  }
  const joined = concat(k, codes, bytes.shape.length);
  return k.alias(joined, [...bytes.shape.slice(0, -1), (bytes.shape.at(-1) as number) * codes.length]);
}

/** `A @ dequantize(B)ᵀ`: row `n` of B is blocks of codes, each with a scale and a zero point (by default the middle). */
const matMulNBits: Rule = (step) => {
  const [size, rows] = [attr.int(step, 'K', 0), attr.int(step, 'N', 0)];
  const [bits, block] = [attr.int(step, 'bits', 4), attr.int(step, 'block_size', 32)];
  const blocks = Math.ceil(size / block);
  return (call) => {
    const { k, inputs } = call;
    const [a, b] = [arg(call, 0), arg(call, 1)];
    const [, , , zeros, groups, bias] = inputs;
    const codes = sliceAxis(k, k.alias(unpacked(k, b, bits), [rows, blocks * block]), 1, 0, size);
    const at =
      groups ??
      k.write(
        Int32Array.from({ length: size }, (_, i) => Math.floor(i / block)),
        [size],
        'int32',
      );
    const ofBlocks = (values: Tensor): Tensor => gatherAxis(k, k.alias(values, [rows, blocks]), at, 1);
    const middle = (): Tensor => k.scalar(2 ** (bits - 1));
    const zero = zeros === undefined ? middle() : ofBlocks(zerosOf(k, step, zeros, bits, rows, blocks));
    const weight = mul(k, sub(k, codes, zero), ofBlocks(arg(call, 2)));
    const out = product(k, a, swapLast(k, weight));
    return bias === undefined ? out : add(k, out, bias);
  };
};

/** Zero points are floats, or packed like the codes in whole bytes a row. */
function zerosOf(k: Kernels, step: Step, zeros: Tensor, bits: number, rows: number, blocks: number): Tensor {
  if (isFloat(step.inputTypes[3]?.dtype ?? 'uint8')) return zeros;
  const bytes = Math.ceil((blocks * bits) / 8);
  return sliceAxis(k, unpacked(k, k.alias(zeros, [rows, bytes]), bits), 1, 0, blocks);
}

export const quantized: Record<
  | 'DequantizeLinear'
  | 'QuantizeLinear'
  | 'DynamicQuantizeLinear'
  | 'MatMulInteger'
  | 'com.microsoft.MatMulIntegerToFloat'
  | 'com.microsoft.DynamicQuantizeMatMul'
  | 'anneal.Int8Linear'
  | 'com.microsoft.MatMulNBits',
  Rule
> = {
  DequantizeLinear: dequantizeLinear,
  QuantizeLinear: quantizeLinear,
  DynamicQuantizeLinear: dynamicQuantizeLinear,
  MatMulInteger: matMulInteger,
  'com.microsoft.MatMulIntegerToFloat': matMulIntegerToFloat,
  'com.microsoft.DynamicQuantizeMatMul': dynamicQuantizeMatMul,
  'anneal.Int8Linear': int8Linear,
  'com.microsoft.MatMulNBits': matMulNBits,
};
