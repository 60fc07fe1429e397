import { type Backend, type Graph, GraphBuilder, type TensorData, tensor, type Value } from '@anneal/graph';
import { seededRandom } from '@anneal/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { onnxBackend } from '../src/index.ts';
import { overwritable } from '../src/overwrite.ts';

const SIZE = 4096;

/** A program with the updates `next → entry` of what `build` returns. */
function program(build: (g: GraphBuilder) => Readonly<Record<string, Value>>): {
  graph: Graph;
  updates: Record<string, string>;
} {
  const g = new GraphBuilder();
  const next = build(g);
  const updates: Record<string, string> = {};
  for (const [entry, value] of Object.entries(next)) {
    g.output(`next:${entry}`, value);
    updates[`next:${entry}`] = entry;
  }
  return { graph: g.build(), updates };
}

const entry = (g: GraphBuilder, name: string): Value => g.input(name, 'float32', [SIZE]);
const safe = (build: (g: GraphBuilder) => Readonly<Record<string, Value>>): string[] => {
  const { graph, updates } = program(build);
  return [...overwritable(graph, updates)];
};

/** AdamW with decoupled decay and a moving average. */
function adam(g: GraphBuilder): Record<string, Value> {
  const { ops } = g;
  const [p, gradient, m, v, ema] = ['p', 'g', 'm', 'v', 'ema'].map((name) => entry(g, name)) as Value[];
  const nextM = ops.add(ops.mul(m!, 0.9), ops.mul(gradient!, 0.1));
  const nextV = ops.add(ops.mul(v!, 0.99), ops.mul(ops.mul(gradient!, gradient!), 0.01));
  const step = ops.div(nextM, ops.add(ops.sqrt(nextV), 1e-8));
  const nextP = ops.sub(ops.mul(p!, 0.999), ops.mul(step, 0.01));
  return { p: nextP, m: nextM, v: nextV, ema: ops.add(nextP, ops.mul(ops.sub(ema!, nextP), 0.9)) };
}

describe('overwritable', () => {
  it('finds the state of AdamW, and what is only written', () => {
    expect(safe(adam)).toEqual(['next:p', 'next:m', 'next:v', 'next:ema']);
    expect(safe((g) => ({ w: g.ops.exp(g.input('x', 'float32', [SIZE])) }))).toEqual(['next:w']);
  });

  it.each<[string, (g: GraphBuilder) => Record<string, Value>]>([
    [
      'is read by something else',
      (g) => {
        const w = entry(g, 'w');
        g.output('y', g.ops.exp(w));
        return { w: g.ops.add(w, 1) };
      },
    ],
    [
      'is an output',
      (g) => {
        const w = entry(g, 'w');
        g.output('y', w);
        return { w: g.ops.add(w, 1) };
      },
    ],
    [
      'is read by the update of another entry',
      (g) => {
        const w = entry(g, 'w');
        return { w: g.ops.add(w, 1), v: g.ops.sub(w, entry(g, 'v')) };
      },
    ],
    [
      'is read through a view',
      (g) => {
        const w = entry(g, 'w');
        g.output('y', g.ops.sum(g.ops.reshape(w, [2, SIZE / 2]), { axes: [0] }));
        return { w: g.ops.add(w, 1) };
      },
    ],
    [
      'moves its elements',
      (g) => ({ w: g.ops.concat(g.ops.split(entry(g, 'w'), [SIZE / 2, SIZE / 2], { axis: 0 }), { axis: 0 }) }),
    ],
  ])('leaves out an entry that %s', (_, build) => {
    expect(safe(build)).not.toContain('next:w');
  });
});

describe('inPlace', () => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await onnxBackend({ threads: 2 });
  });
  afterAll(() => backend.close());

  const random = seededRandom(3);
  const vector = (): TensorData => tensor('float32', [SIZE], Float32Array.from({ length: SIZE }, random));
  const start = Object.fromEntries(['p', 'g', 'm', 'v', 'ema'].map((name) => [name, vector()]));

  it.each(['training', 'inference'] as const)(
    'gives the same bytes as a second buffer, compiled for %s',
    async (purpose) => {
      const { graph, updates } = program(adam);
      const run = async (inPlace: boolean): Promise<Record<string, TensorData>> => {
        const state = await backend.createState(start);
        const compiled = await backend.compile(graph, { state, updates, inPlace, purpose });
        for (let i = 0; i < 5; i++) await compiled.run({});
        const result = await state.read();
        await compiled.dispose();
        await state.dispose();
        return result;
      };
      expect(await run(true)).toEqual(await run(false));
    },
  );

  it('keeps what it may not overwrite', async () => {
    const { graph, updates } = program((g) => {
      const w = entry(g, 'w');
      return { w: g.ops.add(w, 1), v: g.ops.sub(w, entry(g, 'v')) };
    });
    const [w, v] = [vector(), vector()];
    const state = await backend.createState({ w, v });
    await (await backend.compile(graph, { state, updates, inPlace: true })).run({});
    const result = await state.read();
    expect(result['v']?.data).toEqual((w.data as Float32Array).map((value, i) => value - Number(v.data[i])));
    expect(result['w']?.data).toEqual((w.data as Float32Array).map((value) => value + 1));
  });

  it('is refused beside a guard', async () => {
    const { graph, updates } = program((g) => {
      const w = entry(g, 'w');
      g.output('guard', g.ops.sum(w));
      return { w: g.ops.add(w, 1) };
    });
    const state = await backend.createState({ w: vector() });
    await expect(backend.compile(graph, { state, updates, inPlace: true, guard: 'guard' })).rejects.toThrow(
      /`inPlace` and `guard` exclude each other/,
    );
  });
});
