import { describe, expect, it } from 'vitest';
import { gradients } from '../src/autodiff/gradients.ts';
import { GraphBuilder } from '../src/builder.ts';
import { interpret } from '../src/interpret/evaluate.ts';
import type { Graph, Value } from '../src/ir.ts';
import { int8Layers, int8Linears, int8Matrix } from '../src/rewrites/int8-linears.ts';
import { loadTensor, tensor, type TensorData } from '../src/tensor.ts';
import { inline } from '../src/transform.ts';

/** Reproducible numbers in [-1, 1) (Marsaglia, 2003). */
function numbers(seed: number, shape: readonly number[]): TensorData {
  let state = seed * 2654435761 + 1;
  const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state / 2 ** 31;
  });
  return tensor('float32', shape, data);
}

/** Two frozen layers around a trainable one. */
function model(): Graph {
  const g = new GraphBuilder();
  const { ops } = g;
  const x = g.input('x', 'float32', [2, 5, 8]);
  const hidden = ops.tanh(ops.matmul(x, g.parameter('up.weight', numbers(1, [8, 12]))));
  const mixed = ops.matmul(hidden, g.parameter('mix.weight', numbers(2, [12, 12]), { trainable: true }));
  g.output('y', ops.matmul(mixed, g.parameter('down.weight', numbers(3, [12, 6]))));
  return g.build();
}

/** `y` and the gradients of its product with `seed`, at `x` and the trainable weight. */
async function run(graph: Graph, seed: TensorData): Promise<Record<string, TensorData>> {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [2, 5, 8]);
  const y = inline(g, graph, { inputs: { x } })['y'] as Value;
  const weight = g.findParameter('mix.weight')!.value;
  const found = gradients(g, g.ops.sum(g.ops.mul(y, g.constant(seed))), [x, weight]);
  g.output('y', y);
  g.output('dx', found.get(x)!);
  g.output('dw', found.get(weight)!);
  return interpret(g.build(), { x: numbers(4, [2, 5, 8]) });
}

async function inInt8(graph: Graph, isWanted: (weight: string) => boolean = () => true): Promise<Graph> {
  const layers = await int8Layers(graph);
  return int8Linears(graph, new Map([...layers].filter(([weight]) => isWanted(weight))));
}

/** `|a - b| / |b|` */
function relativeError({ data: a }: TensorData, { data: b }: TensorData): number {
  const norm = (of: (i: number) => number): number => Math.hypot(...Array.from({ length: b.length }, (_, i) => of(i)));
  return norm((i) => Number(a[i]) - Number(b[i])) / norm((i) => Number(b[i]));
}

describe('int8Linears', () => {
  it('replaces frozen layers alone, and keeps values and gradients to a percent', async () => {
    const graph = await inInt8(model());
    expect(graph.nodes.map(({ op }) => op)).toEqual(['Int8Linear', 'Tanh', 'MatMul', 'Int8Linear']);
    const seed = numbers(5, [2, 5, 6]);
    const [exact, rounded] = [await run(model(), seed), await run(graph, seed)];
    for (const name of ['y', 'dx', 'dw']) {
      const error = relativeError(rounded[name]!, exact[name]!);
      expect(error, name).toBeGreaterThan(1e-5);
      expect(error, name).toBeLessThan(0.02);
    }
  });

  it('keeps small rows of a gradient beside large ones, and rows of zeros', async () => {
    const seed = numbers(6, [2, 5, 6]);
    const data = seed.data.slice() as Float32Array;
    for (let i = 0; i < data.length; i++) data[i] = data[i]! * [1, 1e-6, 0, 1e4, 1][Math.floor(i / 6) % 5]!;
    const scaled = tensor('float32', [2, 5, 6], data);
    const [exact, rounded] = [await run(model(), scaled), await run(await inInt8(model()), scaled)];
    const row = ({ data }: TensorData, at: number): TensorData => ({
      dtype: 'float32',
      shape: [8],
      data: data.slice(8 * at, 8 * at + 8),
    });
    for (const at of [0, 1, 3])
      expect(relativeError(row(rounded['dx']!, at), row(exact['dx']!, at))).toBeLessThan(0.03);
    expect(Array.from(row(rounded['dx']!, 2).data, Number).every((value) => value === 0)).toBe(true);
  });

  it('leaves the layers that are not wanted, and does not compute in float what it has in int8', async () => {
    const graph = await inInt8(model(), (weight) => weight !== 'down.weight');
    expect(graph.nodes.filter(({ op }) => op === 'Int8Linear')).toHaveLength(1);
    expect([...graph.parameters.keys()]).not.toContain('up.weight');
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', [2, 5, 8]);
    const y = inline(g, graph, { inputs: { x } })['y'] as Value;
    g.output('dx', gradients(g, g.ops.sum(y), [x]).get(x)!);
    expect(g.build().nodes.map(({ op }) => op)).not.toContain('DequantizeLinear');
  });
});

describe('int8Matrix', () => {
  it('is at most half a step from the matrix, also of columns of zeros', async () => {
    const source = numbers(7, [9, 4]);
    const data = (source.data as Float32Array).map((value, i) => (i % 4 === 2 ? 0 : value));
    const { weight: lazy, scale } = await int8Matrix(tensor('float32', [9, 4], data));
    const weight = await loadTensor(lazy);
    for (let i = 0; i < 9; i++) {
      for (let j = 0; j < 4; j++) {
        const [level, step] = [Number(weight.data[i * 4 + j]), Number(scale.data[j])];
        expect(Math.abs(level * step - data[i * 4 + j]!)).toBeLessThanOrEqual(step / 2 + 1e-7);
      }
    }
    expect(Number(scale.data[2])).toBe(1);
  });

  it('reads a table of rows as its transpose', async () => {
    const source = numbers(8, [3, 5]);
    const turned = Float32Array.from({ length: 15 }, (_, i) => Number(source.data[(i % 3) * 5 + Math.floor(i / 3)]));
    const [table, matrix] = [
      await int8Matrix(source, { transposed: true }),
      await int8Matrix(tensor('float32', [5, 3], turned)),
    ];
    expect(table.scale).toEqual(matrix.scale);
    expect(await loadTensor(table.weight)).toEqual(await loadTensor(matrix.weight));
  });

  it.each([false, true])('gives any part of itself, transposed: %s', async (transposed) => {
    const { weight } = await int8Matrix(numbers(9, [5, 7]), { transposed });
    const whole = await weight.source.read(0, 35);
    for (const [offset, length] of [
      [0, 1],
      [3, 9],
      [6, 8],
      [14, 21],
      [34, 1],
      [35, 0],
    ] as const) {
      expect(await weight.source.read(offset, length)).toEqual(whole.slice(offset, offset + length));
    }
    await expect(weight.source.read(30, 6)).rejects.toThrow(/outside|beyond|range/i);
  });
});
