import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { onnxBackend } from '@anneal/backend-onnx';
import { type MemoryPlan, tensor } from '@anneal/graph';

import { FEED, RESULT } from '../packages/core/src/train/step-graph.ts';
import { prepareStep, type StepCase } from './lib/step-case.ts';

/**
 * Predicted and measured peak memory of training steps, each in a process of its own.
 *
 * `pnpm bench memory [--json]`
 */
const CASES: readonly StepCase[] = [
  { model: 'encoder', layers: 4, batch: 8, seq: 64 },
  { model: 'encoder', layers: 4, batch: 32, seq: 128 },
  { model: 'encoder', layers: 12, batch: 16, seq: 128 },
  { model: 'encoder', layers: 12, batch: 16, seq: 128, recompute: true },
  { model: 'lora', layers: 4, batch: 1, seq: 256 },
  { model: 'lora', layers: 8, batch: 4, seq: 256 },
  { model: 'lora', layers: 8, batch: 4, seq: 256, recompute: true },
  { model: 'lora', layers: 8, batch: 1, seq: 1024 },
  { model: 'lora', layers: 8, batch: 4, seq: 256, int8: true },
  { model: 'lora', layers: 30, batch: 1, seq: 256 },
  { model: 'lora', layers: 30, batch: 4, seq: 256 },
  { model: 'lora', layers: 30, batch: 4, seq: 256, recompute: true },
  { model: 'full', layers: 4, batch: 1, seq: 256 },
  { model: 'full', layers: 8, batch: 2, seq: 256, recompute: true },
];
const STEPS = 3;

interface Row extends StepCase {
  /** What the process had before. */
  readonly processBytes: number;
  readonly predicted: MemoryPlan;
  readonly predictedBytes: number;
  readonly measuredBytes: number;
  /** (predicted - measured) / measured. */
  readonly error: number;
}

async function measure(one: StepCase): Promise<Row> {
  const folder = await mkdtemp(join(tmpdir(), 'anneal-memory-'));
  const backend = await onnxBackend({ tempFolder: folder });
  try {
    const { step, state: entries, empty, feeds } = await prepareStep(one, folder);
    const options = { updates: step.updates, purpose: 'training', loss: RESULT.loss } as const;
    const { graph } = step;
    const plan = backend.planMemory as NonNullable<typeof backend.planMemory>;
    const predicted = plan.call(backend, [{ graph, ...options }], { ...entries, ...empty });
    const processBytes = process.memoryUsage.rss();
    const state = await backend.createState(entries, empty);
    const program = await backend.compile(graph, { ...options, state, guard: RESULT.guard });
    for (let i = 0; i < STEPS; i++) await program.run({ ...feeds, [FEED.step]: tensor('float32', [], [i + 1]) });
    const measuredBytes = (await backend.memory()).peakRssBytes ?? Number.NaN;
    const { weights, state: stateBytes, activations, programs } = predicted;
    const predictedBytes = processBytes + weights + stateBytes + activations + programs;
    const error = (predictedBytes - measuredBytes) / measuredBytes;
    return { ...one, processBytes, predicted, predictedBytes, measuredBytes, error };
  } finally {
    await backend.close();
    await rm(folder, { recursive: true, force: true });
  }
}

function measureApart(one: StepCase): Row {
  const args = [...process.execArgv, fileURLToPath(import.meta.url), '--case', JSON.stringify(one)];
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Row;
}

const mb = (bytes: number): string => (bytes / 2 ** 20).toFixed(0).padStart(7);
const nameOf = ({ model, layers, batch, seq, int8, recompute }: StepCase): string =>
  `${model} ${layers}×${batch}×${seq}${int8 ? ' int8' : ''}${recompute ? ' recompute' : ''}`;

function line(row: Row): string {
  const { weights, state, activations, programs } = row.predicted;
  const parts = [row.processBytes, weights, state, activations, programs, row.predictedBytes, row.measuredBytes];
  return `${nameOf(row).padEnd(28)} ${parts.map(mb).join(' ')} ${(100 * row.error).toFixed(1).padStart(6)} %`;
}

const at = process.argv.indexOf('--case');
if (at >= 0) console.log(JSON.stringify(await measure(JSON.parse(process.argv[at + 1] as string) as StepCase)));
else {
  const json = process.argv.includes('--json');
  const columns = ['process', 'weights', 'state', 'activ.', 'progr.', 'predict', 'measure'];
  if (!json)
    console.log(`${'layers×batch×length, MiB'.padEnd(28)} ${columns.map((name) => name.padStart(7)).join(' ')}`);
  const rows: Row[] = [];
  for (const one of CASES) {
    rows.push(measureApart(one));
    if (!json) console.log(line(rows.at(-1) as Row));
  }
  const largestError = Math.max(...rows.map(({ error }) => Math.abs(error)));
  if (json) console.log(JSON.stringify({ rows, largestError }));
  else console.log(`largest error ${(100 * largestError).toFixed(1)} %`);
}
