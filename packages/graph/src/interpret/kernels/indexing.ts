import { GraphError } from '../../error.ts';
import { attr } from '../../ir.ts';
import { sizeOf } from '../../tensor.ts';
import type { NdArray } from '../array.ts';
import { arg, axisArg, type Call, type Kernel, type Result, scalarArg } from '../kernel.ts';
import { lanes, stridesOf } from '../strided.ts';
import { pick } from './movement.ts';

/** An index into an axis of `dim` elements; negative ones count from its end. */
function resolveIndex({ node }: Call, index: number, dim: number): number {
  const at = index < 0 ? index + dim : index;
  if (at < 0 || at >= dim) {
    throw new GraphError('ANNEAL_E_SHAPE', `${node.op}: index ${index} is outside an axis of ${dim} elements`);
  }
  return at;
}

const gather: Kernel = (call) => {
  const [x, indices] = [arg(call, 0), arg(call, 1)];
  const axis = axisArg(call, x.shape.length, 0);
  const dim = x.shape[axis] as number;
  const inner = sizeOf(x.shape.slice(axis + 1));
  const shape = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
  const at = indices.data.map((index) => resolveIndex(call, index, dim));
  const block = at.length * inner;
  return pick(
    x,
    shape,
    Float64Array.from({ length: sizeOf(shape) }, (_, i) => {
      const [outer, which] = [Math.floor(i / block), Math.floor((i % block) / inner)];
      return (outer * dim + (at[which] as number)) * inner + (i % inner);
    }),
  );
};

/** For every element of `indices`, the offset in `x` that it names along `axis`. */
function elementOffsets(call: Call, x: NdArray, indices: NdArray, axis: number): Float64Array {
  const strides = stridesOf(x.shape);
  const own = stridesOf(indices.shape);
  return indices.data.map((index, i) => {
    let at = 0;
    for (let k = 0; k < x.shape.length; k++) {
      const position = Math.floor(i / (own[k] as number)) % (indices.shape[k] as number);
      at += (k === axis ? resolveIndex(call, index, x.shape[k] as number) : position) * (strides[k] as number);
    }
    return at;
  });
}

const gatherElements: Kernel = (call) => {
  const [x, indices] = [arg(call, 0), arg(call, 1)];
  return pick(x, indices.shape, elementOffsets(call, x, indices, axisArg(call, x.shape.length, 0)));
};

/** Offsets of the blocks that rows of `indices` name; `batch` leading axes are shared. */
function blockOffsets(call: Call, x: NdArray, indices: NdArray, batch: number): { starts: number[]; size: number } {
  const depth = indices.shape.at(-1) ?? 0;
  const strides = stridesOf(x.shape);
  const rows = sizeOf(indices.shape.slice(0, -1));
  const perBatch = rows / Math.max(1, sizeOf(x.shape.slice(0, batch)));
  const batchStride = batch === 0 ? 0 : (strides[batch - 1] as number);
  const starts = Array.from({ length: rows }, (_, row) => {
    let at = batch === 0 ? 0 : Math.floor(row / perBatch) * batchStride;
    for (let k = 0; k < depth; k++) {
      const axis = batch + k;
      at +=
        resolveIndex(call, indices.data[row * depth + k] as number, x.shape[axis] as number) *
        (strides[axis] as number);
    }
    return at;
  });
  return { starts, size: sizeOf(x.shape.slice(batch + depth)) };
}

const gatherND: Kernel = (call) => {
  const [x, indices] = [arg(call, 0), arg(call, 1)];
  const batch = attr.int(call.node, 'batch_dims', 0);
  const { starts, size } = blockOffsets(call, x, indices, batch);
  const shape = [...indices.shape.slice(0, -1), ...x.shape.slice(batch + (indices.shape.at(-1) ?? 0))];
  const at = starts.flatMap((start) => Array.from({ length: size }, (_, i) => start + i));
  return pick(x, shape, at);
};

/** How an update meets what is already there. */
const COMBINE: Readonly<Record<string, (old: number, update: number) => number>> = {
  none: (_, update) => update,
  add: (old, update) => old + update,
  mul: (old, update) => old * update,
  max: Math.max,
  min: Math.min,
};

function combineOf({ node }: Call): (old: number, update: number) => number {
  const name = attr.string(node, 'reduction', 'none');
  const combine = COMBINE[name];
  if (combine === undefined) throw new GraphError('ANNEAL_E_OP', `${node.op}: unknown reduction ${name}`);
  return combine;
}

