import { attr, isFloat, sizeOf } from '@anneal/graph';
import type { Kernels, Tensor } from '../device/kernels.ts';
import { heldAs } from '../device/types.ts';
import type { Step } from '../plan.ts';
import { add, binary, cast, div, fill, mul, sub, transpose, unary, where } from './calc.ts';
import { arg, axisAttribute, axisOf, type Call, ints, outputSlot, type Rule } from './rule.ts';
import { wrapped } from './wrap.ts';

/** Reduces some axes, which stay with size 1. */
type Reducer = (k: Kernels, x: Tensor, axes: readonly number[]) => Tensor;

export const keptShape = (shape: readonly number[], axes: readonly number[]): number[] =>
  shape.map((dim, i) => (axes.includes(i) ? 1 : dim));

/** A kernel over some axes. Size 1 leaves nothing to do. */
export function reduced(k: Kernels, kernel: string, x: Tensor, axes: readonly number[]): Tensor {
  const busy = axes.filter((axis) => x.shape[axis] !== 1);
  if (busy.length === 0) return x;
  // Over the rows of one matrix: shaders have few axes, and some are wrong for any but the last.
  const others = x.shape.map((_, i) => i).filter((i) => !busy.includes(i));
  const turned = transpose(k, x, [...others, ...busy]);
  const inner = sizeOf(busy.map((axis) => x.shape[axis] as number));
  const rows = k.alias(turned, [sizeOf(x.shape) / inner, inner]);
  // `Max` has another name for them than the others.
  const out = k.run(
    kernel,
    { x: rows },
    { ...(kernel === 'Max' ? { reductionIndices: [1] } : { axis: [1] }), keepDims: false },
  );
  return k.alias(out, keptShape(x.shape, busy));
}

/** Sums over leading axes go down the columns, which the kernels would turn over first. */
export const total: Reducer = (k, x, axes) => {
  if (x.dtype === 'bool') return total(k, cast(k, x, 'int32'), axes);
  const busy = axes.filter((axis) => x.shape[axis] !== 1).sort((a, b) => a - b);
  const leads = busy.every((axis) => x.shape.slice(0, axis).every((dim, i) => dim === 1 || busy.includes(i)));
  const depth = busy.at(-1);
  if (depth === undefined || !leads || depth === x.shape.length - 1 || !k.isHost) return reduced(k, 'Sum', x, axes);
  const rows = sizeOf(x.shape.slice(0, depth + 1));
  const columns = sizeOf(x.shape.slice(depth + 1));
  const out = k.blank(keptShape(x.shape, axes), x.dtype);
  const [from, to] = [k.view(x), k.view(out)];
  const sums = new Float64Array(columns);
  for (let row = 0, at = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++, at++)
      sums[column] = (sums[column] as number) + (from?.[at] as number);
  }
  to?.set(sums);
  return out;
};

export const mean: Reducer = (k, x, axes) =>
  div(k, total(k, x, axes), sizeOf(axes.map((axis) => x.shape[axis] as number)));

/** The largest, or NaN where one is: some kernels skip it. */
function best(kernel: 'Max' | 'Min'): Reducer {
  return (k, x, axes) => {
    const out = reduced(k, kernel, x, axes);
    if (k.device === 'cpu' || x.dtype !== 'float32') return out;
    const count = total(k, where(k, unary(k, 'IsNan', x), 1, 0), axes);
    return where(k, binary(k, 'Greater', count, 0), Number.NaN, out);
  };
}

/** For a shift that cancels out: whether NaN is skipped makes no difference. */
export const largest: Reducer = (k, x, axes) => reduced(k, 'Max', x, axes);

/** Shifted by the largest, unless that is not finite. */
const logSumExp: Reducer = (k, x, axes) => {
  const top = largest(k, x, axes);
  const finite = unary(k, 'IsFinite', top);
  const shift = where(k, finite, top, 0);
  const sum = total(k, unary(k, 'Exp', sub(k, x, shift)), axes);
  return add(k, shift, unary(k, 'Log', sum));
};

const squares: Reducer = (k, x, axes) => total(k, mul(k, x, x), axes);

