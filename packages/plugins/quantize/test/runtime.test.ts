import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { onnxBackend } from '@anneal/backend-onnx';
import {
  type Backend,
  bind,
  decodeOnnx,
  memorySource,
  type Graph,
  interpret,
  type TensorData,
  writeOnnx,
} from '@anneal/graph';
import * as ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';

import { quantizeGraph, type SchemeName } from '../src/index.ts';
import { bert, gaussian, lookUp, optionsOf, products, tokens } from './models.ts';

let backend: Backend;
beforeAll(async () => {
  backend = await onnxBackend({ threads: 1 });
});
afterAll(() => backend.close());

async function runtime(graph: Graph, feeds: Record<string, TensorData>, output: string): Promise<number[]> {
  const program = await backend.compile(graph);
  try {
    return Array.from((await program.run(feeds))[output]!.data as Float32Array);
  } finally {
    await program.dispose();
  }
}

const largestGap = (a: readonly number[], b: readonly number[]): number => {
  expect(a).toHaveLength(b.length);
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));
};

/** Operators of the graph that ONNX Runtime makes of a graph. */
async function optimized(graph: Graph): Promise<Record<string, number>> {
  const folder = await mkdtemp(join(tmpdir(), 'anneal-quantize-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'optimized.onnx');
  const { model } = await writeOnnx(graph);
  const session = await ort.InferenceSession.create(model, {
    optimizedModelFilePath: path,
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  await session.release();
  const counts: Record<string, number> = {};
  const { graph: written } = await decodeOnnx(memorySource(new Uint8Array(await readFile(path)), path));
  for (const { opType } of written?.node ?? []) counts[opType] = (counts[opType] ?? 0) + 1;
  return counts;
}

describe('ONNX Runtime', () => {
  it.each<[SchemeName, number]>([
    // Sums of integers: exact.
    ['int8-dynamic', 1e-4],
    // The kernel rounds inputs to int8, block by block.
    ['int4', 0.4],
    ['fp16', 1e-4],
  ])('computes what the interpreter computes: %s', async (scheme, tolerance) => {
    const x = gaussian('x', 6, 128);
    const weights = { a: gaussian('a', 128, 64), b: gaussian('b', 128, 32) };
    const { graph } = await quantizeGraph(products(weights), optionsOf({ scheme }));
    for (const name of ['a', 'b']) {
      const [own, wanted] = [
        await runtime(graph, { x }, name),
        Array.from((await interpret(graph, { x }))[name]!.data, Number),
      ];
      // Outputs have a standard deviation of √128 ≈ 11.
      expect(largestGap(own, wanted)).toBeLessThan(tolerance);
    }
  });

  it('computes tables as the interpreter does', async () => {
    const ids = { ids: { dtype: 'int64', shape: [2, 2], data: BigInt64Array.of(0n, 3n, 4n, 3n) } as TensorData };
    const { graph } = await quantizeGraph(lookUp(gaussian('t', 5, 16)), optionsOf());
    expect(await runtime(graph, ids, 'y')).toEqual(Array.from((await interpret(graph, ids))['y']!.data, Number));
  });

  it('fuses int8 products into single kernels', async () => {
    const graph = bert({ hidden: 64, layers: 2 });
    const counts = await optimized((await quantizeGraph(graph, optionsOf())).graph);
    expect(counts['MatMulInteger']).toBeUndefined();
    const fused = (counts['DynamicQuantizeMatMul'] ?? 0) + (counts['MatMulIntegerToFloat'] ?? 0);
    expect(fused).toBe(2 * 6 + 2);
    // Products with weights only: those of attention stay.
    expect((counts['MatMul'] ?? 0) + (counts['FusedMatMul'] ?? 0)).toBe(2 * 2);
  });

  it('keeps int4 products as they are, and stores no float16 in memory', async () => {
    const graph = bert({ hidden: 64, layers: 1 });
    expect(await optimized((await quantizeGraph(graph, optionsOf({ scheme: 'int4' }))).graph)).toMatchObject({
      MatMulNBits: 8,
    });
    const half = await optimized((await quantizeGraph(graph, optionsOf({ scheme: 'fp16' }))).graph);
    const plain = await optimized(graph);
    expect(half).toEqual(plain);
  });

  it.each<[SchemeName, number]>([
    ['int8-dynamic', 0.06],
    ['int4', 0.3],
    ['fp16', 0.002],
  ])('gives an encoder nearly the same logits with %s', async (scheme, tolerance) => {
    const graph = bert({ hidden: 64, layers: 2 });
    const feeds = tokens(4, 24);
    const { graph: small } = await quantizeGraph(graph, optionsOf({ scheme }));
    const [exact, close] = [await runtime(graph, feeds, 'logits'), await runtime(small, feeds, 'logits')];
    expect(largestGap(exact, close)).toBeLessThan(tolerance);
    expect(Math.max(...exact.map(Math.abs))).toBeGreaterThan(0.5);
    // With sizes bound, as a compiled program may have them, nothing changes.
    expect(largestGap(await runtime(bind(small, { batch: 4, sequence: 24 }), feeds, 'logits'), close)).toBeLessThan(
      1e-4,
    );
  });
});
