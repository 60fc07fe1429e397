import { describe, expect, it } from 'vitest';
import { gradients } from '../../src/autodiff/gradients.ts';
import { GraphBuilder } from '../../src/builder.ts';
import { canonicalize } from '../../src/canonicalize/canonicalize.ts';
import type { DType } from '../../src/dtype.ts';
import { toNumbers } from '../../src/interpret/array.ts';
import { evaluate } from '../../src/interpret/evaluate.ts';
import type { Attributes, Graph, Value } from '../../src/ir.ts';
import { sizeOf, tensor, type TensorData } from '../../src/tensor.ts';
import { inline } from '../../src/transform.ts';

const MS = 'com.microsoft';
const HEADS: Attributes = { num_heads: { int: 2 } };
type Build = (g: GraphBuilder, input: (name: string, ...shape: number[]) => Value) => Value;

/** The first of two sequences is hidden from all of its queries. */
const MASKED: Readonly<Record<string, Build>> = {
  'MultiHeadAttention, mask of keys': (g, x) => {
    const mask = g.constant(tensor('int32', [2, 3], [0, 0, 0, 1, 0, 1]));
    const inputs = [x('q', 2, 3, 4), x('k', 2, 3, 4), x('v', 2, 3, 4), undefined, mask];
    return g.one('MultiHeadAttention', inputs, { domain: MS, attributes: HEADS });
  },
  'MultiHeadAttention, lengths of 0, causal': (g, x) => {
    const inputs = [
      x('q', 2, 3, 4),
      x('k', 2, 3, 4),
      x('v', 2, 3, 4),
      undefined,
      g.constant(tensor('int32', [2], [0, 2])),
    ];
    return g.one('MultiHeadAttention', inputs, {
      domain: MS,
      attributes: { ...HEADS, unidirectional: { int: 1 } },
    });
  },
  'Attention of com.microsoft': (g, x) => {
    const mask = g.constant(tensor('int32', [2, 3], [0, 0, 0, 1, 1, 0]));
    const inputs = [x('x', 2, 3, 4), x('w', 4, 12), x('b', 12), mask];
    return g.one('Attention', inputs, { domain: MS, attributes: HEADS });
  },
  'Attention, mask of bools': (g, x) => {
    const mask = g.constant(tensor('bool', [2, 1, 3, 3], [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 1]));
    return g.one('Attention', [x('q', 2, 2, 3, 2), x('k', 2, 2, 3, 2), x('v', 2, 2, 3, 2), mask]);
  },
};

function contents(dtype: DType, shape: readonly number[]): TensorData {
  const numbers = Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(i + shape.length));
  return tensor(dtype, shape, numbers);
}

describe('rows of attention that see nothing', () => {
  const cases = Object.entries(MASKED).flatMap(([name, build]) =>
    (['float32', 'float16', 'bfloat16'] as const).map((dtype) => ({ name, dtype, build })),
  );

  it.each(cases)('have finite results and gradients: $name, $dtype', ({ build, dtype }) => {
    const fused = new GraphBuilder();
    fused.output(
      'y',
      build(fused, (name, ...shape) => fused.input(name, dtype, shape)),
    );
    const { graph } = canonicalize(fused.build());
    expect(graph.nodes.map(({ op }) => op)).not.toContain('Attention');
    const g = new GraphBuilder();
    const y = inline(g, graph)['y']!;
    const inputs = g.nodes.length > 0 ? [...trained(g, graph)] : [];
    const found = gradients(g, g.ops.sum(g.ops.mul(y, y)), inputs);
    g.output('y', y);
    for (const value of inputs) g.output(`d${value.name}`, found.get(value)!);
    const feeds = Object.fromEntries(inputs.map(({ name, dims }) => [name, contents(dtype, dims)]));
    const results = evaluate(g.build(), feeds);
    expect(Object.keys(results)).toHaveLength(1 + inputs.length);
    for (const [name, result] of Object.entries(results)) {
      const numbers = toNumbers(result);
      expect(numbers.every(Number.isFinite), name).toBe(true);
      if (name !== 'y')
        expect(
          numbers.some((value) => value !== 0),
          name,
        ).toBe(true);
    }
  });
});

/** The inputs of a graph that was inlined, in the new one. */
function trained(g: GraphBuilder, { inputs }: Graph): Set<Value> {
  return new Set(
    g.nodes.flatMap((node) => node.inputs).filter((value): value is Value => inputs.has(value?.name ?? '')),
  );
}