const REDUCERS = {
  ReduceSum: total,
  ReduceMean: mean,
  ReduceMax: best('Max'),
  ReduceMin: best('Min'),
  ReduceProd: (k, x, axes) => reduced(k, 'Prod', x, axes),
  ReduceL1: (k, x, axes) => total(k, unary(k, 'Abs', x), axes),
  ReduceL2: (k, x, axes) => unary(k, 'Sqrt', squares(k, x, axes)),
  ReduceLogSum: (k, x, axes) => unary(k, 'Log', total(k, x, axes)),
  ReduceLogSumExp: logSumExp,
  ReduceSumSquare: squares,
} as const satisfies Readonly<Record<string, Reducer>>;

/** What nothing sums up to, multiplies to. */
const EMPTY: Partial<Record<keyof typeof REDUCERS, number>> = {
  ReduceMax: -Infinity,
  ReduceMin: Infinity,
  ReduceProd: 1,
  ReduceLogSum: -Infinity,
  ReduceLogSumExp: -Infinity,
  ReduceMean: Number.NaN,
};

/** Whose kernels take integers. */
const EXACT: ReadonlySet<keyof typeof REDUCERS> = new Set(['ReduceSum', 'ReduceMax', 'ReduceMin']);

function axesOf(step: Step, call: Call, rank: number): readonly number[] {
  const given = ints(step, call, 1, 'axes') ?? [];
  if (given.length > 0) return given.map((axis) => axisOf(axis, rank));
  return attr.int(step, 'noop_with_empty_axes', 0) === 1 ? [] : Array.from({ length: rank }, (_, i) => i);
}

/** With kept axes gone, unless they stay. */
function dropped(k: Kernels, step: Step, x: Tensor, axes: readonly number[]): Tensor {
  return attr.int(step, 'keepdims', 1) === 1
    ? x
    : k.alias(
        x,
        x.shape.filter((_, i) => !axes.includes(i)),
      );
}

function rule(name: keyof typeof REDUCERS): Rule {
  const reduce: Reducer = REDUCERS[name];
  return (step) => {
    const { dtype } = outputSlot(step);
    const type = heldAs(dtype) ?? 'float32';
    const exact = isFloat(dtype) || EXACT.has(name);
    return (call) => {
      const { k } = call;
      const x = arg(call, 0);
      const axes = axesOf(step, call, x.shape.length);
      if (sizeOf(x.shape) === 0)
        return dropped(k, step, fill(k, keptShape(x.shape, axes), EMPTY[name] ?? 0, type), axes);
      const out = reduce(k, exact ? x : cast(k, x, 'float32'), axes);
      return dropped(k, step, wrapped(k, cast(k, out, type), dtype), axes);
    };
  };
}

/** Position of the best element; of equal ones the first unless `select_last_index`. */
function argBest(kernel: 'ArgMax' | 'ArgMin'): Rule {
  return (step) => {
    const last = attr.int(step, 'select_last_index', 0) === 1;
    return (call) => {
      const { k } = call;
      const x = arg(call, 0);
      const axis = axisAttribute(step, x.shape.length, 0);
      const found = k.run(kernel, { x: last ? reversed(k, x, axis) : x }, { axis });
      const at = last ? sub(k, k.scalar((x.shape[axis] as number) - 1, 'int32'), found) : found;
      return k.alias(at, attr.int(step, 'keepdims', 1) === 1 ? keptShape(x.shape, [axis]) : at.shape);
    };
  };
}

export function reversed(k: Kernels, x: Tensor, axis: number): Tensor {
  return k.run('Reverse', { x }, { dims: [axis] });
}

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
  Rule
> = {
  ReduceSum: rule('ReduceSum'),
  ReduceMean: rule('ReduceMean'),
  ReduceMax: rule('ReduceMax'),
  ReduceMin: rule('ReduceMin'),
  ReduceProd: rule('ReduceProd'),
  ReduceL1: rule('ReduceL1'),
  ReduceL2: rule('ReduceL2'),
  ReduceLogSum: rule('ReduceLogSum'),
  ReduceLogSumExp: rule('ReduceLogSumExp'),
  ReduceSumSquare: rule('ReduceSumSquare'),
  ArgMax: argBest('ArgMax'),
  ArgMin: argBest('ArgMin'),
};
