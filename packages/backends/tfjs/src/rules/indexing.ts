import { attr, GraphError, sizeOf, toNumbers } from '@anneal/graph';
import type { Elements, Kernels, Tensor } from '../device/kernels.ts';
import { heldAs } from '../device/types.ts';
import type { Step } from '../plan.ts';
import { add, binary, cast, expand, mul, stridesOf, viaInt, where } from './calc.ts';
import { arg, axisAttribute, axisOf, type Call, numbers, outputSlot, type Rule } from './rule.ts';

/** Negative indices count from the end of an axis. */
function positive(k: Kernels, indices: Tensor, dim: number | Tensor): Tensor {
  return where(k, binary(k, 'Less', indices, 0), add(k, indices, dim), indices);
}

function outside(index: number, dim: number): GraphError {
  return new GraphError('ANNEAL_E_SHAPE', `index ${index} is outside an axis of ${dim} elements`);
}

/** Elements of a tensor of this process. */
function elements(k: Kernels, x: Tensor): Elements {
  const found = k.view(x);
  if (found === undefined) throw new Error('the elements are not in this process');
  return found;
}

/** Slices of one axis by index. */
export function gatherAxis(k: Kernels, x: Tensor, indices: Tensor, axis: number): Tensor {
  const shape = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
  const dim = x.shape[axis] as number;
  if (!k.isHost) {
    return viaInt(k, x, (y) => k.run('GatherV2', { x: y, indices: positive(k, indices, dim) }, { axis, batchDims: 0 }));
  }
  const out = k.blank(shape, x.dtype);
  const [from, to, at] = [elements(k, x), elements(k, out), elements(k, indices)];
  const inner = sizeOf(x.shape.slice(axis + 1));
  let target = 0;
  for (let start = 0; start < from.length; start += dim * inner) {
    for (const given of at) {
      const index = given < 0 ? given + dim : given;
      if (index < 0 || index >= dim) throw outside(given, dim);
      const source = start + index * inner;
      if (inner === 1) to[target] = from[source] as number;
      else to.set(from.subarray(source, source + inner), target);
      target += inner;
    }
  }
  return out;
}

const gather: Rule = (step) => (call) => {
  const x = arg(call, 0);
  return gatherAxis(call.k, x, arg(call, 1), axisAttribute(step, x.shape.length, 0));
};

/** For every element of `indices`, the flat position in a tensor of `shape` that it names along `axis`. */
function flatPositions(k: Kernels, shape: readonly number[], indices: Tensor, axis: number): Tensor {
  const strides = stridesOf(shape);
  const own = stridesOf(indices.shape);
  const count = sizeOf(indices.shape);
  const base = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    let at = 0;
    for (let other = 0; other < shape.length; other++) {
      if (other === axis) continue;
      at += (Math.floor(i / (own[other] as number)) % (indices.shape[other] as number)) * (strides[other] as number);
    }
    base[i] = at;
  }
  const along = mul(k, positive(k, indices, shape[axis] as number), strides[axis] as number);
  return add(k, along, k.write(base, indices.shape, 'int32'));
}

/** {@link flatPositions} on the host: `visit(position, i)` for every element. */
function eachPosition(
  shape: readonly number[],
  indices: Elements,
  indexShape: readonly number[],
  axis: number,
  visit: (position: number, i: number) => void,
): void {
  const strides = stridesOf(shape);
  const [dim, stride] = [shape[axis] as number, strides[axis] as number];
  const index = indexShape.map(() => 0);
  let base = 0;
  for (let i = 0; i < indices.length; i++) {
    const given = indices[i] as number;
    const at = given < 0 ? given + dim : given;
    if (at < 0 || at >= dim) throw outside(given, dim);
    visit(base + at * stride, i);
    for (let other = indexShape.length - 1; other >= 0; other--) {
      const step = other === axis ? 0 : (strides[other] as number);
      const next = (index[other] as number) + 1;
      base += step;
      if (next < (indexShape[other] as number)) {
        index[other] = next;
        break;
      }
      index[other] = 0;
      base -= step * next;
    }
  }
}

