import { type Graph, GraphBuilder, inline, interpret, tensor, type TensorData } from '@anneal/graph';
import { describe, expect, it } from 'vitest';

import { quantizeBlocks, quantizeColumns, quantizeGraph, quantizeRows } from '../src/index.ts';
import { bert, gaussian, lookUp, multiply, optionsOf, products, tokens, weightBytes } from './models.ts';

const numbers = ({ data }: TensorData): number[] => Array.from(data as Float32Array, Number);
const count = (graph: Graph, op: string): number => graph.nodes.filter((node) => node.op === op).length;
const run = async (graph: Graph, feeds: Record<string, TensorData>, output: string): Promise<number[]> =>
  numbers((await interpret(graph, feeds))[output]!);

describe('int8-dynamic', () => {
  it('stays within what rounding of weights and inputs can do', async () => {
    const [rows, inner, columns] = [5, 48, 20];
    const [x, w] = [gaussian('x', rows, inner), gaussian('w', inner, columns)];
    const { graph, linears } = await quantizeGraph(products({ a: w }), optionsOf());
    expect(linears).toEqual(['a.weight']);
    const actual = await run(graph, { x }, 'a');
    const exact = multiply(numbers(x), numbers(w), inner, columns);
    const { values, scales } = quantizeColumns(w);
    const step = (Math.max(...numbers(x), 0) - Math.min(...numbers(x), 0)) / 255;
    const inputs = multiply(numbers(x).map(Math.abs), new Float64Array(inner).fill(1), inner, 1);
    const weights = multiply(new Float64Array(inner).fill(1), numbers(values).map(Math.abs), inner, columns);
    let largest = 0;
    exact.forEach((value, i) => {
      const scale = numbers(scales)[i % columns]!;
      const bound = (inputs[Math.floor(i / columns)]! * scale) / 2 + weights[i % columns]! * scale * step;
      largest = Math.max(largest, Math.abs(value - actual[i]!) / bound);
    });
    expect(largest).toBeLessThan(1);
    expect(largest).toBeGreaterThan(0.01);
  });

  it('is exact for small integers', async () => {
    // A range of 255 makes the input's step 1, columns of ±127 the weight's.
    const x = tensor('float32', [1, 3], [-55, 200, 7]);
    const w = tensor('float32', [3, 2], [127, 3, -5, 127, 0, -1]);
    const { graph } = await quantizeGraph(products({ a: w }), optionsOf());
    expect(await run(graph, { x }, 'a')).toEqual([-55 * 127 - 1000, -165 + 25_400 - 7]);
  });

  it('quantizes an input once for all products of it', async () => {
    const weights = { query: gaussian('q', 8, 4), key: gaussian('k', 8, 4), value: gaussian('v', 8, 4) };
    const { graph } = await quantizeGraph(products(weights), optionsOf());
    expect([count(graph, 'DynamicQuantizeLinear'), count(graph, 'MatMulInteger'), count(graph, 'MatMul')]).toEqual([
      1, 3, 0,
    ]);
    // 4 products of x, 1 each of attention, its output and the wide layer: 4 inputs a block, and the two of the head.
    const encoder = await quantizeGraph(bert({ hidden: 32, layers: 2 }), optionsOf());
    expect(count(encoder.graph, 'DynamicQuantizeLinear')).toBe(2 * 4 + 2);
    expect(count(encoder.graph, 'MatMulInteger')).toBe(2 * 6 + 2);
  });

  it('uses 7 bits with a reduced range', async () => {
    const { graph } = await quantizeGraph(products({ a: gaussian('w', 16, 8) }), optionsOf({ reduceRange: true }));
    const values = numbers(graph.parameters.get('a.weight_quantized')!.data as TensorData);
    expect(Math.max(...values.map(Math.abs))).toBe(63);
  });
});

describe('int4', () => {
  it('computes with the numbers that its blocks stand for', async () => {
    const [inner, columns] = [70, 6];
    const [x, w] = [gaussian('x', 3, inner), gaussian('w', inner, columns)];
    const { graph, linears } = await quantizeGraph(products({ a: w }), optionsOf({ scheme: 'int4' }));
    expect(linears).toEqual(['a.weight']);
    const actual = await run(graph, { x }, 'a');
    const { scales } = quantizeBlocks(w, 32);
    const sizes = numbers(x).map(Math.abs);
    multiply(numbers(x), numbers(w), inner, columns).forEach((value, i) => {
      const [row, column] = [Math.floor(i / columns), i % columns];
      let bound = 0;
      for (let k = 0; k < inner; k++)
        bound += sizes[row * inner + k]! * Math.abs(numbers(scales)[column * 3 + Math.floor(k / 32)]!);
      expect(Math.abs(value - actual[i]!)).toBeLessThan(bound);
    });
  });

  it('is exact for multiples of a power of two', async () => {
    const w = tensor(
      'float32',
      [32, 2],
      Float32Array.from({ length: 64 }, (_, i) => (Math.floor(i / 2) % 16) - 8),
    );
    const x = gaussian('x', 4, 32);
    const { graph } = await quantizeGraph(products({ a: w }), optionsOf({ scheme: 'int4' }));
    const exact = await run(products({ a: w }), { x }, 'a');
    (await run(graph, { x }, 'a')).forEach((value, i) => expect(value).toBeCloseTo(exact[i]!, 4));
  });
});

