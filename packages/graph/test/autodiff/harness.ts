import { expect } from 'vitest';
import { gradients } from '../../src/autodiff/gradients.ts';
import { GraphBuilder } from '../../src/builder.ts';
import type { DType } from '../../src/dtype.ts';
import { opKey } from '../../src/infer/index.ts';
import { evaluate } from '../../src/interpret/evaluate.ts';
import type { Graph, Value } from '../../src/ir.ts';
import { sizeOf, tensor, type TensorData } from '../../src/tensor.ts';

/** A float input: a shape for normal numbers, an interval for uniform ones, or the elements themselves. */
export type InputSpec =
  | readonly number[]
  | { readonly shape: readonly number[]; readonly low: number; readonly high: number }
  | { readonly shape: readonly number[]; readonly data: readonly number[] };

export interface Case {
  readonly name: string;
  readonly inputs: Readonly<Record<string, InputSpec>>;
  readonly build: (g: GraphBuilder, x: Readonly<Record<string, Value>>) => Value;
  /** @defaultValue `'float64'` */
  readonly dtype?: DType;
  /** Largest error, relative to the largest gradient. @defaultValue `2e-8` */
  readonly tolerance?: number;
}

/** Mulberry32: 32 bits of state, enough for test data. */
export function random(seed: string): () => number {
  let state = 0x9e3779b9;
  for (const char of seed) state = Math.imul(state ^ (char.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Box-Muller. */
export function normal(uniform: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

function draw(spec: InputSpec, uniform: () => number): TensorData {
  if (!('shape' in spec)) {
    return tensor(
      'float64',
      spec,
      Array.from({ length: sizeOf(spec) }, () => normal(uniform)),
    );
  }
  if ('data' in spec) return tensor('float64', spec.shape, spec.data);
  const { shape, low, high } = spec;
  return tensor(
    'float64',
    shape,
    Array.from({ length: sizeOf(shape) }, () => low + (high - low) * uniform()),
  );
}

/** The sum of a case's result times fixed random weights, so that every element of the result counts differently. */
function trace({ name, inputs, build, dtype = 'float64' }: Case): {
  g: GraphBuilder;
  values: Record<string, Value>;
  loss: Value;
} {
  const g = new GraphBuilder();
  const shapes = Object.entries(inputs).map(([key, spec]) => [key, 'shape' in spec ? spec.shape : spec] as const);
  const values = Object.fromEntries(shapes.map(([key, shape]) => [key, g.input(key, dtype, shape)]));
  const result = build(g, values);
  const uniform = random(`${name} weights`);
  const weights = tensor(
    dtype,
    result.dims,
    Array.from({ length: sizeOf(result.dims) }, () => normal(uniform)),
  );
  return { g, values, loss: g.ops.sum(g.ops.mul(result, g.constant(weights))) };
}

/** Compares the gradients of a case with central differences, computed in double precision. */
export function checkGradients(given: Case): void {
  const { name, inputs, tolerance = 2e-8 } = given;
  const uniform = random(name);
  const feeds = Object.fromEntries(Object.entries(inputs).map(([key, spec]) => [key, draw(spec, uniform)]));

  const forward = trace(given);
  forward.g.output('loss', forward.loss);
  const lossGraph = forward.g.build();
  const lossOf = (): number => evaluate(lossGraph, feeds, { precision: 'float64' })['loss']?.data[0] as number;

  const backward = trace(given);
  const found = gradients(backward.g, backward.loss, Object.values(backward.values));
  for (const [key, value] of Object.entries(backward.values)) backward.g.output(key, found.get(value) as Value);
  const computed = evaluate(backward.g.build(), feeds, { precision: 'float64' });

  for (const [key, { data }] of Object.entries(feeds)) {
    const numbers = data as Float64Array;
    const expected = Array.from(numbers, (at, i) => {
      const step = 1e-4 * Math.max(1, Math.abs(at));
      // Fourth order: the error of the difference stays below that of the arithmetic.
      const values = [-2, -1, 1, 2].map((k) => {
        numbers[i] = at + k * step;
        return lossOf();
      }) as [number, number, number, number];
      numbers[i] = at;
      return (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step);
    });
    expectClose(Array.from(computed[key]?.data ?? [], Number), expected, tolerance, `d${key}`);
  }
}

/** Every element within `tolerance` of the largest expected magnitude (at least 1). */
export function expectClose(
  actual: readonly number[],
  expected: readonly number[],
  tolerance: number,
  label: string,
): void {
  expect(actual, label).toHaveLength(expected.length);
  const scale = Math.max(1, ...expected.map(Math.abs));
  const worst = expected.reduce((most, want, i) => {
    const off = Math.abs((actual[i] as number) - want) / scale;
    return Number.isNaN(off) ? Infinity : Math.max(most, off);
  }, 0);
  if (worst > tolerance) expect(actual, `${label} is off by ${worst}`).toEqual(expected);
}

/** Keys of the operators between a case's inputs and its result. */
export function operatorsOf(given: Case): Set<string> {
  const { g, values } = trace(given);
  const reached = new Set<Value>(Object.values(values));
  const keys = new Set<string>();
  for (const node of g.nodes.slice(0, -2)) {
    if (!node.inputs.some((value) => value && reached.has(value))) continue;
    keys.add(opKey(node.domain, node.op));
    for (const value of node.outputs) if (value) reached.add(value);
  }
  return keys;
}

/** Runs a graph of float64 values and returns its outputs as numbers. */
export function numbersOf(graph: Graph, feeds: Readonly<Record<string, TensorData>>): Record<string, number[]> {
  const results = evaluate(graph, feeds, { precision: 'float64' });
  return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, Array.from(data, Number)]));
}
