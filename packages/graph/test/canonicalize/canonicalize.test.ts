import { differenceOf, seededRandom } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';
import { gradients } from '../../src/autodiff/gradients.ts';
import { GraphBuilder } from '../../src/builder.ts';
import { canonicalize } from '../../src/canonicalize/canonicalize.ts';
import { describeGraph } from '../../src/describe/describe.ts';
import { evaluate } from '../../src/interpret/evaluate.ts';
import type { Attributes, Graph, Value } from '../../src/ir.ts';
import { sizeOf, tensor, type TensorData } from '../../src/tensor.ts';
import { inline } from '../../src/transform.ts';
import { onRuntime } from './runtime.ts';

const MS = 'com.microsoft';
const int = (values: Readonly<Record<string, number>>): Attributes =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { int: value }]));

function random(shape: readonly number[], seed: number): TensorData {
  const next = seededRandom(seed);
  return tensor(
    'float32',
    shape,
    Array.from({ length: sizeOf(shape) }, () => next() - 0.5),
  );
}

/** A decoder layer as onnxruntime-genai's model builder writes it: 2 heads of 16 on one of keys, rotary positions. */
function decoder(): Graph {
  const g = new GraphBuilder();
  const { ops } = g;
  const x = g.input('x', 'float32', ['batch', 'sequence', 32]);
  const mask = g.input('attention_mask', 'int64', ['batch', 'total']);
  const past = ['key', 'value'].map((name) =>
    g.input(`past_key_values.0.${name}`, 'float32', ['batch', 1, 'past', 16]),
  );
  const weight = (name: string, ...shape: number[]): Value =>
    g.parameter(name, random(shape, name.length), { trainable: true });
  const ones = g.parameter(
    'norm',
    tensor(
      'float32',
      [32],
      Array.from({ length: 32 }, (_, i) => 1 + i / 64),
    ),
  );
  const lengths = ops.cast(ops.sub(ops.sum(mask, { axes: [1], keepdims: true }), g.ints([1])), 'int32');
  const total = ops.cast(g.one('Gather', [ops.shapeOf(mask), g.scalar(1, 'int64')]), 'int32');
  const angles = (f: (x: number) => number): Value =>
    g.constant(
      tensor(
        'float32',
        [8, 8],
        Array.from({ length: 64 }, (_, i) => f(Math.floor(i / 8) / 2 ** (i % 8))),
      ),
    );
  const [y, sum] = g
    .node('SkipSimplifiedLayerNormalization', [x, x, ones], {
      domain: MS,
      attributes: { epsilon: { float: 1e-5 } },
      outputs: [true, false, false, true],
    })
    .filter((value): value is Value => value !== undefined) as [Value, Value];
  const [q, k, v] = [weight('q_proj', 32, 32), weight('k_projx', 32, 16), weight('v_projxx', 32, 16)];
  const [attended, ...present] = g.scope('self_attn', () =>
    g.node(
      'GroupQueryAttention',
      [
        ops.matmul(y, q),
        ops.matmul(y, k),
        ops.matmul(y, v),
        ...past,
        lengths,
        total,
        angles(Math.cos),
        angles(Math.sin),
      ],
      { domain: MS, attributes: int({ num_heads: 2, kv_num_heads: 1, do_rotary: 1 }), outputs: 3 },
    ),
  ) as Value[];
  const gate = ops.matmul(ops.add(sum, attended!), weight('up_projxxx', 32, 8));
  g.output('logits', ops.mul(gate, ops.sigmoid(gate)));
  present.forEach((value, i) => g.output(`present.0.${i === 0 ? 'key' : 'value'}`, value));
  return g.build({ name: 'decoder' });
}

const dims = { batch: 2, sequence: 4, total: 4, past: 0 };
const feeds = {
  x: random([2, 4, 32], 1),
  attention_mask: tensor(
    'int64',
    [2, 4],
    Array.from({ length: 8 }, () => 1n),
  ),
};