const gatherElements: Rule = (step) => (call) => {
  const { k } = call;
  const [x, indices] = [arg(call, 0), arg(call, 1)];
  const axis = axisAttribute(step, x.shape.length, 0);
  if (k.isHost) {
    const out = k.blank(indices.shape, x.dtype);
    const [from, to] = [elements(k, x), elements(k, out)];
    eachPosition(x.shape, elements(k, indices), indices.shape, axis, (position, i) => {
      to[i] = from[position] as number;
    });
    return out;
  }
  const at = flatPositions(k, x.shape, indices, axis);
  return gatherAxis(k, k.alias(x, [sizeOf(x.shape)]), at, 0);
};

/** Rows of `indices` as positions among the blocks that they name: `[rows]`. Leading axes of a batch come first. */
function blockPositions(k: Kernels, shape: readonly number[], indices: Tensor, batch: number): Tensor {
  const depth = indices.shape.at(-1) as number;
  const outer = shape.slice(0, batch + depth);
  const strides = stridesOf(outer);
  const rows = sizeOf(indices.shape.slice(0, -1));
  const flat = k.alias(indices, [rows, depth]);
  const named = outer.slice(batch);
  const sizes = k.write(Int32Array.from(named), [depth], 'int32');
  const steps = k.write(Int32Array.from(strides.slice(batch)), [depth], 'int32');
  const along = mul(k, positive(k, flat, expand(k, sizes, [rows, depth])), steps);
  const sum = k.run('Sum', { x: along }, { axis: [1], keepDims: false });
  if (batch === 0) return cast(k, sum, 'int32');
  const perBatch = rows / Math.max(1, sizeOf(shape.slice(0, batch)));
  const base = Int32Array.from(
    { length: rows },
    (_, row) => Math.floor(row / perBatch) * (strides[batch - 1] as number),
  );
  return add(k, cast(k, sum, 'int32'), k.write(base, [rows], 'int32'));
}

const gatherND: Rule = (step) => {
  const batch = attr.int(step, 'batch_dims', 0);
  return (call) => {
    const { k } = call;
    const [x, indices] = [arg(call, 0), arg(call, 1)];
    const depth = indices.shape.at(-1) as number;
    const inner = x.shape.slice(batch + depth);
    const blocks = k.alias(x, [sizeOf(x.shape.slice(0, batch + depth)), sizeOf(inner)]);
    const picked = gatherAxis(k, blocks, blockPositions(k, x.shape, indices, batch), 0);
    return k.alias(picked, [...indices.shape.slice(0, -1), ...inner]);
  };
};

/** How an update meets what is already there. */
const COMBINE: Readonly<Record<string, (old: number, update: number) => number>> = {
  none: (_old, update) => update,
  add: (old, update) => old + update,
  mul: (old, update) => old * update,
  max: Math.max,
  min: Math.min,
};

function reductionOf(step: Step): string {
  const name = attr.string(step, 'reduction', 'none');
  if (!Object.hasOwn(COMBINE, name)) throw new GraphError('ANNEAL_E_OP', `${step.op}: unknown reduction ${name}`);
  return name;
}

/** Blocks of `size` elements, each written to the block of `x` that `positions` names. */
function scatter(k: Kernels, reduction: string, x: Tensor, positions: Tensor, updates: Tensor, size: number): Tensor {
  if (k.isHost) {
    const out = k.blank(x.shape, x.dtype);
    const [to, at, from] = [elements(k, out), elements(k, positions), elements(k, updates)];
    to.set(elements(k, x));
    scatterInto(to, from, reduction, at, size);
    return out;
  }
  const blocks = sizeOf(x.shape) / size;
  const rows = sizeOf(positions.shape);
  const indices = k.alias(positions, [rows, 1]);
  const source = k.alias(updates, [rows, size]);
  if (reduction === 'add')
    return add(k, x, k.alias(k.run('ScatterNd', { indices, updates: source }, { shape: [blocks, size] }), x.shape));
  if (reduction === 'none') {
    const out = k.run('TensorScatterUpdate', { tensor: k.alias(x, [blocks, size]), indices, updates: source });
    return k.alias(out, x.shape);
  }
  throw new GraphError('ANNEAL_E_OP', `the reduction ${reduction} has no kernel on ${k.device}`);
}

