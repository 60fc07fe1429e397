import { type DType, dtypeFromOnnx } from '../dtype.ts';
import { attr, type Shape } from '../ir.ts';
import {
  broadcastShapes,
  type InferRule,
  type InferContext,
  required,
  sameDType,
  shapeError,
  type TensorType,
} from './types.ts';

function swapLast(shape: Shape): Shape {
  return [...shape.slice(0, -2), shape[shape.length - 1] as number, shape[shape.length - 2] as number];
}

/** Shape of `a @ b` with NumPy's rules for vectors and leading dimensions. */
export function matmulShape(ctx: InferContext, a: Shape, b: Shape): Shape {
  if (a.length === 0 || b.length === 0) throw shapeError(ctx, 'a scalar cannot be multiplied as a matrix');
  const left = a.length === 1 ? [1, ...a] : a;
  const right = b.length === 1 ? [...b, 1] : b;
  const inner = [left[left.length - 1], right[right.length - 2]] as const;
  if (typeof inner[0] === 'number' && typeof inner[1] === 'number' && inner[0] !== inner[1]) {
    throw shapeError(ctx, `inner dimensions differ: ${inner[0]} and ${inner[1]}`);
  }
  const batch = broadcastShapes(left.slice(0, -2), right.slice(0, -2));
  if (batch === undefined) throw shapeError(ctx, 'leading dimensions do not broadcast');
  const shape = [...batch];
  if (a.length > 1) shape.push(left[left.length - 2] as number);
  if (b.length > 1) shape.push(right[right.length - 1] as number);
  return shape;
}

const matmul: InferRule = (ctx) => {
  const [a, b] = [required(ctx, 0), required(ctx, 1)];
  return [{ dtype: sameDType(ctx, [a, b]), shape: matmulShape(ctx, a.shape, b.shape) }];
};

const fusedMatmul: InferRule = (ctx) => {
  const [a, b] = [required(ctx, 0), required(ctx, 1)];
  const left = attr.int(ctx, 'transA', 0) === 1 ? swapLast(a.shape) : a.shape;
  const right = attr.int(ctx, 'transB', 0) === 1 ? swapLast(b.shape) : b.shape;
  return [{ dtype: sameDType(ctx, [a, b]), shape: matmulShape(ctx, left, right) }];
};

const gemm: InferRule = (ctx) => {
  const [a, b] = [required(ctx, 0), required(ctx, 1)];
  if (a.rank !== 2 || b.rank !== 2) throw shapeError(ctx, 'A and B must be matrices');
  const left = attr.int(ctx, 'transA', 0) === 1 ? swapLast(a.shape) : a.shape;
  const right = attr.int(ctx, 'transB', 0) === 1 ? swapLast(b.shape) : b.shape;
  return [{ dtype: sameDType(ctx, [a, b]), shape: matmulShape(ctx, left, right) }];
};

const integerMatmul: InferRule = (ctx) => [
  { dtype: 'int32', shape: matmulShape(ctx, required(ctx, 0).shape, required(ctx, 1).shape) },
];

const dynamicQuantizeMatmul: InferRule = (ctx) => [
  { dtype: required(ctx, 0).dtype, shape: matmulShape(ctx, required(ctx, 0).shape, required(ctx, 1).shape) },
];

const matmulIntegerToFloat: InferRule = (ctx) => [
  { dtype: required(ctx, 2).dtype, shape: matmulShape(ctx, required(ctx, 0).shape, required(ctx, 1).shape) },
];

const matmulNBits: InferRule = (ctx) => {
  const a = required(ctx, 0);
  return [{ dtype: a.dtype, shape: [...a.shape.slice(0, -1), attr.int(ctx, 'N', 0)] }];
};

const dynamicQuantizeLinear: InferRule = (ctx): TensorType[] => {
  const x = required(ctx, 0);
  return [
    { dtype: 'uint8', shape: x.shape },
    { dtype: 'float32', shape: [] },
    { dtype: 'uint8', shape: [] },
  ];
};

/** The result's element type when the `output_dtype` attribute gives it. */
const givenDType = (ctx: InferContext): DType | undefined => dtypeFromOnnx(attr.int(ctx, 'output_dtype', 0));

const dequantizeLinear: InferRule = (ctx) => [
  { dtype: givenDType(ctx) ?? required(ctx, 1).dtype, shape: required(ctx, 0).shape },
];

const quantizeLinear: InferRule = (ctx) => [
  { dtype: ctx.inputs[2]?.dtype ?? givenDType(ctx) ?? 'uint8', shape: required(ctx, 0).shape },
];

export const linear: Record<
  | 'MatMul'
  | 'Gemm'
  | 'MatMulInteger'
  | 'DynamicQuantizeLinear'
  | 'DequantizeLinear'
  | 'QuantizeLinear'
  | 'com.microsoft.FusedMatMul'
  | 'com.microsoft.DynamicQuantizeMatMul'
  | 'com.microsoft.MatMulIntegerToFloat'
  | 'com.microsoft.MatMulNBits'
  | 'anneal.Int8Linear',
  InferRule
> = {
  MatMul: matmul,
  Gemm: gemm,
  MatMulInteger: integerMatmul,
  DynamicQuantizeLinear: dynamicQuantizeLinear,
  DequantizeLinear: dequantizeLinear,
  QuantizeLinear: quantizeLinear,
  'com.microsoft.FusedMatMul': fusedMatmul,
  'com.microsoft.DynamicQuantizeMatMul': dynamicQuantizeMatmul,
  'com.microsoft.MatMulIntegerToFloat': matmulIntegerToFloat,
  'com.microsoft.MatMulNBits': matmulNBits,
  'anneal.Int8Linear': dynamicQuantizeMatmul,
};
