import { seededRandom } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';
import { gradients } from '../src/autodiff/gradients.ts';
import { rematerialize } from '../src/autodiff/rematerialize.ts';
import { GraphBuilder } from '../src/builder.ts';
import { evaluate } from '../src/interpret/evaluate.ts';
import type { Graph, Node, Value } from '../src/ir.ts';
import { tensor, type TensorData } from '../src/tensor.ts';

const WIDTH = 8;

function matrix(random: () => number, rows: number = WIDTH): TensorData {
  return tensor(
    'float32',
    [rows, WIDTH],
    Float32Array.from({ length: rows * WIDTH }, () => random() - 0.5),
  );
}

/** Loss and gradients of a chain that `build` makes of `x`, every weight trained. */
function step(build: (g: GraphBuilder, x: Value, weight: () => Value) => Value): Graph {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [4, WIDTH]);
  const weights: Value[] = [];
  const weight = (): Value => {
    const value = g.input(`w${weights.length}`, 'float32', [WIDTH, WIDTH]);
    weights.push(value);
    return value;
  };
  const y = build(g, x, weight);
  const loss = g.ops.mean(g.ops.mul(y, y));
  g.output('loss', loss);
  const found = gradients(g, loss, weights);
  weights.forEach((value, i) => g.output(`dw${i}`, found.get(value) as Value));
  return g.build();
}

function feedsOf(graph: Graph, seed: number): Record<string, TensorData> {
  const random = seededRandom(seed);
  return Object.fromEntries([...graph.inputs].map(([name, { dims }]) => [name, matrix(random, dims[0])]));
}

function same(a: Graph, b: Graph, seed: number = 1): void {
  const feeds = feedsOf(a, seed);
  const [left, right] = [evaluate(a, feeds), evaluate(b, feeds)];
  for (const [name, { data }] of Object.entries(left)) expect(right[name]?.data, name).toEqual(data);
}

/** Bytes of the forward pass that nodes of the backward pass read, whether directly or through what they repeat. */
function keptBytes(graph: Graph): number {
  const producers = new Map<Value, Node>();
  for (const node of graph.nodes) for (const value of node.outputs) if (value) producers.set(value, node);
  const forward = new Set<Node>();
  const visit = (value: Value | undefined): void => {
    const node = value && producers.get(value);
    if (node === undefined || forward.has(node)) return;
    forward.add(node);
    node.inputs.forEach(visit);
  };
  visit(graph.outputs.get('loss'));
  const kept = new Set<Value>();
  for (const node of graph.nodes) {
    if (forward.has(node)) continue;
    for (const value of node.inputs) {
      const producer = value && producers.get(value);
      if (value && producer && forward.has(producer)) kept.add(value);
    }
  }
  return [...kept].reduce((sum, { dims }) => sum + 4 * dims.reduce((a, b) => a * b, 1), 0);
}

const ops = (graph: Graph, op: string): number => graph.nodes.filter((node) => node.op === op).length;

describe('rematerialize', () => {
  it('keeps one value of a chain of activations, the latest that gives the others', () => {
    const graph = step((g, x, weight) => {
      const z = g.ops.matmul(x, weight());
      return g.ops.matmul(g.ops.exp(g.ops.tanh(z)), weight());
    });
    const less = rematerialize(graph, 'loss');
    expect(keptBytes(graph) - keptBytes(less)).toBe(4 * 4 * WIDTH);
    expect(ops(less, 'Tanh')).toBe(1);
    expect(ops(less, 'Exp')).toBe(2);
    expect(ops(less, 'MatMul')).toBe(ops(graph, 'MatMul'));
    same(graph, less);
  });

  it('does not repeat what has to be kept anyway, nor a chain of sums as long as the model', () => {
    const graph = step((g, x, weight) => {
      let stream = x;
      for (let i = 0; i < 6; i++) {
        const branch = g.ops.matmul(
          g.ops.rmsNorm(stream, g.constant(tensor('float32', [WIDTH], Array(WIDTH).fill(1)))),
          weight(),
        );
        stream = g.ops.add(stream, branch);
      }
      return stream;
    });
    const less = rematerialize(graph, 'loss');
    // The stream is kept, and from it each layer's normalised values come back with one operator.
    expect(ops(less, 'Add')).toBe(ops(graph, 'Add'));
    expect(ops(less, 'SimplifiedLayerNormalization')).toBeLessThanOrEqual(2 * 6);
    expect(keptBytes(less)).toBeLessThan(0.6 * keptBytes(graph));
    same(graph, less);
  });

  it('gives the graph back when there is nothing to gain', () => {
    const graph = step((g, x, weight) => g.ops.matmul(x, weight()));
    expect(rematerialize(graph, 'loss')).toBe(graph);
  });

  it('never changes a result and never keeps more, in random networks', () => {
    const random = seededRandom(11);
    const below = (n: number): number => Math.floor(random() * n);
    for (let run = 0; run < 60; run++) {
      const graph = step((g, x, weight) => {
        const values = [x];
        const pick = (): Value => values[below(values.length)] as Value;
        const { ops: o } = g;
        const moves: readonly (() => Value)[] = [
          () => o.matmul(pick(), weight()),
          () => o.tanh(pick()),
          () => o.sigmoid(pick()),
          () => o.silu(pick()),
          () => o.softmax(pick()),
          () => o.add(pick(), pick()),
          () => o.mul(pick(), pick()),
          () => o.reshape(o.transpose(pick()), [4, WIDTH]),
          () => o.concat(o.split(pick(), [3, 5], { axis: 1 }).toReversed(), { axis: 1 }),
        ];
        for (let i = 0; i < 4 + below(12); i++) values.push((moves[below(moves.length)] as () => Value)());
        const last = o.matmul(values.at(-1) as Value, weight());
        return values.reduce((sum, value) => o.add(sum, value), last);
      });
      const less = rematerialize(graph, 'loss');
      expect(keptBytes(less)).toBeLessThanOrEqual(keptBytes(graph));
      same(graph, less, run);
    }
  });

  it('names the outputs when the loss is not one of them', () => {
    const graph = step((g, x, weight) => g.ops.matmul(x, weight()));
    expect(() => rematerialize(graph, 'cost')).toThrow(/no output "cost"/);
  });
});