describe('fp16', () => {
  it('stores every large float at half the size, and computes in float32', async () => {
    const graph = bert({ hidden: 32, layers: 1 });
    const { graph: half, stored, linears, tables } = await quantizeGraph(graph, optionsOf({ scheme: 'fp16' }));
    expect([linears, tables]).toEqual([[], []]);
    expect(stored).toEqual([...graph.parameters.keys()]);
    expect(weightBytes(half)).toBe(weightBytes(graph) / 2);
    const [a, b] = await Promise.all([graph, half].map((g) => run(g, tokens(2, 6), 'logits')));
    a!.forEach((value, i) => expect(Math.abs(value - b![i]!)).toBeLessThan(0.01));
    expect(a).not.toEqual(b);
  });

  it('leaves a weight that is too large for it', async () => {
    const weights = { a: gaussian('w', 4, 4), b: tensor('float32', [4, 1], [1, 2, 3, 1e6]) };
    const { graph, stored } = await quantizeGraph(products(weights), optionsOf({ scheme: 'fp16' }));
    expect(stored).toEqual(['a.weight']);
    expect([...graph.parameters].map(([name, { data }]) => [name, data.dtype])).toEqual([
      ['a.weight_fp16', 'float16'],
      ['b.weight', 'float32'],
    ]);
  });
});

describe('tables', () => {
  const ids = { ids: tensor('int64', [1, 3], [2n, 0n, 2n]) };

  it('are int8 with a scale a row', async () => {
    const table = gaussian('table', 5, 8);
    const { graph, tables } = await quantizeGraph(lookUp(table), optionsOf());
    expect(tables).toEqual(['words.weight']);
    const { scales } = quantizeRows(table);
    const actual = await run(graph, ids, 'y');
    [2, 0, 2].forEach((row, at) => {
      for (let j = 0; j < 8; j++) {
        const error = Math.abs(actual[at * 8 + j]! - numbers(table)[row * 8 + j]!);
        expect(error).toBeLessThanOrEqual(0.5 * numbers(scales)[row]! * (1 + 1e-6));
      }
    });
    expect([...graph.parameters.keys()]).toEqual(['words.weight_quantized', 'words.weight_scale']);
  });

  it('that are used in another way too stay as they are', async () => {
    const graph = lookUp(gaussian('table', 5, 8), (g, table) => g.ops.transpose(table));
    for (const scheme of ['int8-dynamic', 'int4'] as const) {
      const result = await quantizeGraph(graph, optionsOf({ scheme }));
      expect([result.linears, result.tables]).toEqual([[], []]);
      expect(result.graph.parameters.get('words.weight')?.data).toBe(graph.parameters.get('words.weight')?.data);
    }
    const asOutput = lookUp(gaussian('table', 5, 8), (_, table) => table);
    expect((await quantizeGraph(asOutput, optionsOf())).tables).toEqual([]);
  });

  it('that are looked up twice are stored once', async () => {
    const graph = lookUp(gaussian('table', 5, 8), (g, table, other) => g.ops.take(table, other));
    const result = await quantizeGraph(graph, optionsOf());
    expect(result.tables).toEqual(['words.weight']);
    expect([...result.graph.parameters.keys()]).toEqual(['words.weight_quantized', 'words.weight_scale']);
    expect(await run(result.graph, ids, 'z')).toEqual(await run(result.graph, ids, 'y'));
  });

  it('stay with `embeddings: false`', async () => {
    for (const scheme of ['int8-dynamic', 'int4', 'fp16'] as const) {
      const { tables, stored } = await quantizeGraph(
        lookUp(gaussian('t', 5, 8)),
        optionsOf({ scheme, embeddings: false }),
      );
      expect([...tables, ...stored]).toEqual([]);
    }
  });
});

