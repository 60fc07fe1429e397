import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gradients, type Graph, GraphBuilder, type Ops, tensor, type Value, writeOnnx, zeros } from '@anneal/graph';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';

import { activationsOf } from '../src/memory-plan/activations.ts';
import { Arena } from '../src/memory-plan/arena.ts';
import { executionOrder } from '../src/memory-plan/execution-order.ts';
import { planMemory } from '../src/memory-plan/plan.ts';

/** A float32 vector of one page. */
const PAGE = 4096;
const ONE = [1024] as const;

function graphOf(build: (ops: Ops, x: Value, y: Value, g: GraphBuilder) => Value): Graph {
  const g = new GraphBuilder();
  const [x, y] = [g.input('x', 'float32', ONE), g.input('y', 'float32', ONE)];
  g.output('out', build(g.ops, x, y, g));
  return g.build();
}
/** Pages that a run writes when its result goes to the caller's buffer. */
const pages = (build: Parameters<typeof graphOf>[0]): number => activationsOf(graphOf(build), () => true) / PAGE;

describe('the order of execution', () => {
  it('is depth first from the last result, the latest producer first', () => {
    const g = new GraphBuilder();
    const { ops } = g;
    const x = g.input('x', 'float32', [2]);
    const [a, b] = [ops.sqrt(x), ops.exp(x)];
    g.output('first', ops.add(a, b));
    g.output('second', ops.tanh(ops.neg(a)));
    const { nodes } = g.build();
    expect(nodes.map(({ op }) => op)).toEqual(['Sqrt', 'Exp', 'Add', 'Neg', 'Tanh']);
    expect(executionOrder(nodes).map(({ op }) => op)).toEqual(['Sqrt', 'Neg', 'Tanh', 'Exp', 'Add']);
  });

  it('is what the profiler of the runtime tells', async () => {
    const g = new GraphBuilder();
    const { ops } = g;
    const x = g.input('x', 'float32', [8, 4]);
    const weights = [3, 5, 7].map((width, i, widths) => g.input(`w${i}`, 'float32', [widths[i - 1] ?? 4, width]));
    const hidden = weights.reduce((value, weight) => ops.tanh(ops.matmul(value, weight)), x);
    const loss = ops.mean(ops.mul(hidden, hidden));
    const found = gradients(g, loss, weights);
    for (const [weight, gradient] of found) g.output(`next:${weight.name}`, ops.sub(weight, ops.mul(gradient, 0.1)));
    g.output('loss', loss);
    const graph = g.build();
    const folder = mkdtempSync(join(tmpdir(), 'anneal-order-'));
    try {
      const session = await InferenceSession.create((await writeOnnx(graph)).model, {
        graphOptimizationLevel: 'disabled',
        enableProfiling: true,
        profileFilePrefix: join(folder, 'profile'),
      });
      const feeds = [...graph.inputs].map(([name, { dims }]) => {
        const { data } = zeros('float32', dims);
        return [name, new Tensor('float32', data as Float32Array, dims)] as const;
      });
      await session.run(Object.fromEntries(feeds));
      session.endProfiling();
      await session.release();
      const text = readFileSync(join(folder, readdirSync(folder)[0] as string), 'utf8');
      const events = JSON.parse(text) as { cat: string; name: string; args: ProfileArgs }[];
      const run = events.filter(({ cat, name }) => cat === 'Node' && name.endsWith('_kernel_time'));
      const ran = run.map(({ args }) => `${args.op_name} ${args.output_type_shape.map((out) => out['float']?.join())}`);
      const planned = executionOrder(graph.nodes).map(({ op, outputs }) => `${op} ${outputs.map((out) => out?.dims)}`);
      expect(planned).toEqual(ran);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

interface ProfileArgs {
  readonly op_name: string;
  readonly output_type_shape: readonly Readonly<Record<string, readonly number[]>>[];
}

describe('intermediate results', () => {
  it('of arithmetic take turns in two buffers', () => {
    expect(pages((ops, x, y) => ops.neg(ops.add(x, y)))).toBe(1);
    expect(pages((ops, x, y) => ops.neg(ops.sqrt(ops.add(x, y))))).toBe(2);
    expect(pages((ops, x, y) => [1, 2, 3, 4, 5].reduce((value) => ops.mul(value, y), ops.add(x, y)))).toBe(2);
  });

  it('of activations are written over their input, unless that is still needed', () => {
    expect(pages((ops, x, y) => ops.neg(ops.tanh(ops.sigmoid(ops.add(x, y)))))).toBe(1);
    expect(
      pages((ops, x, y) => {
        const sum = ops.add(x, y);
        return ops.mul(ops.tanh(sum), sum);
      }),
    ).toBe(2);
    // An input belongs to the caller.
    expect(pages((ops, x) => ops.neg(ops.tanh(x)))).toBe(1);
  });

  it('under another shape take nothing', () => {
    expect(pages((ops, x, y) => ops.sum(ops.reshape(ops.add(x, y), [32, 32])))).toBe(1);
    expect(pages((ops, x) => ops.sum(ops.reshape(x, [32, 32]), { axes: [0] }))).toBe(0);
  });

  it('of one size share a buffer when their shapes are the same', () => {
    const wide = (shape: readonly number[]): number =>
      pages((ops, x, y) => ops.neg(ops.reshape(ops.neg(ops.reshape(ops.neg(ops.add(x, y)), shape)), ONE)));
    expect([wide(ONE), wide([32, 32])]).toEqual([2, 2]);
  });

  it('that the caller does not hold stay until the end', () => {
    const graph = graphOf((ops, x, y) => ops.neg(ops.add(x, y)));
    expect(activationsOf(graph, () => false) / PAGE).toBe(2);
  });

  it('include what a kernel takes for itself', () => {
    expect(pages((ops, x, y) => ops.neg(ops.where(ops.greater(x, y), x, y)))).toBeGreaterThanOrEqual(3);
  });

  it('are kept from the forward to the backward pass', () => {
    const steps = (layers: number): number =>
      pages((ops, x, _y, g) => {
        let value = x;
        for (let i = 0; i < layers; i++) value = ops.exp(ops.neg(value));
        return gradients(g, ops.sum(value), [x]).get(x) as Value;
      });
    expect(steps(12) - steps(8)).toBe(4);
  });
});

describe('the arena', () => {
  const MiB = 2 ** 20;

  it('counts the pages that were written, once', () => {
    const arena = new Arena();
    const first = arena.allocate(3 * PAGE);
    expect(arena.touchedBytes).toBe(3 * PAGE);
    arena.free(first);
    arena.allocate(2 * PAGE);
    expect(arena.touchedBytes).toBe(3 * PAGE);
    arena.allocate(1);
    expect(arena.touchedBytes).toBe(3 * PAGE);
    expect(arena.allocate(0)).toBeUndefined();
  });

  it('gives a chunk as it is when less than half of it would be left', () => {
    const arena = new Arena();
    const chunk = arena.allocate(8 * PAGE);
    const guard = arena.allocate(PAGE);
    arena.free(chunk);
    const again = arena.allocate(5 * PAGE);
    expect(again?.size).toBe(8 * PAGE);
    arena.free(again);
    expect(arena.allocate(4 * PAGE)?.size).toBe(4 * PAGE);
    expect(guard?.start).toBe(8 * PAGE);
  });

  it('puts neighbours together again, and takes the smallest that fits', () => {
    const arena = new Arena();
    const chunks = [4, 1, 2, 1, 16].map((count) => arena.allocate(count * PAGE));
    arena.free(chunks[0]);
    arena.free(chunks[2]);
    expect(arena.allocate(2 * PAGE)?.start).toBe(5 * PAGE);
    arena.free(chunks[1]);
    expect(arena.allocate(5 * PAGE)?.start).toBe(0);
  });

  it('grows by regions of doubling size, at least as large as needed', () => {
    const arena = new Arena();
    arena.allocate(MiB);
    expect(arena.allocate(MiB)?.region).toBe(1);
    expect(arena.allocate(MiB)).toMatchObject({ region: 1, start: MiB });
    expect(arena.allocate(5 * MiB)).toMatchObject({ region: 2, size: 8 * MiB });
  });
});

describe('the plan', () => {
  const mutes = { mutes: true };
  const SIZE = 2 ** 20;

  function step(more: (ops: Ops, value: Value) => Value = (_, value) => value): Graph {
    const g = new GraphBuilder();
    const { ops } = g;
    const x = g.input('x', 'float32', [1, 512]);
    const w = g.input('param', 'float32', [512, 512]);
    const product = ops.matmul(ops.matmul(x, w), g.parameter('frozen', FROZEN));
    g.output('next', ops.sub(w, ops.mean(more(ops, product))));
    return g.build();
  }
  const FROZEN = tensor('float32', [512, 512], new Float32Array(512 * 512));
  const state = {
    param: { dtype: 'float32', shape: [512, 512] },
    other: { dtype: 'float32', shape: [512, 512] },
  } as const;
  const updates = { next: 'param' };

  it('counts weights of several programs once, and what is updated twice', () => {
    const one = planMemory([{ graph: step(), updates, purpose: 'training' }], state, mutes);
    expect(one).toMatchObject({ weights: SIZE, state: 3 * SIZE });
    const two = planMemory(
      [
        { graph: step(), updates, purpose: 'training' },
        { graph: step(), updates: { next: 'other' }, purpose: 'training' },
      ],
      state,
      mutes,
    );
    expect(two).toMatchObject({ weights: SIZE, state: 3 * SIZE, activations: 2 * one.activations });
    expect(two.programs).toBeGreaterThan(one.programs);
  });

  it('counts the packed copy of inference, and results where the runtime copies them', () => {
    const graph = step();
    const training = planMemory([{ graph, updates, purpose: 'training' }], state, mutes);
    const inference = planMemory([{ graph, updates }], state, mutes);
    expect(inference.weights - training.weights).toBe(SIZE);
    const copied = planMemory([{ graph, updates, purpose: 'training' }], state, { mutes: false });
    expect(copied.activations - training.activations).toBeGreaterThanOrEqual(SIZE);
  });

  it('counts what is computed of weights alone as a constant', () => {
    const g = new GraphBuilder();
    const { ops } = g;
    const x = g.input('x', 'float32', [1, 512]);
    g.output('y', ops.matmul(x, ops.neg(g.parameter('frozen', FROZEN))));
    const folded = planMemory([{ graph: g.build(), purpose: 'training' }], {}, mutes);
    const plain = planMemory([{ graph: step(), updates, purpose: 'training' }], state, mutes);
    expect(folded.programs - plain.programs).toBeGreaterThan(SIZE - 100_000);
  });

  it('counts the rows of a mapped table that are looked up, unless something else reads it', () => {
    const weights = (build: (g: GraphBuilder, table: Value, ids: Value) => Value): number => {
      const g = new GraphBuilder();
      const table = g.parameter('table', zeros('float32', [10_000, 1024]));
      g.output('y', build(g, table, g.input('ids', 'int64', [3])));
      return planMemory([{ graph: g.build(), purpose: 'training' }], {}, mutes).weights;
    };
    // Three rows of a page each, which may begin anywhere in one.
    expect(weights((g, table, ids) => g.ops.take(table, ids))).toBe(3 * 2 * 4096);
    const all = 4 * 10_000 * 1024;
    expect(weights((g, table, ids) => g.ops.take(table, ids, { axis: 1 }))).toBe(all);
    expect(weights((g, table, ids) => g.ops.matmul(g.ops.take(table, ids), table, { transposeB: true }))).toBe(all);
  });
});
