import {
  evaluate,
  type Graph,
  GraphError,
  gradients,
  isFloat,
  sizeOf,
  tensor,
  type TensorData,
  toNumbers,
  type Value,
} from '@anneal/graph';

import { seededRandom, seedOf } from '../seeded.ts';
import type { Traced } from './trace.ts';

/** Elements of each input that are moved, evenly spread. */
const MOVED = 32;
/** In double precision: the error of a central difference is about the square of it. */
const STEP = 1e-5;
const ABSOLUTE = 1e-6;
const RELATIVE = 1e-4;

const LOSS = 'loss';

/** A random number for every element that comes out: their weighted sum has all gradients in one. */
function weigh({ g, made }: Traced): { loss: Value; feeds: Record<string, TensorData> } {
  const feeds: Record<string, TensorData> = {};
  const terms = [...made].flatMap(([name, value]) => {
    if (!isFloat(value.dtype)) return [];
    const next = seededRandom(seedOf(name));
    const factors = Array.from({ length: sizeOf(value.dims) }, () => next() * 2 - 1);
    feeds[`weights:${name}`] = tensor('float64', value.dims, factors);
    return [g.ops.sum(g.ops.mul(value, g.input(`weights:${name}`, value.dtype, value.dims)))];
  });
  const loss = terms.reduce((a, b) => g.ops.add(a, b));
  return { loss, feeds };
}

const asDouble = ({ dtype, shape, data }: TensorData): TensorData =>
  isFloat(dtype) ? tensor('float64', shape, Array.from(toNumbers({ dtype, shape, data }))) : { dtype, shape, data };

/**
 * How the gradients of what a hook made differ from central differences, in double precision; `undefined` when they do
 * not.
 *
 * @throws Error when nothing that comes out is a float
 */
export function gradientDifference(traced: Traced): string | undefined {
  const { g, made, variables } = traced;
  if (![...made.values()].some(({ dtype }) => isFloat(dtype))) {
    throw new Error('nothing that comes out has a gradient: set `gradient: false`');
  }
  const { loss, feeds: factors } = weigh(traced);
  g.output(LOSS, loss);
  // Asked for one by one: what nothing depends on has no gradient, and that may be right.
  const refusals = new Map<string, string>();
  for (const [name, value] of variables) {
    try {
      g.output(`gradient:${name}`, gradients(g, loss, [value]).get(value) as Value);
    } catch (error) {
      if (!(error instanceof GraphError)) throw error;
      refusals.set(name, error.message);
    }
  }
  const graph = g.build({ name: 'gradients' });
  const feeds: Record<string, TensorData> = { ...factors };
  for (const [name, data] of Object.entries(traced.feeds)) feeds[name] = asDouble(data);
  const results = evaluate(graph, feeds, { precision: 'float64' });
  for (const name of variables.keys()) {
    const gradient = results[`gradient:${name}`];
    const difference = inputDifference(graph, feeds, name, gradient && toNumbers(gradient));
    if (difference === undefined) continue;
    const reason = refusals.get(name);
    return reason === undefined ? difference : `${difference} (${reason})`;
  }
  return undefined;
}

function inputDifference(
  graph: Graph,
  feeds: Readonly<Record<string, TensorData>>,
  name: string,
  gradient: ArrayLike<number> | undefined,
): string | undefined {
  const { shape, data } = feeds[name] as TensorData;
  const values = Array.from(data, Number);
  const lossAt = (i: number, value: number): number => {
    const moved = tensor('float64', shape, values.with(i, value));
    return Number(evaluate(graph, { ...feeds, [name]: moved }, { precision: 'float64' })[LOSS]?.data[0]);
  };
  const stride = Math.max(1, Math.floor(values.length / MOVED));
  for (let i = 0; i < values.length; i += stride) {
    const at = values[i] as number;
    const step = STEP * Math.max(1, Math.abs(at));
    const wanted = (lossAt(i, at + step) - lossAt(i, at - step)) / (2 * step);
    const got = gradient?.[i] ?? 0;
    if (Math.abs(got - wanted) <= ABSOLUTE + RELATIVE * Math.abs(wanted)) continue;
    return `the gradient by ${name}[${i}] is ${got}, finite differences say ${wanted}`;
  }
  return undefined;
}
