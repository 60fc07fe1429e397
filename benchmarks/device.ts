import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { type OnnxDevice, onnxBackend } from '@anneal/backend-onnx';
import { type Backend, type HostNodes, tensor } from '@anneal/graph';
import { testBackend } from '@anneal/testkit';

import { FEED, RESULT } from '../packages/core/src/train/step-graph.ts';
import { gemmRates, type NamedGemm } from './lib/gemm.ts';
import { prepareStep, type StepCase } from './lib/step-case.ts';

/**
 * What a device of the ONNX backend gets right, and how fast it is: the conformance suite, training steps beside the CPU,
 * matrix products. Prints one line of JSON for each part.
 *
 * `pnpm bench device [--device webgpu] [--part conformance --part encoder --part lora --part gemm] [--steps 50]
 * [--batch 8] [--seq 64] [--layers 2] [--failures <file>]`: the file gets the failed tests of the suite, one per line.
 */
const { values } = parseArgs({
  options: {
    device: { type: 'string', default: 'webgpu' },
    part: { type: 'string', multiple: true, default: ['conformance', 'encoder', 'lora', 'gemm'] },
    steps: { type: 'string', default: '50' },
    batch: { type: 'string', default: '8' },
    seq: { type: 'string', default: '64' },
    layers: { type: 'string', default: '2' },
    failures: { type: 'string' },
  },
});
const device = values.device as OnnxDevice;

const size = { layers: Number(values.layers), batch: Number(values.batch), seq: Number(values.seq) };
const CURVES: Readonly<Record<string, StepCase>> = {
  encoder: { model: 'encoder', ...size },
  lora: { model: 'lora', ...size },
};
/** Large enough for a graphics card. */
const PRODUCTS: readonly NamedGemm[] = [
  { name: 'square', m: 1024, k: 1024, n: 1024 },
  { name: 'large square', m: 4096, k: 4096, n: 4096 },
  { name: 'feed-forward up', m: 1024, k: 576, n: 1536 },
  { name: 'input gradient', m: 1024, k: 1536, n: 576, transposeB: true },
  { name: 'weight gradient', m: 576, k: 1024, n: 1536, transposeA: true },
];

async function conformance(purpose: 'inference' | 'training'): Promise<object> {
  const backend = await onnxBackend({ device });
  const onHost = new Map<string, number>();
  const watched: Backend = {
    info: backend.info,
    compile: async (graph, options) => {
      const program = await backend.compile(graph, { ...options, purpose });
      for (const { op, count } of program.hostNodes ?? []) onHost.set(op, (onHost.get(op) ?? 0) + count);
      return program;
    },
    createState: (...args) => backend.createState(...args),
    memory: () => backend.memory(),
    close: () => backend.close(),
  };
  const tests = testBackend(watched);
  let failed = 0;
  const start = performance.now();
  for (const { name, run } of tests) {
    // The last name is that of the test that ended the process.
    if (values.failures !== undefined) await writeFile(`${values.failures}.last`, name);
    await run().catch(async (error: Error) => {
      failed += 1;
      if (values.failures !== undefined) {
        await appendFile(values.failures, `${name}: ${error.message.replaceAll('\n', ' | ')}\n`);
      }
    });
  }
  const seconds = (performance.now() - start) / 1000;
  await backend.close();
  return { purpose, tests: tests.length, failed, seconds, onHost: Object.fromEntries(onHost) };
}

interface Curve {
  readonly losses: readonly number[];
  readonly ms: number;
  readonly hostNodes: readonly HostNodes[];
  readonly trained: Float32Array;
}

/** Losses of a training run from fixed weights on a fixed batch, and one trained tensor. */
async function curve(one: StepCase, on: OnnxDevice, steps: number): Promise<Curve> {
  const folder = await mkdtemp(join(tmpdir(), 'anneal-device-'));
  const backend = await onnxBackend({ device: on, tempFolder: folder });
  try {
    const { step, state: tensors, empty, feeds } = await prepareStep(one, folder);
    const state = await backend.createState(tensors, empty);
    const { graph, updates } = step;
    const guard = graph.outputs.has(RESULT.guard) ? RESULT.guard : undefined;
    const program = await backend.compile(graph, { purpose: 'training', state, updates, guard, loss: RESULT.loss });
    const losses: number[] = [];
    const times: number[] = [];
    for (let i = 0; i < steps; i++) {
      const from = performance.now();
      const { loss } = await program.run({
        ...feeds,
        [FEED.learningRate]: tensor('float32', [], [1e-3]),
        [FEED.step]: tensor('float32', [], [i + 1]),
      });
      times.push(performance.now() - from);
      losses.push(Number(loss?.data[0]));
    }
    const [name] = Object.keys(tensors) as [string];
    const trained = (await state.read([name]))[name]?.data as Float32Array;
    return {
      losses,
      ms: times.toSorted((a, b) => a - b)[times.length >> 1] ?? Number.NaN,
      hostNodes: program.hostNodes ?? [],
      trained,
    };
  } finally {
    await backend.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function compared(one: StepCase, steps: number): Promise<object> {
  const cpu = await curve(one, 'cpu', steps);
  const other = await curve(one, device, steps);
  const differences = cpu.losses.map((loss, i) => Math.abs((other.losses[i] as number) - loss) / Math.abs(loss));
  return {
    ...one,
    steps,
    cpuMs: cpu.ms,
    deviceMs: other.ms,
    firstLoss: cpu.losses[0],
    lastLoss: [cpu.losses.at(-1), other.losses.at(-1)],
    largestRelativeDifference: Math.max(...differences),
    largestWeightDifference: cpu.trained.reduce(
      (most, x, i) => Math.max(most, Math.abs(x - (other.trained[i] ?? 0))),
      0,
    ),
    hostNodes: other.hostNodes,
  };
}

const print = (part: string, result: object): void => console.log(JSON.stringify({ part, device, ...result }));

for (const part of values.part) {
  const one = CURVES[part];
  if (one !== undefined) print(part, await compared(one, Number(values.steps)));
  else if (part === 'gemm') for (const rate of await gemmRates(undefined, PRODUCTS, device)) print(part, rate);
  else for (const purpose of ['inference', 'training'] as const) print(part, await conformance(purpose));
}
