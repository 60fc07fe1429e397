import { attr, type Value } from '../../ir.ts';
import { like, product, reshaped, unbroadcast } from '../shapes.ts';
import type { VjpContext, VjpRule } from '../types.ts';

/** `alpha · op(a) @ op(b)` and the gradient of it. */
interface Product {
  readonly a: Value;
  readonly b: Value;
  readonly transA: boolean;
  readonly transB: boolean;
  readonly alpha: number;
  readonly dy: Value;
}

interface Factor {
  readonly value: Value;
  readonly transpose: boolean;
}

/** One matrix product; Gemm where both are matrices: it exists for every dtype and execution provider. */
function multiply({ g, ops }: VjpContext, a: Factor, b: Factor, alpha: number): Value {
  if (a.value.rank > 2 || b.value.rank > 2) {
    return ops.matmul(a.value, b.value, { transposeA: a.transpose, transposeB: b.transpose, alpha });
  }
  return g.one('Gemm', [a.value, b.value], {
    attributes: {
      transA: { int: Number(a.transpose) },
      transB: { int: Number(b.transpose) },
      alpha: { float: alpha },
      beta: { float: 0 },
    },
  });
}

/** dA: `dY op(B)ᵀ`, or its transpose. Never an explicit Transpose: the product reads its operands either way. */
function leftGradient(c: VjpContext, { b, transA, transB, alpha, dy }: Product): Value {
  return transA
    ? multiply(c, { value: b, transpose: transB }, { value: dy, transpose: true }, alpha)
    : multiply(c, { value: dy, transpose: false }, { value: b, transpose: !transB }, alpha);
}

/** dB: `op(A)ᵀ dY`, or its transpose. */
function rightGradient(c: VjpContext, { a, transA, transB, alpha, dy }: Product): Value {
  return transB
    ? multiply(c, { value: dy, transpose: true }, { value: a, transpose: transA }, alpha)
    : multiply(c, { value: a, transpose: !transA }, { value: dy, transpose: false }, alpha);
}

/** The matrix with everything but the last axis in one: a view, as it is stored. */
function rows(c: VjpContext, x: Value): Value {
  const width = x.dims[x.rank - 1] as number;
  return reshaped(c.ops, x, [product(x.dims.slice(0, -1)), width]);
}

/** Gradients of a product whose factors have at least two axes; leading axes broadcast. */
function productGradients(c: VjpContext, p: Product): [() => Value, () => Value] {
  const { ops } = c;
  const weight = p.b.dims.slice(0, -2).every((dim) => dim === 1);
  return [
    () => unbroadcast(ops, leftGradient(c, p), p.a.dims),
    () => {
      // A weight sums over all tokens: as one product of flattened matrices, without one [in, out] per batch entry.
      if (weight && !p.transA && p.a.rank > 2) {
        const flat = rightGradient(c, { ...p, a: rows(c, p.a), dy: rows(c, p.dy) });
        return reshaped(ops, flat, p.b.dims);
      }
      return unbroadcast(ops, rightGradient(c, p), p.b.dims);
    },
  ];
}

/** MatMul treats a vector as a row on the left and as a column on the right. */
function asMatrices(c: VjpContext, dy: Value): { a: Value; b: Value; dy: Value } {
  const [a, b] = [c.x(0), c.x(1)];
  const [left, right] = [a.rank === 1, b.rank === 1];
  if (!left && !right) return { a, b, dy };
  const dims = [...dy.dims];
  if (left) dims.splice(right ? dims.length : dims.length - 1, 0, 1);
  if (right) dims.push(1);
  return {
    a: left ? c.ops.reshape(a, [1, a.dims[0] as number]) : a,
    b: right ? c.ops.reshape(b, [b.dims[0] as number, 1]) : b,
    dy: c.ops.reshape(dy, dims),
  };
}

const matmul: VjpRule = (c) => {
  const p: Product = {
    ...asMatrices(c, c.dy),
    transA: attr.int(c, 'transA', 0) === 1,
    transB: attr.int(c, 'transB', 0) === 1,
    alpha: attr.float(c, 'alpha', 1),
  };
  // `transBatchA/B` move a batch axis as well; no exporter writes them.
  if (attr.int(c, 'transBatchA', 0) === 1 || attr.int(c, 'transBatchB', 0) === 1) return [];
  const [da, db] = productGradients(c, p);
  return [() => reshaped(c.ops, da(), c.x(0).dims), () => reshaped(c.ops, db(), c.x(1).dims)];
};

const gemm: VjpRule = (c) => {
  const beta = attr.float(c, 'beta', 1);
  const p: Product = {
    a: c.x(0),
    b: c.x(1),
    dy: c.dy,
    transA: attr.int(c, 'transA', 0) === 1,
    transB: attr.int(c, 'transB', 0) === 1,
    alpha: attr.float(c, 'alpha', 1),
  };
  const bias = (): Value => {
    const sum = like(c.ops, c.dy, c.x(2));
    return beta === 1 ? sum : c.ops.mul(sum, beta);
  };
  return [...productGradients(c, p), bias];
};

export const linearRules: Record<'Gemm' | 'MatMul' | 'com.microsoft.FusedMatMul', VjpRule> = {
  Gemm: gemm,
  MatMul: matmul,
  'com.microsoft.FusedMatMul': matmul,
};
