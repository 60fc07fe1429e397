import { GraphError } from '../error.ts';
import { reductionAxes } from '../infer/reduce.ts';
import { attr, type Value } from '../ir.ts';
import type { Ops } from '../ops/types.ts';
import { placeOf, whereIs } from './place.ts';
import type { VjpContext } from './types.ts';

/** Sums a gradient over the axes along which a value of shape `dims` was broadcast. */
export function unbroadcast(ops: Ops, grad: Value, dims: readonly number[]): Value {
  const lead = grad.rank - dims.length;
  const axes: number[] = [];
  grad.dims.forEach((size, i) => {
    if (i < lead || (dims[i - lead] === 1 && size !== 1)) axes.push(i);
  });
  if (axes.length === 0) return grad;
  const keepdims = axes.length !== lead;
  const summed = ops.sum(grad, { axes, keepdims });
  return keepdims && lead > 0 ? ops.reshape(summed, dims) : summed;
}

/** The gradient with the dtype and shape of a broadcast operand. */
export function like(ops: Ops, grad: Value, operand: Value): Value {
  return ops.cast(unbroadcast(ops, grad, operand.dims), operand.dtype);
}

export function range(start: number, end: number): number[] {
  return Array.from({ length: Math.max(0, end - start) }, (_, i) => start + i);
}

export function product(dims: readonly number[]): number {
  return dims.reduce((a, b) => a * b, 1);
}

/** A static, non-negative axis from an attribute. */
export function axisAttribute(c: VjpContext, fallback: number, rank: number = c.x(0).rank): number {
  const axis = attr.int(c, 'axis', fallback);
  return axis < 0 ? axis + rank : axis;
}

/** A rule needs `what` as a constant and it is computed at run time. */
export function notStatic(c: VjpContext, what: string): GraphError {
  return new GraphError('ANNEAL_E_SYMBOLIC_DIM', `${whereIs(c.node)}: ${what} must be constant to differentiate it`, {
    at: placeOf(c.node),
    fix: 'bind the dimensions of the graph to numbers and fold constants before',
  });
}

/** Input `index` as constant numbers. */
export function constantInput(c: VjpContext, index: number, what: string): readonly number[] {
  const values = c.constant(index);
  if (values === undefined) throw notStatic(c, what);
  return values;
}

/** The axes that a reduction node reduces, and its input's shape with those as 1. */
export function reducedAxes(c: VjpContext): { axes: readonly number[]; kept: readonly number[] } {
  const x = c.x(0);
  const axes = reductionAxes(c, x.rank);
  if (axes === undefined) throw notStatic(c, 'the reduced axes');
  return { axes, kept: x.dims.map((dim, i) => (axes.includes(i) ? 1 : dim)) };
}

/** `Reshape`, left out where it would change nothing. */
export function reshaped(ops: Ops, x: Value, dims: readonly number[]): Value {
  return x.shape.join() === dims.join() ? x : ops.reshape(x, dims);
}
