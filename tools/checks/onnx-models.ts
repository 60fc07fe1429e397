/**
 * Reads ONNX models, writes them again, and compares what ONNX Runtime computes from both, byte for byte.
 *
 *     mkdir /tmp/models && cd /tmp/models && npm install --ignore-scripts @ricky0123/vad-web openwakeword-js
 *     node --conditions=@anneal/source --import tsx tools/checks/onnx-models.ts /tmp/models
 *
 * Inputs are filled with a sine; symbolic dimensions are 1, the last one of an input 512. Models with an input `sr`
 * (Silero's voice detectors, all branches) get the rate 16000 fixed.
 */
import { readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { type Graph, sizeOf, tensor, type Value, writeOnnx } from '../../packages/graph/src/index.ts';
import { loadOnnx } from '../../packages/graph/src/node/index.ts';

type Runtime = { readonly InferenceSession: typeof InferenceSession; readonly Tensor: typeof Tensor };
const ort = createRequire(new URL('../../packages/graph/package.json', import.meta.url))('onnxruntime-node') as Runtime;

const RATE = 16_000n;

function dimsOf({ shape }: Value): number[] {
  return shape.map((dim, i) => (typeof dim === 'number' ? dim : i === shape.length - 1 ? 512 : 1));
}

async function load(path: string): Promise<{ graph: Graph; fixed: Record<string, Tensor> }> {
  try {
    return { graph: await loadOnnx(path), fixed: {} };
  } catch {
    const dims = { batch: 1, sequence: 512, unknown_0: 1, unknown_1: 512, unknown_2: 1 };
    const graph = await loadOnnx(path, { inputs: { sr: tensor('int64', [], [RATE]) }, dims });
    return { graph, fixed: { sr: new ort.Tensor('int64', BigInt64Array.of(RATE), []) } };
  }
}

async function check(path: string): Promise<boolean> {
  const started = performance.now();
  const { graph, fixed } = await load(path);
  const read = performance.now() - started;
  const { model } = await writeOnnx(graph);
  const feeds: Record<string, Tensor> = {};
  for (const [name, value] of graph.inputs) {
    const dims = dimsOf(value);
    feeds[name] = new ort.Tensor(
      'float32',
      Float32Array.from({ length: sizeOf(dims) }, (_, i) => Math.sin(i * 0.37)),
      dims,
    );
  }
  const expected = await (await ort.InferenceSession.create(path)).run({ ...feeds, ...fixed });
  const actual = await (await ort.InferenceSession.create(model)).run(feeds);
  const same = Object.entries(expected).every(([name, { data }]) => {
    const [a, b] = [data, actual[name]?.data] as [Float32Array, Float32Array | undefined];
    return (
      b !== undefined &&
      Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(Buffer.from(b.buffer, b.byteOffset, b.byteLength))
    );
  });
  const facts = `${graph.nodes.length} nodes, ${graph.parameters.size} parameters, read in ${read.toFixed()} ms`;
  process.stdout.write(`${same ? 'same' : 'DIFFERENT'}  ${path}: ${facts}\n`);
  return same;
}

function* models(path: string): Generator<string> {
  if (!statSync(path).isDirectory()) return yield path;
  for (const name of readdirSync(path, { recursive: true, encoding: 'utf8' })) {
    if (name.endsWith('.onnx') && statSync(join(path, name)).size > 1000) yield join(path, name);
  }
}

for (const argument of process.argv.slice(2)) {
  for (const path of models(argument)) if (!(await check(path))) process.exitCode = 1;
}
