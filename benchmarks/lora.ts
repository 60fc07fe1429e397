import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';

import { onnxBackend } from '@anneal/backend-onnx';
import type { Model } from '@anneal/core';
import { type Graph, lazyZeros, tensor, type TensorSource, type Value, withParameters } from '@anneal/graph';

import { featureSpecs } from '../packages/core/src/data/batches.ts';
import { HookRegistry } from '../packages/core/src/hooks/create.ts';
import { builtinOptimizer } from '../packages/core/src/train/optimizers.ts';
import {
  FEED,
  RESULT,
  stateName,
  stateShapes,
  type StepSource,
  traceStep,
} from '../packages/core/src/train/step-graph.ts';
import { insertAdapters, planAdapters, selectLayers } from '../packages/plugins/lora/src/adapters.ts';
import type { ResolvedOptions } from '../packages/plugins/lora/src/options.ts';
import { createSelection } from '../packages/plugins/lora/src/targets.ts';
import { int8Model, nextTokenTask, randomDecoder, spilled } from './lib/decoder.ts';
import { gemmRates } from './lib/gemm.ts';
import { operatorTimes } from './lib/profile.ts';

/**
 * LoRA fine-tuning of the SmolLM2-135M shape with random weights: r=8, alpha=16 on q_proj and v_proj, AdamW.
 *
 * `pnpm bench lora [--batch 1] [--seq 256] [--layers 30] [--steps 8] [--chunk 256] [--full] [--recompute] [--precision fp32|int8] [--threads n]
 * [--profile] [--json]`
 */
const flag = (name: string, fallback: number): number => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
};
const has = (name: string): boolean => process.argv.includes(`--${name}`);
const [batch, seq, layers, steps, chunk] = [
  flag('batch', 1),
  flag('seq', 256),
  flag('layers', 30),
  flag('steps', 8),
  flag('chunk', 256),
];
const full = has('full');
const at = process.argv.indexOf('--precision');
const precision = at < 0 ? 'fp32' : process.argv[at + 1];
if ((precision !== 'fp32' && precision !== 'int8') || (full && precision === 'int8')) {
  console.error(`--precision must be fp32, or without --full int8; received ${precision}`);
  process.exit(2);
}
const threads = has('threads') ? flag('threads', 1) : undefined;
const WARM_UP = 2;

const LORA: ResolvedOptions = {
  r: 8,
  loraAlpha: 16,
  loraDropout: 0,
  targetModules: ['q_proj', 'v_proj'],
  excludeModules: [],
  modulesToSave: [],
  rankPattern: {},
  alphaPattern: {},
  useRslora: false,
  useDora: false,
  initLoraWeights: true,
} as ResolvedOptions;

async function withLora(model: Model): Promise<Model> {
  const selection = await createSelection(LORA);
  const targets = [...selectLayers(model.graph, selection).values()];
  const planned = await planAdapters(model.graph, targets, selection, LORA, 1);
  const facts = { dropout: 0, rslora: false, dora: false, modulesToSave: [] };
  return { ...model, graph: insertAdapters(model.graph, planned, facts) };
}

