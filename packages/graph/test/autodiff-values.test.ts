import { describe, expect, it } from 'vitest';
import { gradients } from '../src/autodiff/gradients.ts';
import { GraphBuilder } from '../src/builder.ts';
import type { DType } from '../src/dtype.ts';
import { toNumbers } from '../src/interpret/array.ts';
import { evaluate } from '../src/interpret/evaluate.ts';
import type { Attributes, Value } from '../src/ir.ts';
import { tensor, type TensorData } from '../src/tensor.ts';
import { expectClose, numbersOf } from './autodiff/harness.ts';

/** Gradients of the sum of a function's result, at the given numbers. */
function gradientsAt(
  inputs: Readonly<Record<string, readonly number[]>>,
  build: (g: GraphBuilder, x: Readonly<Record<string, Value>>) => Value,
): Record<string, number[]> {
  const g = new GraphBuilder();
  const values = Object.fromEntries(
    Object.entries(inputs).map(([name, data]) => [name, g.input(name, 'float64', [data.length])]),
  );
  const loss = g.ops.sum(build(g, values));
  const found = gradients(g, loss, Object.values(values));
  for (const [name, value] of Object.entries(values)) g.output(name, found.get(value) as Value);
  const feeds = Object.fromEntries(
    Object.entries(inputs).map(([name, data]) => [name, tensor('float64', [data.length], data)]),
  );
  return numbersOf(g.build(), feeds);
}

const codes = (values: readonly number[], shape: readonly number[] = [values.length]) => tensor('int8', shape, values);

