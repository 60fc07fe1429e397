import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Model } from '@anneal/core';
import { type Graph, GraphBuilder, interpret, loadTensor, tensor, type TensorData } from '@anneal/graph';
import { loadOnnx, saveOnnx } from '@anneal/graph/node';
import { describe, expect, it, onTestFinished } from 'vitest';

import { adaptersOf, adapterStateOf, foldAdapters, type LoraOptions } from '../src/index.ts';
import { bert, CASES, feeds, setUp, trainableCounts, trained } from './bert.ts';

async function adapted(options: LoraOptions = {}, model?: Model): Promise<Model> {
  const { adapt } = await setUp(options);
  return adapt(model ?? (await bert()));
}

async function logitsOf({ graph }: Model): Promise<number[]> {
  const { logits } = await interpret(graph, feeds());
  return Array.from(logits!.data, Number);
}

const paths = ({ graph }: Model): string[] => adaptersOf(graph).map(({ path }) => path);

/** A model of products alone: `in → hidden → out`, `layers` times. */
function products(sizes: readonly (readonly [string, number, number])[], width: number): Model {
  const g = new GraphBuilder();
  let x = g.input('x', 'float32', ['batch', width]);
  for (const [path, inDim, outDim] of sizes) {
    const w = tensor('float32', [inDim, outDim], new Float32Array(inDim * outDim));
    x = g.ops.matmul(x, g.parameter(`${path}.weight`, w, { trainable: true, transposed: true }));
  }
  g.output('y', x);
  return { graph: g.build(), config: {}, padding: {} };
}

describe('a new adapter', () => {
  it.each(Object.entries(CASES).filter(([, { useDora }]) => useDora !== true))(
    'leaves the outputs as they are, bit for bit: %s',
    async (_, options) => {
      expect(await logitsOf(await adapted(options))).toEqual(await logitsOf(await bert()));
    },
  );

  it('with magnitudes leaves them as they are but for rounding', async () => {
    const [before, after] = [await logitsOf(await bert()), await logitsOf(await adapted(CASES['dora']))];
    expect(Math.max(...before.map((value, i) => Math.abs(value - after[i]!)))).toBeLessThan(1e-5);
  });

  it('is the same for a seed, and starts as PEFT starts', async () => {
    const a = async (initLoraWeights: true | 'gaussian', r: number) => {
      const { graph } = await adapted({ r, initLoraWeights, targetModules: ['intermediate.dense'] });
      const weight = graph.parameters.get('bert.encoder.layer.0.intermediate.dense.lora_A.weight')!;
      expect(weight).toMatchObject({ transposed: true, trainable: true });
      return (await loadTensor(weight.data)).data as Float32Array;
    };
    expect(await a(true, 8)).toEqual(await a(true, 8));
    // Kaiming uniform with a = √5: uniform in ±1/√in, here 16.
    const uniform = await a(true, 16);
    expect(Math.max(...uniform.map(Math.abs))).toBeLessThanOrEqual(1 / 4);
    expect(Math.max(...uniform)).toBeGreaterThan(0.24);
    expect(Math.min(...uniform)).toBeLessThan(-0.24);
    expect(deviation(uniform)).toBeCloseTo(1 / (4 * Math.sqrt(3)), 1);
    // Gaussian with std 1/r.
    const gaussian = await a('gaussian', 16);
    expect(Math.abs(deviation(gaussian) * 16 - 1)).toBeLessThan(0.2);
  });

  it('has as many trainable parameters as Σ r (in + out)', async () => {
    // Every linear layer of 2 blocks of 16 with 24 in between, and the pooler; the head has (16 + 1) · 3.
    const { graph } = await adapted({ r: 4 });
    const block = 4 * 4 * (16 + 16) + 4 * (16 + 24) + 4 * (24 + 16);
    expect(trainableCounts(graph)).toEqual({ adapters: 2 * block + 4 * (16 + 16), modules: 51 });
    expect(trainableCounts((await adapted({ r: 4, modulesToSave: [] })).graph).modules).toBe(0);
    // One magnitude for each of 16 and 24 columns, twice.
    const dora = await adapted({ r: 2, useDora: true, targetModules: ['query', 'intermediate.dense'] });
    expect(trainableCounts(dora.graph).adapters).toBe(2 * (2 * (16 + 16) + 16 + 2 * (16 + 24) + 24));
  });

  it.each<[string, number, number, number, number]>([
    ['GPT-2 medium, r = 4', 24, 1024, 4, 393_216],
    ['RoBERTa base, r = 8', 12, 768, 8, 294_912],
  ])('on query and value of %s has the published number of parameters', async (_, layers, width, r, published) => {
    const names = Array.from({ length: layers }, (__, i) =>
      ['query', 'key', 'value'].map((name) => `layer.${i}.${name}`),
    );
    const model = products(
      names.flat().map((path) => [path, width, width] as const),
      width,
    );
    const { graph } = await adapted({ r, targetModules: ['query', 'value'] }, model);
    expect(trainableCounts(graph)).toEqual({ adapters: published, modules: 0 });
  });

  it('drops inputs only while training', async () => {
    const model = await adapted({ loraDropout: 0.5, targetModules: ['query'] });
    const drops = (graph: Graph) =>
      graph.nodes.filter(({ op, scope }) => op === 'Dropout' && scope.endsWith('.lora.update'));
    expect(drops(model.graph)).toHaveLength(2);
    const moved = await trained(model);
    const { graph } = await adapted({ targetModules: ['query'] });
    expect(drops(graph)).toHaveLength(0);
    const plain = await trained({ ...moved, graph });
    expect(await logitsOf(moved)).toEqual(await logitsOf(plain));
    expect(drops(await foldAdapters(moved.graph))).toHaveLength(0);
  });

  it('is one for all uses of a weight', async () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', ['batch', 3]);
    const w = g.parameter('shared.weight', tensor('float32', [3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 10]), {
      transposed: true,
    });
    g.output('y', g.ops.matmul(g.ops.relu(g.ops.matmul(x, w)), w));
    const model = await trained(await adapted({ r: 1 }, { graph: g.build(), config: {}, padding: {} }));
    expect(paths(model)).toEqual(['shared']);
    const run = async (graph: Graph) =>
      (await interpret(graph, { x: tensor('float32', [2, 3], [1, 0, -1, 0.5, 2, 1]) }, { precision: 'float64' }))['y']!
        .data;
    const [separate, folded] = [await run(model.graph), await run(await foldAdapters(model.graph))];
    separate.forEach((value, i) => expect(Number(value)).toBeCloseTo(Number(folded[i]), 4));
  });
});

