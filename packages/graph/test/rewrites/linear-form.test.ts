import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/builder.ts';
import { interpret } from '../../src/interpret/evaluate.ts';
import type { Attributes, Graph, Value } from '../../src/ir.ts';
import { linearLayers } from '../../src/linear-layers.ts';
import { linearForm } from '../../src/rewrites/linear-form.ts';
import { tensor, type TensorData } from '../../src/tensor.ts';

const matrix = (rows: number, columns: number): TensorData =>
  tensor(
    'float32',
    [rows, columns],
    Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i + 1)),
  );
const TRANS_B: Attributes = { transB: { int: 1 } };

/** `x: [2, 3]`, a weight `[4, 3]` or `[3, 4]` and a bias, put together by `build`. */
function graphOf(
  build: (
    g: GraphBuilder,
    x: Value,
    weight: (shape: [number, number]) => Value,
    bias: Value,
  ) => Value | readonly Value[],
): Graph {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [2, 3]);
  const bias = g.parameter('head.bias', tensor('float32', [4], [1, 2, 3, 4]), { trainable: true });
  const weight = (shape: [number, number]): Value => g.parameter('head.weight', matrix(...shape), { trainable: true });
  const built = build(g, x, weight, bias);
  for (const [i, value] of (Array.isArray(built) ? built : [built]).entries()) g.output(`y${i}`, value as Value);
  return g.build();
}

async function run(graph: Graph): Promise<number[][]> {
  const results = await interpret(graph, { x: matrix(2, 3) });
  return Object.values(results).map(({ data }) => Array.from(data, Number));
}

async function turned(graph: Graph): Promise<{ readonly graph: Graph; readonly ops: readonly string[] }> {
  const result = await linearForm(graph);
  for (const [i, values] of (await run(result)).entries()) {
    (await run(graph))[i]?.forEach((value, j) => expect(values[j]).toBeCloseTo(value, 5));
  }
  return { graph: result, ops: result.nodes.map(({ op }) => op) };
}

describe('linear layers', () => {
  it('of a transposed Gemm are a product with [in, out] and a sum', async () => {
    const before = graphOf((g, x, weight, bias) =>
      g.one('Gemm', [x, weight([4, 3]), bias], { attributes: TRANS_B, scope: 'head' }),
    );
    const { graph, ops } = await turned(before);
    expect(ops).toEqual(['MatMul', 'Add']);
    expect(graph.nodes.map(({ scope }) => scope)).toEqual(['head', 'head']);
    expect(graph.parameters.get('head.weight')).toMatchObject({ transposed: true, trainable: true });
    expect([...linearLayers(graph).values()]).toEqual([{ path: 'head', weight: 'head.weight', inDim: 3, outDim: 4 }]);
  });

  it('of a Gemm keep their weight where it is', async () => {
    const before = graphOf((g, x, weight, bias) => g.one('Gemm', [x, weight([3, 4]), bias]));
    const { graph, ops } = await turned(before);
    expect(ops).toEqual(['MatMul', 'Add']);
    expect(graph.parameters.get('head.weight')!.data).toBe(before.parameters.get('head.weight')!.data);
    expect(graph.parameters.get('head.weight')).toMatchObject({ transposed: false });
  });

  it('need no bias', async () => {
    const { ops } = await turned(
      graphOf((g, x, weight) => g.one('Gemm', [x, weight([4, 3])], { attributes: TRANS_B })),
    );
    expect(ops).toEqual(['MatMul']);
  });

  it('whose transpose was not folded have it folded', async () => {
    const { graph, ops } = await turned(graphOf((g, x, weight) => g.ops.matmul(x, g.ops.transpose(weight([4, 3])))));
    expect(ops).toEqual(['MatMul']);
    expect(linearLayers(graph).size).toBe(1);
  });

  it.each<[string, Parameters<typeof graphOf>[0], readonly string[]]>([
    [
      'with factors',
      (g, x, weight) => g.one('Gemm', [x, weight([3, 4])], { attributes: { alpha: { float: 2 } } }),
      ['Gemm'],
    ],
    [
      'whose weight is a table, too',
      (g, x, weight) => {
        const table = weight([4, 3]);
        const row = g.ops.take(table, g.scalar(1, 'int64'));
        return [g.one('Gemm', [x, table], { attributes: TRANS_B }), row];
      },
      ['Gather', 'Gemm'],
    ],
    [
      'whose weight is an output',
      (g, x, weight) => {
        const table = weight([4, 3]);
        return [g.ops.matmul(x, g.ops.transpose(table)), table];
      },
      ['Transpose', 'MatMul'],
    ],
  ])('%s stay', async (_, build, left) => {
    expect((await turned(graphOf(build))).ops).toEqual(left);
  });
});
