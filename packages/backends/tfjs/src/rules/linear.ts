import { attr, sizeOf } from '@anneal/graph';
import type { Kernels, Tensor } from '../device/kernels.ts';
import { add, broadcast, cast, concat, expand, fill, mul, sameShape, slice, swapLast } from './calc.ts';
import { arg, type Rule } from './rule.ts';

export interface ProductOptions {
  readonly transposeA?: boolean | undefined;
  readonly transposeB?: boolean | undefined;
}

/** `a @ b` with NumPy's rules for vectors and leading axes. Integers are exact up to 2^24. */
export function product(k: Kernels, a: Tensor, b: Tensor, options: ProductOptions = {}): Tensor {
  if (a.dtype !== 'float32') return cast(k, product(k, cast(k, a, 'float32'), cast(k, b, 'float32'), options), a.dtype);
  const left = a.shape.length === 1 ? k.alias(a, [1, ...a.shape]) : a;
  const right = b.shape.length === 1 ? k.alias(b, [...b.shape, 1]) : b;
  const out = matrices(k, left, right, options);
  const rank = out.shape.length;
  const dropped = out.shape.filter(
    (_, i) => !((a.shape.length === 1 && i === rank - 2) || (b.shape.length === 1 && i === rank - 1)),
  );
  return k.alias(out, dropped);
}

function matrices(
  k: Kernels,
  a: Tensor,
  b: Tensor,
  { transposeA = false, transposeB = false }: ProductOptions,
): Tensor {
  const [m, inner] = sides(a, transposeA);
  const [, n] = sides(b, transposeB);
  const [front, back] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
  const batch = broadcast(front, back);
  const shape = [...batch, m, n];
  if (inner === 0) return fill(k, shape, 0);
  // One matrix on the right: the rows of all on the left are those of one.
  if (sizeOf(back) === 1 && !transposeA) {
    const rows = k.alias(a, [1, sizeOf(front) * m, inner]);
    return k.alias(matmul(k, rows, k.alias(b, [1, ...b.shape.slice(-2)]), false, transposeB), shape);
  }
  const count = sizeOf(batch);
  const stack = (x: Tensor, own: readonly number[]): Tensor => {
    const matrix = x.shape.slice(-2);
    const all = sameShape(own, batch) || sizeOf(own) === sizeOf(batch) ? x : expand(k, x, [...batch, ...matrix]);
    return k.alias(all, [count, ...matrix]);
  };
  return k.alias(matmul(k, stack(a, front), stack(b, back), transposeA, transposeB), shape);
}

/** Rows and columns, after a transposition. */
function sides({ shape }: Tensor, transposed: boolean): readonly [number, number] {
  const [rows, columns] = shape.slice(-2) as [number, number];
  return transposed ? [columns, rows] : [rows, columns];
}

/**
 * Matrices in a stack. The kernel of wasm is XNNPACK's for one pair of them, neither transposed, and 20 to 60 times slower
 * for any other: there they are turned over first, and multiplied one by one.
 */
function matmul(k: Kernels, a: Tensor, b: Tensor, transposeA: boolean, transposeB: boolean): Tensor {
  if (k.device !== 'wasm') return k.run('BatchMatMul', { a, b }, { transposeA, transposeB });
  const [x, y] = [transposeA ? swapLast(k, a) : a, transposeB ? swapLast(k, b) : b];
  const attrs = { transposeA: false, transposeB: false };
  const count = x.shape[0] as number;
  if (count === 1 || !isWorthSplitting(x, y)) return k.run('BatchMatMul', { a: x, b: y }, attrs);
  const parts = Array.from({ length: count }, (_, i) => {
    const one = (t: Tensor): Tensor => slice(k, t, [i, 0, 0], [1, ...t.shape.slice(1)]);
    return k.run('BatchMatMul', { a: one(x), b: one(y) }, attrs);
  });
  return concat(k, parts, 0);
}

/** Multiplications of one product from which on the way through the fast kernel pays. */
const WORTH = 2 ** 13;

function isWorthSplitting(a: Tensor, b: Tensor): boolean {
  const [m, inner] = sides(a, false);
  return m * inner * (b.shape.at(-1) as number) >= WORTH;
}

const flags = (attributes: Parameters<typeof attr.int>[0]): Required<ProductOptions> => ({
  transposeA: attr.int(attributes, 'transA', 0) === 1,
  transposeB: attr.int(attributes, 'transB', 0) === 1,
});

const fusedMatmul: Rule = (step) => {
  const options = flags(step);
  const alpha = attr.float(step, 'alpha', 1);
  return (call) => {
    const out = product(call.k, arg(call, 0), arg(call, 1), options);
    return alpha === 1 ? out : mul(call.k, out, alpha);
  };
};

const gemm: Rule = (step) => {
  const options = flags(step);
  const [alpha, beta] = [attr.float(step, 'alpha', 1), attr.float(step, 'beta', 1)];
  return (call) => {
    const { k, inputs } = call;
    const plain = product(k, arg(call, 0), arg(call, 1), options);
    const out = alpha === 1 ? plain : mul(k, plain, alpha);
    const c = inputs[2];
    if (c === undefined || beta === 0) return out;
    return add(k, out, beta === 1 ? c : mul(k, c, beta));
  };
};

export const linear: Record<'MatMul' | 'Gemm' | 'com.microsoft.FusedMatMul', Rule> = {
  MatMul: () => (call) => product(call.k, arg(call, 0), arg(call, 1)),
  Gemm: gemm,
  'com.microsoft.FusedMatMul': fusedMatmul,
};