/** Multiply-adds of every matrix product, times two. */
function flops(graph: Graph): number {
  let total = 0;
  for (const { op, inputs, outputs, attributes } of graph.nodes) {
    if (!['MatMul', 'Gemm', 'FusedMatMul', 'DynamicQuantizeMatMul'].includes(op)) continue;
    const transposed = attributes['transA'];
    const inner = (inputs[0] as Value).dims.at(transposed && 'int' in transposed && transposed.int === 1 ? -2 : -1);
    total += 2 * (inner as number) * (outputs[0] as Value).dims.reduce((x, y) => x * y, 1);
  }
  return total;
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

const folder = await mkdtemp(join(tmpdir(), 'anneal-lora-'));
const backend = await onnxBackend({ tempFolder: folder, ...(threads === undefined ? {} : { threads }) });
try {
  const base = await randomDecoder({ layers, seq }, folder);
  const model = full
    ? { ...base, graph: withParameters(base.graph, () => ({ trainable: true })) }
    : await (precision === 'int8'
        ? withLora(base)
            .then(int8Model)
            .then((made) => spilled(made, folder))
        : withLora(base));
  const task = nextTokenTask({ chunk, full });
  const trainable = [...model.graph.parameters].filter(([, parameter]) => parameter.trainable).map(([name]) => name);
  const optimizer = builtinOptimizer('adamw');
  if (!optimizer) throw new Error('adamw is built in');
  const source: StepSource = {
    stage: 'bench',
    model,
    task,
    hooks: new HookRegistry().hooks,
    specs: featureSpecs(model, task),
    trainable: new Set(trainable),
    optimizer,
    weightDecay: 0.01,
    maxGradNorm: 0,
    recompute: has('recompute'),
  };

  const start = performance.now();
  const { graph, updates } = traceStep(source, batch, seq);
  const traceSeconds = (performance.now() - start) / 1000;
  const tensors: Record<string, TensorSource> = {};
  for (const name of trainable) {
    const parameter = model.graph.parameters.get(name);
    if (parameter) tensors[stateName.parameter(name)] = parameter.data;
  }
  for (const [name, shape] of stateShapes(source, false)) tensors[name] = lazyZeros('float32', shape);
  const compileStart = performance.now();
  const state = await backend.createState(tensors);
  const program = await backend.compile(graph, { purpose: 'training', state, updates, guard: RESULT.guard });
  const compileSeconds = (performance.now() - compileStart) / 1000 + traceSeconds;

  const tokens = batch * seq;
  const ids = BigInt64Array.from({ length: tokens }, (_, i) => BigInt((i * 7919 + 13) % 49_152));
  const labels = ids.map((_, i) => ids[i % seq === seq - 1 ? i : i + 1] as bigint);
  const counted = Float32Array.from({ length: tokens }, (_, i) => (i % seq === seq - 1 ? 0 : 1));
  const feeds = {
    input_ids: tensor('int64', [batch, seq], ids),
    attention_mask: tensor('int64', [batch, seq], new BigInt64Array(tokens).fill(1n)),
    labels: tensor('int64', [batch, seq], labels),
    label_weights: tensor('float32', [batch, seq], counted),
    [FEED.sampleWeights]: tensor('float32', [batch], new Float32Array(batch).fill(1)),
    [FEED.learningRate]: tensor('float32', [], [1e-4]),
  };
  const times: number[] = [];
  const processor: number[] = [];
  const losses: number[] = [];
  for (let i = 0; i < steps + WARM_UP; i++) {
    const [from, used] = [performance.now(), process.cpuUsage()];
    const result = await program.run({ ...feeds, [FEED.step]: tensor('float32', [], [i + 1]) });
    losses.push(Number(result[RESULT.loss]?.data[0]));
    if (i < WARM_UP) continue;
    times.push((performance.now() - from) / 1000);
    const { user, system } = process.cpuUsage(used);
    processor.push((user + system) / 1e6);
  }
  const { peakRssBytes } = await backend.memory();
  await program.dispose();
  const [square] = await gemmRates(threads);
  const seconds = median(times);
  const work = flops(graph) / 1e9;
  const gemmGflops = square?.gflops ?? Number.NaN;
  const result = {
    batch,
    seq,
    layers,
    full,
    recompute: has('recompute'),
    precision,
    chunk,
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    threads: backend.info.threads,
    nodes: graph.nodes.length,
    tokensPerSecond: tokens / seconds,
    bestTokensPerSecond: tokens / Math.min(...times),
    tokensPerCpuSecond: tokens / Math.min(...processor),
    gflops: work / seconds,
    bestGflops: work / Math.min(...times),
    gemmGflops,
    bestGemmGflops: square?.bestGflops,
    shareOfGemm: work / seconds / gemmGflops,
    gflopPerStep: work,
    peakRssMb: (peakRssBytes ?? Number.NaN) / 2 ** 20,
    traceSeconds,
    compileSeconds,
    firstLoss: losses[0],
    lastLoss: losses.at(-1),
  };
  if (has('json')) console.log(JSON.stringify(result));
  else
    for (const [key, value] of Object.entries(result))
      console.log(`${key.padEnd(20)} ${typeof value === 'number' ? Number(value.toPrecision(4)) : value}`);
  if (has('profile')) {
    for (const { op, ms, share } of await operatorTimes(graph, feeds)) {
      if (share > 0.002)
        console.log(`${op.padEnd(30)} ${ms.toFixed(1).padStart(8)} ms ${(100 * share).toFixed(1).padStart(6)} %`);
    }
  }
} finally {
  await backend.close();
  await rm(folder, { recursive: true, force: true });
}