describe('folding', () => {
  it.each(Object.entries(CASES))('gives the outputs of the separate adapters: %s', async (_, options) => {
    const model = await trained(await adapted(options));
    const [separate, folded] = [
      await logitsOf(model),
      await logitsOf({ ...model, graph: await foldAdapters(model.graph) }),
    ];
    expect(Math.max(...separate.map((value, i) => Math.abs(value - folded[i]!)))).toBeLessThan(1e-5);
    const base = await logitsOf(await bert());
    expect(Math.max(...separate.map((value, i) => Math.abs(value - base[i]!)))).toBeGreaterThan(0.1);
  });

  it('is exact where float32 is: W + scale · A B', async () => {
    const model = products([['a', 2, 2]], 2);
    const { graph } = await adapted({ r: 1, loraAlpha: 4, targetModules: ['a'] }, model);
    const set = new Map<string, TensorData>([
      ['a.weight', tensor('float32', [2, 2], [1, 2, 3, 4])],
      ['a.lora_A.weight', tensor('float32', [2, 1], [0.5, -1])],
      ['a.lora_B.weight', tensor('float32', [1, 2], [2, 3])],
    ]);
    const parameters = new Map([...graph.parameters].map(([name, p]) => [name, { ...p, data: set.get(name)! }]));
    const folded = await foldAdapters({ ...graph, parameters });
    expect((await loadTensor(folded.parameters.get('a.weight')!.data)).data).toEqual(
      new Float32Array([1 + 4, 2 + 6, 3 - 8, 4 - 12]),
    );
    expect([...folded.parameters.keys()]).toEqual(['a.weight']);
  });

  it('of a column of zeros with magnitudes stays finite', async () => {
    const model = await adapted({ r: 1, useDora: true }, products([['a', 2, 2]], 2));
    const folded = await foldAdapters(model.graph);
    expect((await loadTensor(folded.parameters.get('a.weight')!.data)).data).toEqual(new Float32Array(4));
    const { y } = await interpret(model.graph, { x: tensor('float32', [1, 2], [1, 2]) });
    expect(Array.from(y!.data, Number)).toEqual([0, 0]);
  });

  it('gives the graph of the base back, and is nothing without adapters', async () => {
    const base = await bert();
    const { fold } = await setUp();
    const folded = await fold(await adapted());
    const shape = ({ graph }: Model) => graph.nodes.map(({ op, scope }) => `${scope}:${op}`);
    expect(shape(folded)).toEqual(shape(base));
    expect([...folded.graph.parameters.keys()]).toEqual([...base.graph.parameters.keys()]);
    expect(folded.graph.metadata).toEqual(base.graph.metadata);
    expect(await foldAdapters(base.graph)).toBe(base.graph);
  });

  it('works on a graph that was in a file', async () => {
    const model = await trained(await adapted({ useDora: true, loraDropout: 0.1, targetModules: ['query', 'dense'] }));
    const folder = await mkdtemp(join(tmpdir(), 'anneal-lora-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    await saveOnnx(model.graph, join(folder, 'model.onnx'), { external: true });
    const stored = await loadOnnx(join(folder, 'model.onnx'));
    expect(adapterStateOf(stored)).toEqual(adapterStateOf(model.graph));
    expect(trainableCounts(stored)).toEqual(trainableCounts(model.graph));
    const folded = await foldAdapters(stored);
    expect(folded.nodes.filter(({ scope }) => scope.includes('lora'))).toEqual([]);
    expect(await logitsOf({ ...model, graph: folded })).toEqual(
      await logitsOf({ ...model, graph: await foldAdapters(model.graph) }),
    );
  });
});

describe('targets', () => {
  const layer = (i: number, ...names: string[]): string[] => names.map((name) => `bert.encoder.layer.${i}.${name}`);
  const both = (...names: string[]): string[] => [...layer(0, ...names), ...layer(1, ...names)];
  const self = (name: string): string => `attention.self.${name}`;

  it.each<[LoraOptions, string[]]>([
    [{ targetModules: ['query', 'value'] }, both(self('query'), self('value'))],
    [{ targetModules: ['output.dense'] }, both('attention.output.dense', 'output.dense')],
    [{ targetModules: ['bert.pooler.dense'] }, ['bert.pooler.dense']],
    [{ targetModules: ['dense'], excludeModules: ['output.dense', 'pooler.dense'] }, both('intermediate.dense')],
    [{ targetModules: '.*layer\\.1\\..*\\.(query|key)' }, layer(1, self('query'), self('key'))],
    [{ targetModules: ['query'], excludeModules: '.*layer\\.0\\..*' }, layer(1, self('query'))],
    [{ targetModules: ['word_embeddings'] }, ['bert.embeddings.word_embeddings']],
    [{ targetModules: ['classifier', 'query'] }, both(self('query'))],
    [{ targetModules: ['classifier'], modulesToSave: [] }, ['classifier']],
    [{ modulesToSave: ['bert.encoder', 'pooler'], targetModules: ['dense', 'classifier'] }, ['classifier']],
  ])('%j', async (options, expected) => {
    expect(paths(await adapted({ r: 1, ...options })).sort()).toEqual([...expected].sort());
  });

  it('are all linear layers but the head by default', async () => {
    const all = both(
      ...['query', 'key', 'value'].map(self),
      'attention.output.dense',
      'intermediate.dense',
      'output.dense',
    );
    expect(paths(await adapted()).sort()).toEqual([...all, 'bert.pooler.dense'].sort());
    expect(paths(await adapted({ modulesToSave: [] })).sort()).toEqual([...all, 'bert.pooler.dense'].sort());
  });

  it('have ranks and alphas by end of path, names or expressions', async () => {
    const { graph } = await adapted({
      r: 8,
      loraAlpha: 8,
      targetModules: ['query', 'key', 'value'],
      rankPattern: { 'self.query': 4, 'layer\\.1\\..*value': 2, uery: 1 },
      alphaPattern: { key: 16, 'layer\\.0\\..*': 32 },
    });
    const facts = adaptersOf(graph).map(({ path, r, alpha, scale }) => [
      path.slice('bert.encoder.layer.'.length),
      r,
      alpha,
      scale,
    ]);
    expect(facts).toEqual([
      ['0.attention.self.query', 4, 32, 8],
      ['0.attention.self.key', 8, 16, 2],
      ['0.attention.self.value', 8, 32, 4],
      ['1.attention.self.query', 4, 8, 2],
      ['1.attention.self.key', 8, 16, 2],
      ['1.attention.self.value', 2, 8, 4],
    ]);
  });

  it('scale by alpha / sqrt(r) with rank stabilisation', async () => {
    const { graph } = await adapted({ r: 4, loraAlpha: 6, useRslora: true });
    expect(new Set(adaptersOf(graph).map(({ scale }) => scale))).toEqual(new Set([3]));
  });

  it('are trained in full, with everything below, when they are modules to save', async () => {
    const { graph } = await adapted({ targetModules: ['query'], modulesToSave: ['pooler', 'LayerNorm'] });
    const full = [...graph.parameters]
      .filter(([name, p]) => p.trainable && !name.includes('lora_'))
      .map(([name]) => name);
    expect(full).toContain('bert.pooler.dense.weight');
    expect(full).toContain('bert.pooler.dense.bias');
    expect(full.filter((name) => name.includes('LayerNorm'))).toHaveLength(10);
    expect(full).toHaveLength(12);
  });
});

function deviation(values: Float32Array): number {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}
