import { seededRandom } from '@anneal/testkit';
import { expect } from 'vitest';
import {
  type Attributes,
  evaluate,
  GraphBuilder,
  sizeOf,
  tensor,
  type TensorData,
  toNumbers,
  type Value,
} from '../../src/index.ts';

const next = seededRandom(20_260);

/** Seeded numbers between `low` and `high`. */
export function uniform(shape: readonly number[], low: number = -2, high: number = 2): TensorData {
  const data = Array.from({ length: sizeOf(shape) }, () => low + (high - low) * next());
  return tensor('float64', shape, data);
}

/** Seeded integers from `low` to `high`, both ends included. */
export function integers(shape: readonly number[], low: number, high: number): TensorData {
  const data = Array.from({ length: sizeOf(shape) }, () => low + Math.floor((high - low + 1) * next()));
  return tensor('int64', shape, data);
}

/** One of some items. */
export function oneOf<T>(...items: readonly T[]): T {
  return items[Math.floor(next() * items.length)] as T;
}

/** What a computation on constants gives, in double precision. */
export function compute(trace: (g: GraphBuilder) => Value): TensorData {
  const g = new GraphBuilder();
  g.output('y', trace(g));
  return evaluate(g.build({ opsets: { '': 23, 'com.microsoft': 1 } }), {}, { precision: 'float64' })['y'] as TensorData;
}

/** What one node gives for some tensors. */
export function apply(
  op: string,
  inputs: readonly (TensorData | undefined)[],
  attributes: Attributes = {},
  domain: string = '',
): TensorData {
  return compute((g) =>
    g.one(
      op,
      inputs.map((x) => x && g.constant(x)),
      { attributes, domain },
    ),
  );
}

export function numbersOf(t: TensorData): number[] {
  return Array.from(toNumbers(t));
}

/** Same shape and, to twelve digits, same numbers. */
export function expectClose(actual: TensorData, expected: TensorData, digits: number = 12): void {
  expect(actual.shape).toEqual(expected.shape);
  const [a, e] = [numbersOf(actual), numbersOf(expected)];
  const off = a.flatMap((v, i) => {
    const want = e[i] as number;
    const same = v === want || Math.abs(v - want) <= 10 ** -digits * Math.max(1, Math.abs(want));
    return same || (Number.isNaN(v) && Number.isNaN(want)) ? [] : [`[${i}] ${v} is not ${want}`];
  });
  expect(off).toEqual([]);
}

/** Runs a property on a few draws. */
export function often(property: () => void, times: number = 12): void {
  for (let i = 0; i < times; i++) property();
}
