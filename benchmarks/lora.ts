import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';

import { type OnnxDevice, onnxBackend } from '@anneal/backend-onnx';
import type { Sample } from '@anneal/core';
import { describeGraph, int8Layers, int8Linears, withParameters } from '@anneal/graph';

import { fuse } from '../packages/backends/onnx/src/lower/fuse.ts';
import { lower } from '../packages/backends/onnx/src/lower/index.ts';
import { createLogger } from '../packages/core/src/observe/logger.ts';
import { StepPrograms } from '../packages/core/src/train/programs.ts';
import { traceGradientStep, traceStep, updatesApart } from '../packages/core/src/train/step-graph.ts';
import { StepRunner } from '../packages/core/src/train/step-runner.ts';
import { nextTokenTask, randomDecoder } from './lib/decoder.ts';
import { gemmRates, TRAINING_GEMMS } from './lib/gemm.ts';
import { withLora } from './lib/lora.ts';
import { operatorTimes } from './lib/profile.ts';
import { adamwSource, initialState } from './lib/source.ts';

/**
 * LoRA fine-tuning of the SmolLM2-135M shape with random weights: r=8, alpha=16 on q_proj and v_proj, AdamW.
 *
 * `pnpm bench lora [--device cpu] [--batch 1] [--seq 256] [--layers 30] [--steps 8] [--chunk 256] [--full] [--recompute] [--precision fp32|int8] [--threads n]
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
const deviceAt = process.argv.indexOf('--device');
const device = (deviceAt < 0 ? 'cpu' : process.argv[deviceAt + 1]) as OnnxDevice;
const threads = has('threads') ? flag('threads', 1) : undefined;
const WARM_UP = 2;

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

const folder = await mkdtemp(join(tmpdir(), 'anneal-lora-'));
const backend = await onnxBackend({ device, tempFolder: folder, ...(threads === undefined ? {} : { threads }) });
try {
  const base = await randomDecoder({ layers, seq }, folder);
  const adapted = full
    ? { ...base, graph: withParameters(base.graph, () => ({ trainable: true })) }
    : await withLora(base);
  const model =
    precision === 'int8' ? { ...adapted, graph: int8Linears(adapted.graph, await int8Layers(adapted.graph)) } : adapted;
  const task = nextTokenTask({ chunk });
  const source = adamwSource(model, task, { maxGradNorm: 0, recompute: has('recompute') });

  const apart = updatesApart(source, false);
  const { tensors, empty } = initialState(source, apart);
  const stateStart = performance.now();
  const state = await backend.createState(tensors, empty);
  const stateSeconds = (performance.now() - stateStart) / 1000;
  const programs = new StepPrograms(
    source,
    backend,
    state,
    createLogger(() => undefined),
  );

  const samples = Array.from({ length: batch }, (_, row): Sample => {
    const ids = Int32Array.from({ length: seq + 1 }, (__, i) => ((row * seq + i) * 7919 + 13) % 49_152);
    const features = {
      input_ids: ids.subarray(0, seq),
      attention_mask: new Int32Array(seq).fill(1),
      labels: ids.subarray(1),
    };
    return { row: { id: `${row}` } as Sample['row'], features };
  });
  const runner = new StepRunner({ source, programs, state, samples, specs: source.specs, seed: 1, accumulate: false });
  const plan = [{ indices: samples.map((_, i) => i), size: batch, length: seq }];
  const times: number[] = [];
  const processor: number[] = [];
  const losses: number[] = [];
  for (let i = 0; i < steps + WARM_UP; i++) {
    const used = process.cpuUsage();
    const progress = { step: i, totalSteps: steps + WARM_UP, epoch: 0 };
    const { loss, seconds } = await runner.run({ plan, progress, learningRate: 1e-4, update: i + 1 });
    losses.push(loss);
    if (i < WARM_UP) continue;
    times.push(seconds);
    const { user, system } = process.cpuUsage(used);
    processor.push((user + system) / 1e6);
  }
  const tokens = batch * seq;
  const compileSeconds = stateSeconds + programs.compileSeconds;
  const { peakRssBytes } = await backend.memory();
  await programs.dispose();
  const { graph } = (apart ? traceGradientStep : traceStep)(source, batch, seq);
  const [square] = await gemmRates(threads, TRAINING_GEMMS, device);
  const seconds = median(times);
  const work = describeGraph(graph).work.flops / 1e9;
  const gemmGflops = square?.gflops ?? Number.NaN;
  const result = {
    device,
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
    compileSeconds,
    firstLoss: losses[0],
    lastLoss: losses.at(-1),
  };
  if (has('json')) console.log(JSON.stringify(result));
  else
    for (const [key, value] of Object.entries(result))
      console.log(`${key.padEnd(20)} ${typeof value === 'number' ? Number(value.toPrecision(4)) : value}`);
  if (has('profile')) {
    for (const { op, ms, share } of await operatorTimes(fuse(lower(graph)), {})) {
      if (share > 0.002)
        console.log(`${op.padEnd(30)} ${ms.toFixed(1).padStart(8)} ms ${(100 * share).toFixed(1).padStart(6)} %`);
    }
  }
} finally {
  await backend.close();
  await rm(folder, { recursive: true, force: true });
}
