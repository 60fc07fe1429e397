import type { GraphBuilder } from '../../builder.ts';
import type { DType } from '../../dtype.ts';
import { attr, type Value } from '../../ir.ts';
import { axisAttribute, product, reshaped } from '../shapes.ts';
import type { VjpContext, VjpRule } from '../types.ts';

/**
 * Adds `updates` into zeros of shape `dims` at `indices` along `axis`.
 *
 * ScatterElements and never ScatterND: ONNX Runtime's CPU kernel of `ScatterND(reduction=add)` lets threads race on
 * duplicate indices and silently loses updates, ScatterElements is sequential and right.
 */
function scatterIntoZeros(c: VjpContext, dims: readonly number[], indices: Value, updates: Value, axis: number): Value {
  const { g, ops } = c;
  const zeros =
    product(dims) <= FOLDABLE
      ? ops.zeros(dims, updates.dtype)
      : ops.broadcastTo(runtimeZero(g, indices, updates.dtype), dims);
  return ops.scatterAdd(zeros, indices, updates, { axis });
}

/** Elements up to which a constant tensor of zeros does no harm. */
const FOLDABLE = 2 ** 16;

/**
 * A zero that is only known at run time. ONNX Runtime would fold zeros of the size of an embedding into a constant,
 * keep it for as long as the session lives, and copy it in every step.
 */
function runtimeZero(g: GraphBuilder, indices: Value, dtype: DType): Value {
  const first = g.ops.take(g.ops.reshape(indices, [-1]), g.scalar(0, 'int64'));
  return g.ops.mul(g.ops.cast(first, dtype), 0);
}

/** Embeddings with axis 0, selections with others. */
const gather: VjpRule = (c) => [
  () => {
    const { ops, dy } = c;
    const [x, indices] = [c.x(0), c.x(1)];
    const axis = axisAttribute(c, 0);
    const count = product(indices.dims);
    const flat = [...x.dims.slice(0, axis), count, ...x.dims.slice(axis + 1)];
    const updates = reshaped(ops, dy, flat);
    const fixed = count === 1 ? c.constant(1)?.[0] : undefined;
    if (fixed !== undefined) {
      // A single known position, as the first token of a sequence: zeros around it.
      const size = x.dims[axis] as number;
      const at = fixed < 0 ? fixed + size : fixed;
      return ops.pad(
        updates,
        x.dims.map((_, i) => (i === axis ? [at, size - 1 - at] : [0, 0])),
      );
    }
    const column = ops.reshape(
      indices,
      flat.map((_, i) => (i === axis ? count : 1)),
    );
    return scatterIntoZeros(c, x.dims, ops.broadcastTo(column, flat), updates, axis);
  },
];

const gatherElements: VjpRule = (c) => [() => scatterIntoZeros(c, c.x(0).dims, c.x(1), c.dy, axisAttribute(c, 0))];

/** The tuples of indices as positions in the flattened leading axes, which ScatterElements understands. */
const gatherND: VjpRule = (c) => [
  () => {
    const { ops, g, dy } = c;
    const [x, indices] = [c.x(0), c.x(1)];
    const batch = attr.int(c, 'batch_dims', 0);
    const depth = indices.dims[indices.rank - 1] as number;
    const lead = x.dims.slice(0, batch);
    const [batches, rest] = [product(lead), product(x.dims.slice(batch + depth))];
    const sizes = x.dims.slice(batch, batch + depth);
    const strides = sizes.map((_, i) => product(sizes.slice(i + 1)));
    // Mod takes negative indices to the range from 0.
    const wrapped = g.one('Mod', [indices, g.ints(sizes)]);
    const positions = ops.sum(ops.mul(wrapped, g.ints(strides)), { axes: [indices.rank - 1] });
    const count = product(indices.dims.slice(batch, -1));
    const flat = [batches, count, rest];
    const column = ops.broadcastTo(ops.reshape(positions, [batches, count, 1]), flat);
    const sums = scatterIntoZeros(c, [batches, product(sizes), rest], column, ops.reshape(dy, flat), 1);
    return ops.reshape(sums, x.dims);
  },
];

/** What was overwritten gets nothing, what was added to gets all; updates read their place. */
const scatterElements: VjpRule = (c) => {
  const { ops, dy } = c;
  const reduction = attr.string(c, 'reduction', 'none');
  if (reduction !== 'none' && reduction !== 'add') return [];
  const axis = axisAttribute(c, 0);
  const data = (): Value =>
    reduction === 'add'
      ? dy
      : c.g.one('ScatterElements', [dy, c.x(1), ops.zeros(c.x(2).dims, dy.dtype)], {
          attributes: { axis: { int: axis } },
        });
  return [data, undefined, () => ops.takeAlongAxis(dy, c.x(1), { axis })];
};

/** Without a reduction every writer writes the same zero: no race. */
const scatterND: VjpRule = (c) => {
  const { ops, g, dy } = c;
  const reduction = attr.string(c, 'reduction', 'none');
  if (reduction !== 'none' && reduction !== 'add') return [];
  const data = (): Value =>
    reduction === 'add' ? dy : g.one('ScatterND', [dy, c.x(1), ops.zeros(c.x(2).dims, dy.dtype)]);
  return [data, undefined, () => g.one('GatherND', [dy, c.x(1)])];
};

const topK: VjpRule = (c) => [() => scatterIntoZeros(c, c.x(0).dims, c.y(1), c.dy, axisAttribute(c, -1))];

export const indexingRules: Record<
  'Gather' | 'GatherElements' | 'GatherND' | 'ScatterElements' | 'ScatterND' | 'TopK',
  VjpRule
> = {
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherND,
  ScatterElements: scatterElements,
  ScatterND: scatterND,
  TopK: topK,
};
