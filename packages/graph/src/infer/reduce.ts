import type { DType } from '../dtype.ts';
import { attr, type Dim } from '../ir.ts';
import { axisOf, type InferContext, type InferRule, required, shapeError, type TensorType } from './types.ts';

/** Axes of a reduction: an attribute in old opsets, input 1 in newer ones. `undefined`: all of them. */
export function reductionAxes(ctx: InferContext, rank: number): readonly number[] | undefined {
  const given = attr.ints(ctx, 'axes') ?? (ctx.inputs[1] ? ctx.constant(1) : []);
  if (given === undefined) return undefined;
  if (given.length === 0) return attr.int(ctx, 'noop_with_empty_axes', 0) === 1 ? [] : range(rank);
  return given.map((axis) => axisOf(ctx, axis, rank));
}

function range(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i);
}

function reduced(ctx: InferContext, axes: readonly number[] | undefined, dtype: DType): TensorType {
  const x = required(ctx, 0);
  const keep = attr.int(ctx, 'keepdims', 1) === 1;
  if (axes === undefined) {
    // Axes are computed at run time: how many there are may be known, the sizes that stay are not.
    const count = keep ? 0 : required(ctx, 1).shape[0];
    if (typeof count !== 'number' || count > x.rank) throw shapeError(ctx, 'the rank of the output is unknown');
    return { dtype, shape: x.shape.slice(count).map((_, i) => ctx.freshDim(`${ctx.op}_${i}`)) };
  }
  const shape: Dim[] = [];
  x.shape.forEach((dim, i) => {
    if (!axes.includes(i)) shape.push(dim);
    else if (keep) shape.push(1);
  });
  return { dtype, shape };
}

const reduce: InferRule = (ctx) => {
  const x = required(ctx, 0);
  return [reduced(ctx, reductionAxes(ctx, x.rank), x.dtype)];
};

const arg: InferRule = (ctx) => {
  const x = required(ctx, 0);
  return [reduced(ctx, [axisOf(ctx, attr.int(ctx, 'axis', 0), x.rank)], 'int64')];
};

export const reductions: Record<
  | 'ReduceSum'
  | 'ReduceMean'
  | 'ReduceMax'
  | 'ReduceMin'
  | 'ReduceProd'
  | 'ReduceL1'
  | 'ReduceL2'
  | 'ReduceLogSum'
  | 'ReduceLogSumExp'
  | 'ReduceSumSquare'
  | 'ArgMax'
  | 'ArgMin',
  InferRule
> = {
  ReduceSum: reduce,
  ReduceMean: reduce,
  ReduceMax: reduce,
  ReduceMin: reduce,
  ReduceProd: reduce,
  ReduceL1: reduce,
  ReduceL2: reduce,
  ReduceLogSum: reduce,
  ReduceLogSumExp: reduce,
  ReduceSumSquare: reduce,
  ArgMax: arg,
  ArgMin: arg,
};
