import { attr } from '../../ir.ts';
import { sizeOf } from '../../tensor.ts';
import type { NdArray } from '../array.ts';
import { arg, type Call, type Kernel, type Result, shapeMismatch, zip } from '../kernel.ts';
import { broadcastOffsets, broadcastStatic } from '../strided.ts';

/** Swaps the last two axes. */
export function swapLast(x: NdArray): NdArray {
  const [rows, columns] = [x.shape.at(-2) ?? 1, x.shape.at(-1) ?? 1];
  const data = new Float64Array(x.data.length);
  for (let start = 0; start < data.length; start += rows * columns) {
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < columns; c++) {
        data[start + c * rows + r] = x.data[start + r * columns + c] as number;
      }
    }
  }
  return { dtype: x.dtype, shape: [...x.shape.slice(0, -2), columns, rows], data };
}

/** `a @ b` with NumPy's rules for vectors and leading axes. */
export function product(call: Call, a: NdArray, b: NdArray): Result {
  const left = a.shape.length === 1 ? [1, ...a.shape] : a.shape;
  const right = b.shape.length === 1 ? [...b.shape, 1] : b.shape;
  const [m, k, n] = [left.at(-2) as number, left.at(-1) as number, right.at(-1) as number];
  if (k !== right.at(-2)) throw shapeMismatch(call, `inner dimensions differ: ${k} and ${right.at(-2)}`);
  const batch = broadcastStatic(call.node.op, [left.slice(0, -2), right.slice(0, -2)]);
  const [as, bs] = [broadcastOffsets(left.slice(0, -2), batch), broadcastOffsets(right.slice(0, -2), batch)];
  const data = new Float64Array(sizeOf(batch) * m * n);
  for (let g = 0; g < as.length; g++) {
    const [aAt, bAt, at] = [(as[g] as number) * m * k, (bs[g] as number) * k * n, g * m * n];
    for (let i = 0; i < m; i++) {
      for (let p = 0; p < k; p++) {
        const factor = a.data[aAt + i * k + p] as number;
        for (let j = 0; j < n; j++) (data[at + i * n + j] as number) += factor * (b.data[bAt + p * n + j] as number);
      }
    }
  }
  return {
    shape: [...batch, ...(a.shape.length === 1 ? [] : [m]), ...(b.shape.length === 1 ? [] : [n])],
    data,
  };
}

/** The operands of a product, transposed as the attributes say. */
function operands(call: Call): [NdArray, NdArray] {
  const [a, b] = [arg(call, 0), arg(call, 1)];
  return [
    attr.int(call.node, 'transA', 0) === 1 ? swapLast(a) : a,
    attr.int(call.node, 'transB', 0) === 1 ? swapLast(b) : b,
  ];
}

const scaled = (call: Call): Result => {
  const { shape, data } = product(call, ...operands(call));
  const alpha = attr.float(call.node, 'alpha', 1);
  return { shape, data: data.map((v) => alpha * v) };
};

const gemm: Kernel = (call) => {
  const out = scaled(call);
  const c = call.inputs[2];
  if (c === undefined) return out;
  const beta = attr.float(call.node, 'beta', 1);
  return zip('Gemm', [{ ...out, dtype: c.dtype }, c], (a, b) => a + beta * b);
};

export const products: Record<'MatMul' | 'Gemm' | 'com.microsoft.FusedMatMul', Kernel> = {
  MatMul: (call) => product(call, arg(call, 0), arg(call, 1)),
  Gemm: gemm,
  'com.microsoft.FusedMatMul': scaled,
};