describe('which weights', () => {
  it('a weight of several products is stored once', async () => {
    const g = products({ a: gaussian('w', 8, 8) });
    const twice = new GraphBuilder();
    const first = inline(twice, g);
    twice.output('twice', inline(twice, g, { inputs: { x: first['a']! } })['a']!);
    for (const scheme of ['int8-dynamic', 'int4'] as const) {
      const { graph, linears } = await quantizeGraph(twice.build(), optionsOf({ scheme }));
      expect(linears).toEqual(['a.weight']);
      expect(graph.parameters.size).toBe(2);
      expect(count(graph, 'MatMul')).toBe(0);
    }
  });

  it('a weight that is used in another way too stays as it is', async () => {
    const g = new GraphBuilder();
    g.output('y', inline(g, products({ a: gaussian('w', 8, 8) }))['a']!);
    g.output('norm', g.ops.norm(g.findParameter('a.weight')!.value));
    const { linears, graph } = await quantizeGraph(g.build(), optionsOf());
    expect(linears).toEqual([]);
    expect([...graph.parameters.keys()]).toEqual(['a.weight']);
  });

  it('small ones and excluded ones stay', async () => {
    const weights = {
      'block.0.a': gaussian('a', 8, 4),
      'block.1.a': gaussian('b', 8, 8),
      'block.10.b': gaussian('c', 8, 8),
    };
    const linears = async (options: Parameters<typeof optionsOf>[0]) =>
      (await quantizeGraph(products(weights), optionsOf(options))).linears.map((name) => name.slice('block.'.length));
    expect(await linears({})).toEqual(['0.a.weight', '1.a.weight', '10.b.weight']);
    expect(await linears({ minElements: 33 })).toEqual(['1.a.weight', '10.b.weight']);
    expect(await linears({ exclude: ['a'] })).toEqual(['10.b.weight']);
    expect(await linears({ exclude: ['block.1'] })).toEqual(['0.a.weight', '10.b.weight']);
    expect(await linears({ exclude: ['1.a', 'b'] })).toEqual(['0.a.weight']);
    expect(await linears({ exclude: ['lock', '0', 'block.'] })).toEqual(['1.a.weight', '10.b.weight']);
  });

  it('other plugins may keep some', async () => {
    const graph = products({ a: gaussian('a', 8, 8), b: gaussian('b', 8, 8) });
    const asked: string[] = [];
    const { linears } = await quantizeGraph(graph, optionsOf(), (name) => {
      asked.push(name);
      return name !== 'a.weight';
    });
    expect(linears).toEqual(['b.weight']);
    expect(asked).toEqual(['a.weight', 'b.weight']);
  });

  it('biases and normalisations stay', async () => {
    for (const scheme of ['int8-dynamic', 'int4'] as const) {
      const graph = bert({ hidden: 32, layers: 1 });
      const result = await quantizeGraph(graph, optionsOf({ scheme }));
      const floats = [...result.graph.parameters].filter(([, { data }]) => data.dtype === 'float32');
      const kept = floats.map(([name]) => name).filter((name) => graph.parameters.has(name));
      expect(kept.every((name) => /bias$|LayerNorm\.weight$|position_embeddings\.weight$/.test(name))).toBe(true);
      expect(kept).toHaveLength(1 + 3 * 2 + 6 + 2);
    }
  });

  it('a weight that is not finite is an error that names it', async () => {
    for (const bad of [Number.NaN, Number.NEGATIVE_INFINITY]) {
      const weight = tensor('float32', [2, 2], [1, 2, bad, 4]);
      await expect(quantizeGraph(products({ a: weight }), optionsOf())).rejects.toMatchObject({
        code: 'ANNEAL_E_MODEL',
        message: `the weight "a.weight" has ${bad} at element 2`,
        plugin: 'quantize',
      });
    }
  });
});

describe('size', () => {
  it('of an encoder follows from bits and scales', async () => {
    const graph = bert({ hidden: 64, layers: 2, vocabulary: 2000 });
    const ratio = async (scheme: 'int8-dynamic' | 'int4' | 'fp16') =>
      weightBytes((await quantizeGraph(graph, optionsOf({ scheme, minElements: 1024 }))).graph) / weightBytes(graph);
    // 8 of 32 bits and a scale for each row of 64; what stays is 4 % here.
    expect(await ratio('int8-dynamic')).toBeCloseTo(0.29, 1);
    // Products have 4 bits and a scale for each 32 of them, tables still 8.
    expect(await ratio('int4')).toBeLessThan(await ratio('int8-dynamic'));
    expect(await ratio('fp16')).toBeCloseTo(0.5, 2);
  });
});
