import { DTYPES } from '../../dtype.ts';
import type { reductions as rules } from '../../infer/reduce.ts';
import { attr } from '../../ir.ts';
import { integerRange } from '../array.ts';
import { arg, axisArg, type Call, intsArg, type Kernel, type Result } from '../kernel.ts';
import { lanes, resolveAxis } from '../strided.ts';
import { groupsOver } from './normalization.ts';
import { logSumExp } from './on-axes.ts';

/** From the elements of a group to one number; `limits` are the least and the greatest number of the dtype. */
type Reducer = (values: Float64Array, limits: readonly [number, number]) => number;

function axesOf(call: Call, rank: number): readonly number[] {
  const given = intsArg(call, 1, 'axes') ?? [];
  if (given.length > 0) return given.map((axis) => resolveAxis(call.node.op, axis, rank)).sort((a, b) => a - b);
  const noop = attr.int(call.node, 'noop_with_empty_axes', 0) === 1;
  return noop ? [] : Array.from({ length: rank }, (_, i) => i);
}

function keptShape({ node }: Call, shape: readonly number[], axes: readonly number[]): readonly number[] {
  if (attr.int(node, 'keepdims', 1) === 1) return shape.map((dim, i) => (axes.includes(i) ? 1 : dim));
  return shape.filter((_, i) => !axes.includes(i));
}

function reduce(f: Reducer): Kernel {
  return (call): Result => {
    const x = arg(call, 0);
    const axes = axesOf(call, x.shape.length);
    const float = DTYPES[x.dtype].kind === 'float';
    const limits: readonly [number, number] = float ? [-Infinity, Infinity] : integerRange(x.dtype);
    const groups = groupsOver(x.shape, axes);
    const data = Float64Array.from(groups, (at) =>
      f(
        Float64Array.from(at, (i) => x.data[i] as number),
        limits,
      ),
    );
    return { shape: keptShape(call, x.shape, axes), data };
  };
}

/** Position of the best element; of equal ones the first unless `select_last_index`. */
function argBest(better: (a: number, b: number) => boolean): Kernel {
  return (call): Result => {
    const x = arg(call, 0);
    const axis = axisArg(call, x.shape.length, 0);
    const last = attr.int(call.node, 'select_last_index', 0) === 1;
    const data = Float64Array.from(lanes(x.shape, axis), ({ start, stride, length }) => {
      let best = 0;
      for (let i = 1; i < length; i++) {
        const [a, b] = [x.data[start + i * stride] as number, x.data[start + best * stride] as number];
        if (better(a, b) || (last && a === b)) best = i;
      }
      return best;
    });
    return { shape: keptShape(call, x.shape, [axis]), data };
  };
}

const sum: Reducer = (values) => values.reduce((a, b) => a + b, 0);
const sumSquare: Reducer = (values) => values.reduce((a, b) => a + b * b, 0);

export const reductions: Record<keyof typeof rules, Kernel> = {
  ReduceSum: reduce(sum),
  ReduceMean: reduce((values, limits) => sum(values, limits) / values.length),
  ReduceMax: reduce((values, [low]) => values.reduce((a, b) => Math.max(a, b), low)),
  ReduceMin: reduce((values, [, high]) => values.reduce((a, b) => Math.min(a, b), high)),
  ReduceProd: reduce((values) => values.reduce((a, b) => a * b, 1)),
  ReduceL1: reduce((values) => values.reduce((a, b) => a + Math.abs(b), 0)),
  ReduceL2: reduce((values, limits) => Math.sqrt(sumSquare(values, limits))),
  ReduceLogSum: reduce((values, limits) => Math.log(sum(values, limits))),
  ReduceLogSumExp: reduce(logSumExp),
  ReduceSumSquare: reduce(sumSquare),
  ArgMax: argBest((a, b) => a > b),
  ArgMin: argBest((a, b) => a < b),
};