describe('a decoder', () => {
  it('is typed before it is taken apart', () => {
    expect(decoder().outputs.get('logits')?.shape).toEqual(['batch', 'sequence', 8]);
  });

  it('is taken apart, without its cache, and computes the same', async () => {
    const { graph, applied } = canonicalize(decoder(), { dims, cache: 'drop' });
    expect(applied).toEqual({ SkipSimplifiedLayerNormalization: 1, GroupQueryAttention: 1, silu: 1 });
    expect([...graph.inputs.keys()]).toEqual(['x', 'attention_mask']);
    expect([...graph.outputs.keys()]).toEqual(['logits']);
    expect(describeGraph(graph).obstacles).toEqual([]);
    expect(graph.nodes.find(({ op }) => op === 'Softmax')?.scope).toBe('self_attn');
    const empty = tensor('float32', [2, 1, 0, 16], []);
    const expected = await onRuntime(decoder(), {
      ...feeds,
      'past_key_values.0.key': empty,
      'past_key_values.0.value': empty,
    });
    const close = { absolute: 1e-5, relative: 1e-4 };
    expect(differenceOf(evaluate(graph, feeds)['logits']!, expected['logits']!, close)).toBeUndefined();
  });

  it('has the gradients that finite differences give', () => {
    const { graph } = canonicalize(decoder(), { dims, cache: 'drop' });
    const g = new GraphBuilder();
    const { logits } = inline(g, graph);
    const loss = g.ops.mean(g.ops.mul(logits!, logits!));
    const names = ['q_proj', 'k_projx', 'v_projxx', 'up_projxxx', 'norm'];
    const wrt = names.map((name) => g.findParameter(name)!.value);
    const found = gradients(g, loss, wrt);
    g.output('loss', loss);
    wrt.forEach((value, i) => g.output(names[i]!, found.get(value)!));
    const built = g.build();
    const all = evaluate(built, feeds, { precision: 'float64' });
    for (const name of names) {
      const parameter = built.parameters.get(name)!;
      const data = parameter.data as TensorData;
      const at = 7;
      const lossAt = (shift: number): number => {
        const moved = Float32Array.from(data.data as Float32Array);
        moved[at] = (moved[at] as number) + shift;
        const parameters = new Map(built.parameters).set(name, { ...parameter, data: { ...data, data: moved } });
        return Number(evaluate({ ...built, parameters }, feeds, { precision: 'float64' })['loss']!.data[0]);
      };
      const step = 2 ** -9;
      const numeric = (lossAt(step) - lossAt(-step)) / (2 * step);
      const exact = Number(all[name]!.data[at]);
      expect(Math.abs(exact - numeric), name).toBeLessThan(1e-4 * Math.abs(numeric) + 1e-7);
      expect(exact, name).not.toBe(0);
    }
  });

  it('stays fused where sizes are not known, or nobody wants it apart', () => {
    const attention = (graph: Graph): boolean => graph.nodes.some(({ op }) => op === 'GroupQueryAttention');
    expect(attention(canonicalize(decoder()).graph)).toBe(true);
    expect(attention(canonicalize(decoder(), { dims, cache: 'drop', expand: false }).graph)).toBe(true);
    expect(attention(canonicalize(decoder(), { dims: { ...dims, past: 3, total: 7 } }).graph)).toBe(true);
  });

  it('keeps its pieces when nothing is to be put together', () => {
    const { graph, applied } = canonicalize(decoder(), { dims, cache: 'drop', fuse: false });
    expect(applied).not.toHaveProperty('silu');
    expect(graph.nodes.some(({ op }) => op === 'Sigmoid')).toBe(true);
  });
});

describe('branches', () => {
  /** x + 1 or x · 2, by an input. */
  function branches(): Graph {
    const g = new GraphBuilder();
    const [x, flag] = [g.input('x', 'float32', [2]), g.input('flag', 'bool', [])];
    const branch = (fill: (inner: GraphBuilder) => Value): Graph => {
      const inner = new GraphBuilder(g);
      inner.output('y', fill(inner));
      return inner.build();
    };
    const attributes: Attributes = {
      then_branch: { graph: branch(({ ops }) => ops.add(x, 1)) },
      else_branch: { graph: branch(({ ops }) => ops.mul(x, 2)) },
    };
    g.output('y', g.one('If', [flag], { attributes, types: [{ dtype: 'float32', shape: [2] }] }));
    return g.build();
  }

  it.each([
    [1, [4, 6]],
    [0, [6, 10]],
  ])('become nodes when their condition is fixed to %i', (flag, y) => {
    const { graph } = canonicalize(branches(), { inputs: { flag: tensor('bool', [], [flag]) } });
    expect([...graph.inputs.keys()]).toEqual(['x']);
    expect(graph.nodes).toHaveLength(1);
    expect([...evaluate(graph, { x: tensor('float32', [2], [3, 5]) })['y']!.data]).toEqual(y);
  });

  it('stay when nothing fixes it', () => {
    expect(canonicalize(branches()).graph.nodes.map(({ op }) => op)).toEqual(['If']);
  });

  it('name an input that is not there', () => {
    expect(() => canonicalize(branches(), { inputs: { flog: tensor('bool', [], [1]) } })).toThrow(
      expect.objectContaining({ code: 'ANNEAL_E_GRAPH', fix: 'inputs are: x, flag' }),
    );
  });
});

describe('integer products', () => {
  function dynamic(): Graph {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2, 4]);
    const w = g.parameter(
      'w',
      tensor(
        'int8',
        [4, 3],
        Array.from({ length: 12 }, (_, i) => 10 * i - 50),
      ),
    );
    const [xq, xs, xz] = g.node('DynamicQuantizeLinear', [x], { outputs: 3 });
    const product = g.one('MatMulInteger', [xq, w, xz]);
    g.output('y', g.ops.mul(g.ops.cast(product, 'float32'), g.ops.mul(xs!, 0.01)));
    return g.build();
  }

  it('become differentiable by default', () => {
    const { graph, applied } = canonicalize(dynamic());
    expect(graph.nodes.map(({ op }) => op)).toEqual(['DequantizeLinear', 'MatMul']);
    expect(applied).toEqual({ MatMulInteger: 1 });
  });

  it('stay when asked to', () => {
    expect(canonicalize(dynamic(), { integers: 'keep' }).graph.nodes.map(({ op }) => op)).toContain('MatMulInteger');
  });
});
