import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { seededRandom } from '@anneal/testkit';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/builder.ts';
import { readOnnx, type ReadOnnxOptions } from '../../src/formats/onnx/read.ts';
import { writeOnnx } from '../../src/formats/onnx/write.ts';
import { memorySource } from '../../src/formats/source.ts';
import { evaluate } from '../../src/interpret/evaluate.ts';
import type { Graph, Value } from '../../src/ir.ts';
import { loadOnnx, saveOnnx } from '../../src/node/index.ts';
import { sizeOf, tensor, type TensorData } from '../../src/tensor.ts';

const fixturePath = (name: string): string => fileURLToPath(new URL(`../fixtures/onnx/${name}`, import.meta.url));

type Feeds = Record<string, Tensor>;

async function run(model: Uint8Array | string, feeds: Feeds): Promise<Record<string, unknown>> {
  const options: InferenceSession.SessionOptions = { intraOpNumThreads: 1, graphOptimizationLevel: 'disabled' };
  const session = await (typeof model === 'string'
    ? InferenceSession.create(model, options)
    : InferenceSession.create(model, options));
  const results = await session.run(feeds);
  await session.release();
  return Object.fromEntries(Object.entries(results).map(([name, { dims, data }]) => [name, { dims, data }]));
}

function random(seed: number, shape: readonly number[]): Float32Array {
  const next = seededRandom(seed);
  return Float32Array.from({ length: sizeOf(shape) }, () => next() * 2 - 1);
}

const fed = (data: Float32Array, shape: readonly number[]): Tensor => new Tensor('float32', data, [...shape]);

describe('models of the Python package, read and written, give the same results in ONNX Runtime', () => {
  it.each<[string, Record<string, readonly number[]>, ReadOnnxOptions]>([
    ['constants', {}, {}],
    ['functions', { x: [2, 3] }, {}],
    ['names', { x: [3, 4] }, {}],
    ['external-inline', { x: [5, 8] }, {}],
    ['branches', { x: [1, 3] }, { inputs: { use_cache: tensor('bool', [1], [1]) } }],
    ['branches', { x: [4, 3] }, { inputs: { use_cache: tensor('bool', [1], [0]) }, dims: { batch: 4 } }],
  ])('%s %j', async (name, inputs, options) => {
    const feeds = Object.fromEntries(
      Object.entries(inputs).map(([key, shape], i) => [key, fed(random(i, shape), shape)]),
    );
    const fixed = Object.entries(options.inputs ?? {}).map(([key, { shape, data }]): [string, Tensor] => [
      key,
      new Tensor('bool', data as Uint8Array, shape),
    ]);
    const original = readFileSync(fixturePath(`${name}.onnx`));
    const graph = await readOnnx(memorySource(original, name), options);
    const expected = await run(original, { ...feeds, ...Object.fromEntries(fixed) });
    expect(await run((await writeOnnx(graph)).model, feeds)).toEqual(expected);
  });

  it('from a file with weights of its own', async () => {
    const feeds = { x: fed(random(1, [2, 8]), [2, 8]) };
    const expected = await run(fixturePath('external.onnx'), feeds);
    const { model } = await writeOnnx(await loadOnnx(fixturePath('external.onnx')));
    expect(await run(model, feeds)).toEqual(expected);
    expect(await run(fixturePath('external-inline.onnx'), feeds)).toEqual(expected);
  });
});

describe('written graphs', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'anneal-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  /** Operators with attributes of most kinds, left-out inputs and outputs, aliases, and a second domain. */
  function various(): Graph {
    const g = new GraphBuilder();
    const { ops } = g;
    const x = g.input('x', 'float32', ['batch', 'time', 8]);
    const parameter = (name: string, shape: readonly number[]): Value =>
      g.parameter(name, tensor('float32', shape, random(name.length, shape)));
    const h = g.scope('model.layers.0', () => {
      const normed = ops.layerNorm(x, parameter('norm.weight', [8]), parameter('norm.bias', [8]));
      return ops.gelu(ops.matmul(normed, parameter('up.weight', [8, 40])));
    });
    const [left, right] = ops.split(h, [16, 24], { axis: -1 }) as [Value, Value];
    const joined = ops.concat([ops.clip(left, { max: 0.5 }), ops.stopGradient(right)], { axis: 2 });
    const scores = ops.softmax(
      ops.matmul(joined, parameter('down.weight', [12, 40]), { transposeB: true, alpha: 0.5 }),
    );
    const ones = g.constant(tensor('float32', [12], new Float32Array(12).fill(1)));
    const [normed, , deviation] = g.node('LayerNormalization', [scores, ones], { outputs: [true, false, true] });
    g.output('scores', scores);
    g.output('same', scores);
    g.output('input', x);
    g.output('normed', normed!);
    g.output('deviation', deviation!);
    g.output('sum', ops.sum(scores, { axes: [1, -1] }));
    return g.build();
  }

  const shape = [2, 3, 8];
  const feed = random(5, shape);

  it('give the results of the interpreter', async () => {
    const graph = various();
    const expected = evaluate(graph, { x: tensor('float32', shape, feed) });
    const actual = await run((await writeOnnx(graph, { valueInfo: true })).model, { x: fed(feed, shape) });
    expect(Object.keys(actual)).toEqual(['scores', 'same', 'input', 'normed', 'deviation', 'sum']);
    for (const [name, value] of Object.entries(expected)) expectClose(actual[name] as Result, value);
  });

  it('give the same results with their weights in a file of their own', async () => {
    const graph = various();
    const inline = await run((await writeOnnx(graph)).model, { x: fed(feed, shape) });
    const path = join(folder, 'various.onnx');
    const files = await saveOnnx(graph, path, { external: true });
    expect(files.map((file) => file.path)).toEqual([`${path}_data`, path]);
    expect(await run(path, { x: fed(feed, shape) })).toEqual(inline);
    // And again from lazy tensors of that file.
    const copy = join(folder, 'copy.onnx');
    await saveOnnx(await loadOnnx(path), copy, { external: true });
    expect(await run(copy, { x: fed(feed, shape) })).toEqual(inline);
  });

  it('may refer to weights in a file that exists', async () => {
    const graph = various();
    await saveOnnx(graph, join(folder, 'base.onnx'), { external: true });
    const base = await loadOnnx(join(folder, 'base.onnx'));
    const { model } = await writeOnnx(base, {
      stored: (_, { data }) =>
        'source' in data && data.source.name.endsWith('_data')
          ? { location: 'base.onnx_data', offset: data.offset }
          : undefined,
    });
    const derived = join(folder, 'derived.onnx');
    await writeFile(derived, model);
    expect(model.byteLength).toBeLessThan((await writeOnnx(graph)).model.byteLength - 1000);
    const inline = await run((await writeOnnx(graph)).model, { x: fed(feed, shape) });
    expect(await run(derived, { x: fed(feed, shape) })).toEqual(inline);
  });
});

interface Result {
  readonly dims: readonly number[];
  readonly data: ArrayLike<number | bigint>;
}

function expectClose(actual: Result, expected: TensorData): void {
  expect(actual.dims).toEqual(expected.shape);
  for (let i = 0; i < expected.data.length; i++) {
    expect(Math.abs(Number(actual.data[i]) - Number(expected.data[i]))).toBeLessThan(1e-5);
  }
}
