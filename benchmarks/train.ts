import { onnxBackend } from '@anneal/backend-onnx';
import { type Graph, tensor, type TensorSource, type Value } from '@anneal/graph';

import { featureSpecs } from '../packages/core/src/data/batches.ts';
import { HookRegistry } from '../packages/core/src/hooks/create.ts';
import { builtinOptimizer } from '../packages/core/src/train/optimizers.ts';
import { FEED, stateName, stateShapes, type StepSource, traceStep } from '../packages/core/src/train/step-graph.ts';
import { gemmRates } from './lib/gemm.ts';
import { encoderModel, encoderTask } from './lib/encoder.ts';
import { operatorTimes } from './lib/profile.ts';

/**
 * The training step of a BERT encoder: forward, backward, clipping and AdamW in one program.
 *
 * `pnpm bench train [--hidden 256] [--layers 4] [--heads 4] [--batch 32] [--seq 128] [--vocab 8000] [--steps 20] [--profile] [--json]`
 */
const flag = (name: string, fallback: number): number => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
};
const json = process.argv.includes('--json');
const [hidden, layers, heads] = [flag('hidden', 256), flag('layers', 4), flag('heads', 4)];
const [batch, seq, vocab, steps] = [flag('batch', 32), flag('seq', 128), flag('vocab', 8000), flag('steps', 20)];

/** Multiply-adds of every matrix product, times two. */
function flops(graph: Graph): number {
  let total = 0;
  for (const node of graph.nodes) {
    if (!['MatMul', 'Gemm', 'FusedMatMul'].includes(node.op)) continue;
    const [a, out] = [node.inputs[0] as Value, node.outputs[0] as Value];
    const transposed = node.attributes['transA'];
    const inner = a.dims.at(transposed && 'int' in transposed && transposed.int === 1 ? -2 : -1) as number;
    total += 2 * inner * out.dims.reduce((x, y) => x * y, 1);
  }
  return total;
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

const model = encoderModel({ hidden, layers, heads, vocab, seq });
const task = encoderTask(2);
const optimizer = builtinOptimizer('adamw');
if (!optimizer) throw new Error('adamw is built in');
const source: StepSource = {
  stage: 'bench',
  model,
  task,
  hooks: new HookRegistry().hooks,
  specs: featureSpecs(model, task),
  trainable: new Set(model.graph.parameters.keys()),
  optimizer,
  weightDecay: 0.01,
  maxGradNorm: 1,
};
const backend = await onnxBackend();
const start = performance.now();
const { graph, updates } = traceStep(source, batch, seq);
const tracedMs = performance.now() - start;
const tensors: Record<string, TensorSource> = {};
for (const [name, { data }] of model.graph.parameters) tensors[stateName.parameter(name)] = data;
const empty = Object.fromEntries(
  [...stateShapes(source, false)].map(([name, shape]) => [name, { dtype: 'float32' as const, shape }]),
);
const state = await backend.createState(tensors, empty);
const program = await backend.compile(graph, { purpose: 'training', state, updates, guard: 'grad_norm' });
const compileSeconds = (performance.now() - start) / 1000;

const ids = BigInt64Array.from({ length: batch * seq }, (_, i) => BigInt((i * 7919) % vocab));
const feeds = {
  input_ids: tensor('int64', [batch, seq], ids),
  attention_mask: tensor('int64', [batch, seq], new BigInt64Array(batch * seq).fill(1n)),
  token_type_ids: tensor('int64', [batch, seq], new BigInt64Array(batch * seq)),
  labels: tensor(
    'int64',
    [batch],
    BigInt64Array.from({ length: batch }, (_, i) => BigInt(i % 2)),
  ),
  [FEED.sampleWeights]: tensor('float32', [batch], new Float32Array(batch).fill(1)),
  [FEED.learningRate]: tensor('float32', [], [1e-4]),
};
const times: number[] = [];
for (let i = 0; i < steps + 3; i++) {
  const from = performance.now();
  await program.run({ ...feeds, [FEED.step]: tensor('float32', [], [i + 1]) });
  if (i >= 3) times.push((performance.now() - from) / 1000);
}
const { peakRssBytes } = await backend.memory();
await backend.close();
const [square] = await gemmRates(undefined);
const seconds = median(times);
const gflops = flops(graph) / seconds / 1e9;
const result = {
  hidden,
  layers,
  heads,
  batch,
  seq,
  vocab,
  nodes: graph.nodes.length,
  tokensPerSecond: (batch * seq) / seconds,
  stepMs: seconds * 1000,
  gflops,
  gemmGflops: square?.gflops,
  shareOfGemm: gflops / (square?.gflops ?? Number.NaN),
  peakRssMb: (peakRssBytes ?? Number.NaN) / 2 ** 20,
  traceMs: tracedMs,
  compileSeconds,
};
if (json) console.log(JSON.stringify(result));
else
  for (const [key, value] of Object.entries(result))
    console.log(`${key.padEnd(16)} ${typeof value === 'number' ? Number(value.toPrecision(4)) : value}`);
if (process.argv.includes('--profile')) {
  for (const { op, ms, share } of await operatorTimes(graph, feeds)) {
    if (share > 0.002)
      console.log(`${op.padEnd(24)} ${ms.toFixed(1).padStart(8)} ms ${(100 * share).toFixed(1).padStart(6)} %`);
  }
}