const scatterElements: Kernel = (call): Result => {
  const [x, indices, updates] = [arg(call, 0), arg(call, 1), arg(call, 2)];
  const combine = combineOf(call);
  const data = x.data.slice();
  elementOffsets(call, x, indices, axisArg(call, x.shape.length, 0)).forEach((at, i) => {
    data[at] = combine(data[at] as number, updates.data[i] as number);
  });
  return { shape: x.shape, data };
};

const scatterND: Kernel = (call): Result => {
  const [x, indices, updates] = [arg(call, 0), arg(call, 1), arg(call, 2)];
  const combine = combineOf(call);
  const data = x.data.slice();
  const { starts, size } = blockOffsets(call, x, indices, 0);
  starts.forEach((start, row) => {
    for (let i = 0; i < size; i++) {
      data[start + i] = combine(data[start + i] as number, updates.data[row * size + i] as number);
    }
  });
  return { shape: x.shape, data };
};

/** Indices outside `[-depth, depth - 1]` give a row of the off value. */
const oneHot: Kernel = (call): Result => {
  const [indices, values] = [arg(call, 0), arg(call, 2)];
  const depth = scalarArg(call, 1, 0);
  const axis = axisArg(call, indices.shape.length + 1, -1);
  const shape = [...indices.shape.slice(0, axis), depth, ...indices.shape.slice(axis)];
  const data = new Float64Array(sizeOf(shape)).fill(values.data[0] as number);
  lanes(shape, axis).forEach(({ start, stride }, i) => {
    const index = Math.trunc(indices.data[i] as number);
    const at = index < 0 ? index + depth : index;
    if (at >= 0 && at < depth) data[start + at * stride] = values.data[1] as number;
  });
  return { shape, data };
};

const nonZero: Kernel = (call): Result => {
  const x = arg(call, 0);
  const found: number[] = [];
  x.data.forEach((value, i) => {
    if (value !== 0) found.push(i);
  });
  // A scalar counts as a vector of one element, but has no axis to name.
  const rows = stridesOf(x.shape).flatMap((stride, axis) =>
    found.map((i) => Math.floor(i / stride) % (x.shape[axis] as number)),
  );
  return { shape: [x.shape.length, found.length], data: Float64Array.from(rows) };
};

/** Ascending order, NaN at the end as NumPy sorts. */
function compare(a: number, b: number): number {
  if (a === b) return 0;
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
  return a < b ? -1 : 1;
}

/** Of equal elements the one with the lower index comes first. */
const topK: Kernel = (call): Result[] => {
  const x = arg(call, 0);
  const k = call.inputs[1] ? scalarArg(call, 1, 0) : attr.int(call.node, 'k', 0);
  const axis = axisArg(call, x.shape.length, -1);
  const sign = attr.int(call.node, 'largest', 1) === 1 ? -1 : 1;
  const shape = x.shape.map((dim, i) => (i === axis ? k : dim));
  const values = new Float64Array(sizeOf(shape));
  const positions = new Float64Array(sizeOf(shape));
  if (k > (x.shape[axis] as number))
    throw new GraphError('ANNEAL_E_SHAPE', `TopK: k is ${k}, the axis has ${x.shape[axis]}`);
  const into = lanes(shape, axis);
  lanes(x.shape, axis).forEach(({ start, stride, length }, lane) => {
    const at = (i: number): number => x.data[start + i * stride] as number;
    const order = Array.from({ length }, (_, i) => i).sort((a, b) => sign * compare(at(a), at(b)) || a - b);
    const target = into[lane];
    for (let i = 0; target && i < k; i++) {
      values[target.start + i * target.stride] = at(order[i] as number);
      positions[target.start + i * target.stride] = order[i] as number;
    }
  });
  return [
    { shape, data: values },
    { shape, data: positions },
  ];
};

export const indexing: Record<
  'Gather' | 'GatherElements' | 'GatherND' | 'ScatterElements' | 'ScatterND' | 'OneHot' | 'NonZero' | 'TopK',
  Kernel
> = {
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherND,
  ScatterElements: scatterElements,
  ScatterND: scatterND,
  OneHot: oneHot,
  NonZero: nonZero,
  TopK: topK,
};
