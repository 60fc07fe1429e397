import { attr } from '../../ir.ts';
import { arg, axisArg, type Call, type Kernel, type Result, scalarArg } from '../kernel.ts';
import { type Lane, lanes, resolveAxis } from '../strided.ts';
import { sizeOf } from '../../tensor.ts';

type LaneFunction = (values: Float64Array) => ArrayLike<number>;

/** Applies a function to each line of elements. */
export function eachLane(shape: readonly number[], data: Float64Array, all: readonly Lane[], f: LaneFunction): Result {
  const out = new Float64Array(data.length);
  for (const { start, stride, length } of all) {
    const values = Float64Array.from({ length }, (_, i) => data[start + i * stride] as number);
    const results = f(values);
    for (let i = 0; i < length; i++) out[start + i * stride] = results[i] as number;
  }
  return { shape, data: out };
}

/** Softmax and its kin: along one axis since opset 13, along all axes from `axis` on before. */
function softmaxLike(f: LaneFunction): Kernel {
  return (call) => {
    const x = arg(call, 0);
    if (call.opset >= 13) {
      const axis = x.shape.length === 0 ? 0 : axisArg(call, x.shape.length, -1);
      return eachLane(x.shape, x.data, lanes(x.shape, axis), f);
    }
    const axis = axisArg(call, x.shape.length, 1);
    const flat = [sizeOf(x.shape.slice(0, axis)), sizeOf(x.shape.slice(axis))];
    return eachLane(x.shape, x.data, lanes(flat, 1), f);
  };
}

function largest(values: Float64Array): number {
  return values.reduce((a, b) => Math.max(a, b), -Infinity);
}

export function logSumExp(values: Float64Array): number {
  const top = largest(values);
  // A line of -Infinity only has no finite maximum to shift by.
  if (!Number.isFinite(top)) return top;
  return top + Math.log(values.reduce((sum, v) => sum + Math.exp(v - top), 0));
}

function softmax(values: Float64Array): Float64Array {
  const top = largest(values);
  const exponentials = values.map((v) => Math.exp(v - top));
  const sum = exponentials.reduce((a, b) => a + b, 0);
  return exponentials.map((v) => v / sum);
}

function logSoftmax(values: Float64Array): Float64Array {
  const top = largest(values);
  const log = Math.log(values.reduce((sum, v) => sum + Math.exp(v - top), 0));
  return values.map((v) => v - top - log);
}

function hardmax(values: Float64Array): Float64Array {
  const at = values.indexOf(largest(values));
  return values.map((_, i) => Number(i === at));
}

const cumSum: Kernel = (call) => {
  const x = arg(call, 0);
  const axis = resolveAxis('CumSum', scalarArg(call, 1, 0), x.shape.length);
  const [exclusive, reverse] = [attr.int(call.node, 'exclusive', 0) === 1, attr.int(call.node, 'reverse', 0) === 1];
  return eachLane(x.shape, x.data, lanes(x.shape, axis), (values) => {
    const ordered = reverse ? values.toReversed() : values;
    let sum = 0;
    const sums = ordered.map((v) => {
      const before = sum;
      sum += v;
      return exclusive ? before : sum;
    });
    return reverse ? sums.toReversed() : sums;
  });
};

/** Keeps one triangle of the last two axes. */
const trilu: Kernel = (call) => {
  const x = arg(call, 0);
  const [rows, columns] = [x.shape.at(-2) ?? 0, x.shape.at(-1) ?? 0];
  const [upper, k] = [attr.int(call.node, 'upper', 1) === 1, scalarArg(call, 1, 0)];
  const data = x.data.map((value, i) => {
    const [row, column] = [Math.floor(i / columns) % rows, i % columns];
    return (upper ? column - row >= k : column - row <= k) ? value : 0;
  });
  return { shape: x.shape, data };
};

const eyeLike: Kernel = (call) => {
  const { shape } = arg(call, 0);
  const columns = shape[1] ?? 0;
  const k = attr.int(call.node, 'k', 0);
  const data = Float64Array.from({ length: sizeOf(shape) }, (_, i) =>
    Number((i % columns) - Math.floor(i / columns) === k),
  );
  return { shape, data };
};

const lpNormalization: Kernel = (call: Call): Result => {
  const x = arg(call, 0);
  const p = attr.int(call.node, 'p', 2);
  return eachLane(x.shape, x.data, lanes(x.shape, axisArg(call, x.shape.length, -1)), (values) => {
    const norm =
      p === 1 ? values.reduce((s, v) => s + Math.abs(v), 0) : Math.sqrt(values.reduce((s, v) => s + v * v, 0));
    return values.map((v) => (norm === 0 ? 0 : v / norm));
  });
};

export const onAxes: Record<
  'Softmax' | 'LogSoftmax' | 'Hardmax' | 'CumSum' | 'Trilu' | 'EyeLike' | 'LpNormalization',
  Kernel
> = {
  Softmax: softmaxLike(softmax),
  LogSoftmax: softmaxLike(logSoftmax),
  Hardmax: softmaxLike(hardmax),
  CumSum: cumSum,
  Trilu: trilu,
  EyeLike: eyeLike,
  LpNormalization: lpNormalization,
};
