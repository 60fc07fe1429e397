import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../src/builder.ts';
import { describeGraph } from '../src/describe/describe.ts';
import type { Graph, Value } from '../src/ir.ts';
import { tensor, zeros } from '../src/tensor.ts';
import { bind } from '../src/transform.ts';

/** relu((x + mean of a table) · W) in a module, or what quantizing makes of it. */
function small(quantized: boolean = false): Graph {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', ['batch', 4]);
  const w = g.parameter('encoder.weight', zeros('float32', [4, 3]));
  const table = g.parameter('table', zeros('float16', [100, 4]));
  const mean = g.ops.cast(g.ops.mean(table, { axes: [0] }), 'float32');
  const h = g.scope('encoder', () => g.ops.relu(g.ops.matmul(g.ops.add(x, mean), w)));
  if (!quantized) g.output('y', h);
  else
    g.output(
      'y',
      g.scope('head', () => g.node('DynamicQuantizeLinear', [h], { outputs: 3, names: ['codes'] })[0] as Value),
    );
  return g.build({ name: 'small' });
}

const type = (shape: readonly number[], count: number): { dtype: 'float32'; shape: readonly number[] }[] =>
  Array.from({ length: count }, () => ({ dtype: 'float32', shape }));

describe('describeGraph', () => {
  it('counts operators and weights', () => {
    expect(describeGraph(small())).toMatchObject({
      name: 'small',
      opsets: { '': 21 },
      inputs: [{ name: 'x', dtype: 'float32', shape: ['batch', 4] }],
      outputs: [{ name: 'y', dtype: 'float32', shape: ['batch', 3] }],
      nodes: 5,
      ops: ['Add', 'Cast', 'MatMul', 'ReduceMean', 'Relu'].map((op) => ({ op, count: 1 })),
      parameters: 412,
      parameterBytes: 848,
      bytesByType: { float16: 800, float32: 48 },
      tensors: [
        { name: 'table', dtype: 'float16', shape: [100, 4], bytes: 800 },
        { name: 'encoder.weight', dtype: 'float32', shape: [4, 3], bytes: 48 },
      ],
      obstacles: [],
    });
  });

  it('is plain data', () => {
    const description = describeGraph(small());
    expect(JSON.parse(JSON.stringify(description))).toEqual(description);
  });

  it('names what gradients cannot pass, where it is, and what to do', () => {
    expect(describeGraph(small(true)).obstacles).toEqual([
      {
        op: 'DynamicQuantizeLinear',
        count: 1,
        reason: 'integer arithmetic has no derivative',
        fix: expect.stringContaining('DequantizeLinear') as string,
        modules: ['head'],
        results: ['codes'],
      },
    ]);
  });

  it('finds no obstacle where no weight is before it', () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [4]);
    const [codes] = g.node('DynamicQuantizeLinear', [x], { outputs: 3 });
    const w = g.parameter('w', zeros('float32', [4]));
    // What the sign of a weight leads to has a gradient of zero: no obstacle either.
    const [signs] = g.node('DynamicQuantizeLinear', [g.ops.sign(w)], { outputs: 3 });
    g.output('y', g.ops.add(g.ops.cast(codes as Value, 'float32'), g.ops.cast(signs as Value, 'float32')));
    expect(describeGraph(g.build()).obstacles).toEqual([]);
  });

  it('counts memory by tensor, and the most at once', () => {
    const { memory } = describeGraph(bind(small(), { batch: 5 }));
    // mean [4] f16, cast [4], sum [5, 4], product [5, 3], relu [5, 3]; at the product the sum is alive too.
    expect(memory.totalBytes).toBe(8 + 16 + 80 + 60 + 60);
    expect(memory.peakBytes).toBe(80 + 60);
    expect(memory.peakAt).toEqual({ op: 'MatMul', scope: 'encoder' });
    expect(memory.tensors[0]).toMatchObject({ shape: [5, 4], bytes: 80 });
    expect(memory.unknown).toBe(0);
    expect(describeGraph(small()).memory).toMatchObject({ unknown: 3, totalBytes: 24 });
  });

  it('counts the work of products, convolutions and attention', () => {
    const g = new GraphBuilder();
    const [a, m] = [g.input('a', 'float32', [2, 5, 4]), g.input('m', 'float32', [4, 7])];
    const w = g.parameter('w', zeros('float32', [4, 3]));
    const image = g.input('image', 'float32', [1, 2, 8, 8]);
    const [kernel, reverse] = [zeros('float32', [6, 2, 3, 3]), zeros('float32', [2, 6, 3, 3])];
    g.output('product', g.ops.matmul(a, w));
    g.output('fused', g.ops.matmul(m, w, { transposeA: true }));
    g.output('gemm', g.one('Gemm', [m, w], { attributes: { transA: { int: 1 } } }));
    g.output('conv', g.one('Conv', [image, g.parameter('kernel', kernel)]));
    g.output('reverse', g.one('ConvTranspose', [image, g.parameter('reverse', reverse)]));
    g.output('einsum', g.one('Einsum', [a, w], { attributes: { equation: { string: 'bij,jk->ik' } } }));
    const heads = { num_heads: { int: 2 }, kv_num_heads: { int: 1 } };
    const [q, k, v] = [4, 2, 2].map((width, i) => g.input(`h${i}`, 'float32', [1, 6, width]));
    const lengths = [g.constant(tensor('int32', [1], [5])), g.constant(tensor('int32', [1], [6]))];
    g.output(
      'attention',
      g.one('GroupQueryAttention', [q, k, v, undefined, undefined, ...lengths], {
        domain: 'com.microsoft',
        attributes: heads,
      }),
    );
    const { work } = describeGraph(g.build());
    expect(Object.fromEntries(work.byOp.map(({ op, flops }) => [op, flops]))).toEqual({
      MatMul: 2 * (2 * 5 * 3) * 4,
      'com.microsoft.FusedMatMul': 2 * (7 * 3) * 4,
      Gemm: 2 * (7 * 3) * 4,
      Conv: 2 * (6 * 6 * 6) * (2 * 3 * 3),
      ConvTranspose: 2 * (2 * 8 * 8) * (6 * 3 * 3),
      Einsum: 2 * (2 * 5 * 4 * 3),
      // Scores and values: 6 queries, 6 keys, 2 heads of 2, twice.
      'com.microsoft.GroupQueryAttention': 2 * 2 * (6 * 6 * 2 * 2),
    });
    expect(work.flops).toBe(work.byOp.reduce((sum, { flops }) => sum + flops, 0));
    expect(work.notCounted).toEqual([]);
  });

  it('counts the work of attention in its other forms', () => {
    const g = new GraphBuilder();
    const input = (name: string, ...shape: number[]): Value => g.input(name, 'float32', shape);
    // 4 queries of 8 heads meet 6 keys, and 3 of the past, of 2 heads; values are narrower.
    const [q, k, v] = [input('q', 2, 8, 4, 16), input('k', 2, 2, 6, 16), input('v', 2, 2, 6, 8)];
    const past = [input('pastK', 2, 2, 3, 16), input('pastV', 2, 2, 3, 8)];
    const standard = g.node('Attention', [q, k, v, undefined, ...past], { outputs: 3, types: type([2, 8, 4, 8], 3) });
    g.output('standard', standard[0] as Value);
    // 5 tokens of width 12, projected to queries, keys and values of 3 heads of 4.
    const [x, w, b] = [input('x', 1, 5, 12), input('w', 12, 36), input('b', 36)];
    const options = { domain: 'com.microsoft', attributes: { num_heads: { int: 3 } }, types: type([1, 5, 12], 1) };
    g.output('projecting', g.one('Attention', [x, w, b], options));
    const { byOp, notCounted } = describeGraph(g.build()).work;
    expect(Object.fromEntries(byOp.map(({ op, flops }) => [op, flops]))).toEqual({
      Attention: 2 * (2 * 8) * 4 * (6 + 3) * (16 + 8),
      'com.microsoft.Attention': 2 * (5 * 12 * 36) + 2 * 2 * (3 * 5 * 5 * 4),
    });
    expect(notCounted).toEqual([]);
  });

  it('says which work it cannot count', () => {
    expect(describeGraph(small()).work).toEqual({ flops: 0, byOp: [], notCounted: ['MatMul'] });
  });
});