describe('gradients where a difference quotient says nothing', () => {
  it('pass at the bounds of a clip', () => {
    const found = gradientsAt({ x: [-2, -1, 0, 1, 2] }, (g, { x }) => g.ops.clip(x as Value, { min: -1, max: 1 }));
    expect(found['x']).toEqual([0, 1, 1, 1, 0]);
  });

  it('are divided among ties', () => {
    const found = gradientsAt({ a: [1, 2, 3], b: [1, 5, 3], c: [1, 5, 0] }, (g, { a, b, c }) =>
      g.one('Max', [a, b, c]),
    );
    expectClose(found['a'] ?? [], [1 / 3, 0, 1 / 2], 1e-15, 'a');
    expectClose(found['b'] ?? [], [1 / 3, 1 / 2, 1 / 2], 1e-15, 'b');
    expectClose(found['c'] ?? [], [1 / 3, 1 / 2, 0], 1e-15, 'c');
    expect(gradientsAt({ x: [3, 1, 3, 3] }, (g, { x }) => g.ops.max(x as Value))['x']).toEqual([
      1 / 3,
      0,
      1 / 3,
      1 / 3,
    ]);
    expect(gradientsAt({ x: [1, 1] }, (g, { x }) => g.ops.min(x as Value))['x']).toEqual([0.5, 0.5]);
  });

  it('are divided among ties of a global pool, and go to the first of a window', () => {
    const pool = (op: string, attributes: Attributes = {}) =>
      gradientsAt({ x: [2, 1, 2, 2] }, (g, { x }) =>
        g.ops.reshape(g.one(op, [g.ops.reshape(x as Value, [1, 1, 4])], { attributes }), [-1]),
      )['x'];
    expect(pool('GlobalMaxPool')).toEqual([1 / 3, 0, 1 / 3, 1 / 3]);
    const pairs = { kernel_shape: { ints: [2] }, strides: { ints: [2] } };
    expect(pool('MaxPool', pairs)).toEqual([1, 0, 1, 0]);
    expect(pool('LpPool', pairs)?.map((value) => value.toFixed(3))).toEqual(['0.894', '0.447', '0.707', '0.707']);
  });

  it('go to the elements that were taken where several are the largest', () => {
    const found = gradientsAt({ x: [3, 1, 3, 3] }, (g, { x }) => {
      const [values] = g.node('TopK', [x, g.ints([2])], { outputs: 2 });
      return values as Value;
    });
    expect(found['x']).toEqual([1, 0, 1, 0]);
  });

  it('are zero where nothing is to be normalised or pooled', () => {
    const zero = [0, 0, 0, 0];
    const rows = (op: string, attributes: Attributes = {}) =>
      gradientsAt({ x: zero }, (g, { x }) => {
        const out = g.one(op, [g.ops.reshape(x as Value, [1, 2, 2])], { attributes });
        return g.ops.reshape(out, [-1]);
      })['x'];
    expect(rows('LpPool', { kernel_shape: { ints: [2] } })).toEqual(zero);
    expect(rows('LpNormalization', { p: { int: 1 } })).toEqual(zero);
  });

  it('take the slope below at the kinks of activations', () => {
    const at = (op: string, x: readonly number[], attributes: Attributes = {}) =>
      gradientsAt({ x }, (g, { x: value }) => g.one(op, [value], { attributes }))['x'];
    expect(at('LeakyRelu', [0], { alpha: { float: 0.25 } })).toEqual([0.25]);
    expect(at('Elu', [0], { alpha: { float: 0.5 } })).toEqual([0.5]);
    expect(at('ThresholdedRelu', [1, 2], { alpha: { float: 1 } })).toEqual([0, 1]);
    expect(at('HardSigmoid', [-1, 0, 1], { alpha: { float: 0.5 }, beta: { float: 0.5 } })).toEqual([0, 0.5, 0]);
    expect(at('HardSwish', [-3, 3])?.map(Math.abs)).toEqual([0, 1]);
  });

  it('are zero at the kinks of Abs, Relu, the norm and the L1 norm', () => {
    expect(gradientsAt({ x: [-1, 0, 1] }, (g, { x }) => g.ops.abs(x as Value))['x']).toEqual([-1, 0, 1]);
    expect(gradientsAt({ x: [-1, 0, 1] }, (g, { x }) => g.ops.relu(x as Value))['x']?.map(Math.abs)).toEqual([0, 0, 1]);
    expect(gradientsAt({ x: [0, 0] }, (g, { x }) => g.ops.norm(x as Value))['x']).toEqual([0, 0]);
    expect(gradientsAt({ x: [0, 2] }, (g, { x }) => g.one('ReduceL1', [x]))['x']).toEqual([0, 1]);
    expect(gradientsAt({ x: [0, 0] }, (g, { x }) => g.one('LpNormalization', [x]))['x']).toEqual([0, 0]);
  });

  it('of a power are finite at a base of zero', () => {
    const found = gradientsAt({ x: [0, 0, 0], n: [2, 0, 1] }, (g, { x, n }) => g.ops.pow(x as Value, n as Value));
    expect(found).toEqual({ x: [0, 0, 1], n: [0, 0, 0] });
  });

  it.each(['Ceil', 'Floor', 'Round'])('go straight through %s', (op) => {
    expect(gradientsAt({ x: [-0.4, 1.6] }, (g, { x }) => g.ops.mul(g.one(op, [x]), 3))['x']).toEqual([3, 3]);
  });

  it('go straight through a quantisation, except where its range ends', () => {
    const found = gradientsAt({ x: [-100, -64, 0.3, 63.5, 64.5] }, (g, { x }) => {
      const [scale, zero] = [g.scalar(0.5, 'float64'), g.constant(tensor('int8', [], [0]))];
      const quantized = g.one('QuantizeLinear', [x, scale, zero]);
      return g.one('DequantizeLinear', [quantized, scale, zero]);
    });
    expect(found['x']).toEqual([0, 1, 1, 1, 0]);
  });

  it('go through a quantisation with scales of its own on both sides', () => {
    const found = gradientsAt({ x: [0.3, -0.2, 1, 2] }, (g, { x }) => {
      const pairs = g.ops.reshape(x as Value, [2, 2]);
      const half = g.constant(tensor('float64', [2], [0.5, 0.25]));
      const zero = g.constant(codes([0, 0]));
      const quantized = g.one('QuantizeLinear', [pairs, half, zero], { attributes: { axis: { int: 1 } } });
      return g.one('DequantizeLinear', [quantized, g.scalar(1, 'float64')]);
    });
    expect(found['x']).toEqual([2, 4, 2, 4]);
  });

  it('of an input quantised on the fly are those of the dequantised product', () => {
    const found = gradientsAt({ x: [1, 2, -3, 0.5, 0, 4], bias: [1, 2] }, (g, { x, bias }) => {
      const weight = g.constant(codes([1, -2, 3, 4, -5, 6], [3, 2]));
      const scale = g.constant(tensor('float64', [2], [0.5, 0.25]));
      const rows = g.ops.reshape(x as Value, [2, 3]);
      return g.one('DynamicQuantizeMatMul', [rows, weight, scale, undefined, bias], { domain: 'com.microsoft' });
    });
    expect(found['x']).toEqual([0, 2.5, -1, 0, 2.5, -1]);
    expect(found['bias']).toEqual([2, 2]);
  });

  it('accumulate for tokens that occur several times, and a large table needs no constant of its size', () => {
    const g = new GraphBuilder();
    const table = g.input('table', 'float64', [40_000, 2]);
    const ids = g.input('ids', 'int64', [2, 2]);
    const rows = g.ops.take(table, ids);
    const weights = tensor('float64', [2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8]);
    const found = gradients(g, g.ops.sum(g.ops.mul(rows, g.constant(weights))), [table]);
    g.output('table', found.get(table) as Value);
    const graph = g.build();
    expect(graph.nodes.map(({ op }) => op)).toContain('ScatterElements');
    expect(graph.nodes.map(({ op }) => op)).not.toContain('ScatterND');
    for (const { data } of graph.constants.values()) expect(data.length).toBeLessThan(100);
    // The zeros hang on the ids: without an input they would be folded.
    const expand = graph.nodes.find(({ op, outputs }) => op === 'Expand' && outputs[0]?.shape[0] === 40_000);
    expect(graph.constants.has(expand?.inputs[0] as Value)).toBe(false);
    const zeros = tensor('float64', [40_000, 2], new Float64Array(80_000));
    const result = numbersOf(graph, { table: zeros, ids: tensor('int64', [2, 2], [5, 39_999, 5, 0]) });
    expect(result['table']?.slice(10, 12)).toEqual([6, 8]);
    expect(result['table']?.slice(-2)).toEqual([3, 4]);
    expect(result['table']?.slice(0, 2)).toEqual([7, 8]);
    expect(result['table']?.reduce((a, b) => a + b)).toBe(36);
  });

  it.each(['float16', 'bfloat16'] as const)('are those of double precision in %s, up to its rounding', (dtype) => {
    const numbers = [-2, -0.5, 0.25, 1.5, 0.75, -1];
    const run = (type: DType): number[] => {
      const g = new GraphBuilder();
      const { ops } = g;
      const x = g.input('x', type, [2, 3]);
      const gelu = g.one('Gelu', [ops.mul(x, 0.75)]);
      const hidden = ops.where(ops.greater(x, 1), -3e4, ops.add(gelu, 0.5));
      const loss = ops.sum(ops.mul(ops.softmax(hidden), ops.clip(x, { min: -1.5, max: 1 })));
      g.output('x', gradients(g, loss, [x]).get(x) as Value);
      const results = evaluate(g.build(), { x: tensor(type, [2, 3], numbers) });
      return Array.from(toNumbers(results['x'] as TensorData));
    };
    const [actual, expected] = [run(dtype), run('float64')];
    expect(Math.max(...expected.map(Math.abs))).toBeGreaterThan(0.1);
    expectClose(actual, expected, dtype === 'float16' ? 3e-3 : 3e-2, dtype);
  });
});