function scatterInto(to: Elements, from: Elements, reduction: string, at: Elements, size: number): void {
  const combine = COMBINE[reduction] as (old: number, update: number) => number;
  for (let row = 0; row < at.length; row++) {
    const start = (at[row] as number) * size;
    for (let i = 0, source = row * size; i < size; i++, source++) {
      to[start + i] = combine(to[start + i] as number, from[source] as number);
    }
  }
}

const scatterElements: Rule = (step) => {
  const reduction = reductionOf(step);
  const combine = COMBINE[reduction] as (old: number, update: number) => number;
  return (call) => {
    const { k } = call;
    const [x, indices, updates] = [arg(call, 0), arg(call, 1), arg(call, 2)];
    const axis = axisAttribute(step, x.shape.length, 0);
    if (sizeOf(indices.shape) === 0) return x;
    if (!k.isHost) {
      const at = flatPositions(k, x.shape, indices, axis);
      return scatter(k, reduction, x, k.alias(at, [sizeOf(at.shape)]), updates, 1);
    }
    const out = k.blank(x.shape, x.dtype);
    const [to, from] = [elements(k, out), elements(k, updates)];
    to.set(elements(k, x));
    if (reduction === 'add') {
      eachPosition(x.shape, elements(k, indices), indices.shape, axis, (position, i) => {
        to[position] = (to[position] as number) + (from[i] as number);
      });
    } else {
      eachPosition(x.shape, elements(k, indices), indices.shape, axis, (position, i) => {
        to[position] = combine(to[position] as number, from[i] as number);
      });
    }
    return out;
  };
};

const scatterND: Rule = (step) => {
  const reduction = reductionOf(step);
  return (call) => {
    const { k } = call;
    const [x, indices, updates] = [arg(call, 0), arg(call, 1), arg(call, 2)];
    const size = sizeOf(x.shape.slice(indices.shape.at(-1) as number));
    return scatter(k, reduction, x, blockPositions(k, x.shape, indices, 0), updates, size);
  };
};

/** Indices outside `[-depth, depth - 1]` give a row of the off value. */
const oneHot: Rule = (step) => {
  const type = heldAs(outputSlot(step).dtype) ?? 'float32';
  return (call: Call) => {
    const { k, host } = call;
    const indices = cast(k, arg(call, 0), 'int32');
    const depth = numbers(call, 1)?.[0] ?? 0;
    const [off = 0, on = 1] = host[2] ? toNumbers(host[2]) : [];
    const axis = axisOf(attr.int(step, 'axis', -1), indices.shape.length + 1);
    const shape = [...indices.shape.slice(0, axis), 1, ...indices.shape.slice(axis)];
    const after = indices.shape.length - axis;
    const steps = k.write(
      Int32Array.from({ length: depth }, (_, i) => i),
      [depth, ...Array.from({ length: after }, () => 1)],
      'int32',
    );
    const hit = binary(k, 'Equal', k.alias(positive(k, indices, depth), shape), steps);
    return where(k, hit, k.scalar(on, type), k.scalar(off, type));
  };
};

export const indexing: Record<
  'Gather' | 'GatherElements' | 'GatherND' | 'ScatterElements' | 'ScatterND' | 'OneHot',
  Rule
> = {
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherND,
  ScatterElements: scatterElements,
  ScatterND: scatterND,
  OneHot: oneHot,
};
