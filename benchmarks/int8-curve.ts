import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';

import { onnxBackend } from '@anneal/backend-onnx';
import type { Model, Sample, TrainContext } from '@anneal/core';
import { type Backend, type BackendState } from '@anneal/graph';
import { loadGguf } from '@anneal/graph/node';
import { ggufTokenizer, Tokenizer } from '@anneal/plugin-tokenizer';
import { loadHuggingFace } from '@anneal/plugin-transformer/node';

import { collate } from '../packages/core/src/data/batches.ts';
import { createLogger } from '../packages/core/src/observe/logger.ts';
import { traceGradients } from '../packages/core/src/train/gradient-graph.ts';
import { StepPrograms } from '../packages/core/src/train/programs.ts';
import { FEED, RESULT, type StepSource, updatesApart } from '../packages/core/src/train/step-graph.ts';
import { type Rounded, roundFrozen } from '../packages/core/src/train/rounded.ts';
import { StepRunner } from '../packages/core/src/train/step-runner.ts';
import { nextTokenTask } from './lib/decoder.ts';
import { withLora } from './lib/lora.ts';
import { lossCurves } from './lib/loss-curves.ts';
import { mailBlocks } from './lib/mails.ts';
import { adamwSource, initialState } from './lib/source.ts';

/**
 * LoRA fine-tuning of a model from a GGUF file on real mail, with its frozen layers in float32 and in int8: r=8, alpha=16
 * on q_proj and v_proj, AdamW, linear decay; the same batches in the same order.
 *
 * `pnpm bench int8-curve --model <file.gguf> [--steps 200] [--batch 1] [--seq 256] [--lr 2e-4] [--seed 1]
 * [--precision fp32|int8|both] [--svg <file>] [--json]`
 */
const option = (name: string): string | undefined => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : process.argv[at + 1];
};
const flag = (name: string, fallback: number): number => Number(option(name) ?? fallback);
const has = (name: string): boolean => process.argv.includes(`--${name}`);
const [steps, batch, seq, learningRate, seed] = [
  flag('steps', 200),
  flag('batch', 1),
  flag('seq', 256),
  flag('lr', 2e-4),
  flag('seed', 1),
];
const file = option('model');
/** Weights that stay in float32. */
const wanted = option('precision') ?? 'both';
const precisions = (['fp32', 'int8'] as const).filter((one) => wanted === one || wanted === 'both');
if (file === undefined || precisions.length === 0) {
  console.error('int8-curve needs --model <file.gguf>; --precision is fp32, int8 or both');
  process.exit(2);
}
/** Blocks of mails that are not trained on. */
const HELD_OUT = 20;
/** Steps that the end of a curve is the mean of. */
const LAST = 20;

type Precision = (typeof precisions)[number];

interface Run {
  /** Of each step, before its update. */
  readonly losses: readonly number[];
  /** Mean loss of blocks that are not trained on, in float32. */
  readonly before: number;
  readonly after: number;
  readonly seconds: number;
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

const task = nextTokenTask({ chunk: 256 });

const sourceOf = (model: Model): StepSource => adamwSource(model, task);

/** The mean loss of samples with the adapters of a state. */
async function evaluate(
  source: StepSource,
  samples: readonly Sample[],
  { backend, state }: { readonly backend: Backend; readonly state: BackendState },
): Promise<number> {
  const { g, loss } = traceGradients(source, 1, seq);
  g.output(RESULT.loss, loss);
  const program = await backend.compile(g.build({ name: 'held-out' }), { purpose: 'inference', state });
  const losses: number[] = [];
  for (const sample of samples) {
    const { tensors, sampleWeights } = collate([sample], source.specs);
    const result = await program.run({ ...tensors, [FEED.sampleWeights]: sampleWeights });
    losses.push(Number(result[RESULT.loss]?.data[0]));
  }
  await program.dispose();
  return mean(losses);
}

/** As `precision: 'int8'` of a stage does it. */
async function inInt8(source: StepSource, samples: readonly Sample[], backend: Backend): Promise<Rounded> {
  const { specs } = source;
  const ctx = { config: { batchSize: batch }, seed, stage: source.stage, logger: createLogger(report) } as TrainContext;
  const rounded = await roundFrozen({ ctx, specs, samples, maxLength: seq }, source, backend);
  if (rounded === undefined) throw new Error('nothing is frozen');
  return rounded;
}

const report = ({ message }: { readonly message: string }): void => console.error(message);

interface TrainOptions {
  readonly samples: readonly Sample[];
  readonly heldOut: readonly Sample[];
  readonly backend: Backend;
}

async function train(adapted: Model, precision: Precision, options: TrainOptions): Promise<Run> {
  const { samples, heldOut, backend } = options;
  const exact = sourceOf(adapted);
  const source = precision === 'fp32' ? exact : sourceOf((await inInt8(exact, samples, backend)).model);
  const { tensors, empty } = initialState(exact, updatesApart(exact, false));
  const state = await backend.createState(tensors, empty);
  const before = await evaluate(exact, heldOut, { backend, state });
  const programs = new StepPrograms(
    source,
    backend,
    state,
    createLogger(() => undefined),
  );
  const { specs } = source;
  const runner = new StepRunner({ source, programs, state, samples, specs, seed, accumulate: false });
  const losses: number[] = [];
  let total = 0;
  for (let step = 0; step < steps; step++) {
    const indices = Array.from({ length: batch }, (_, i) => step * batch + i);
    const { loss, seconds } = await runner.run({
      plan: [{ indices, size: batch, length: seq }],
      progress: { step, totalSteps: steps, epoch: 0 },
      learningRate: learningRate * (1 - step / steps),
      update: step + 1,
    });
    losses.push(loss);
    total += seconds;
    if ((step + 1) % LAST > 0) continue;
    console.error(`${precision} ${step + 1}/${steps}: ${mean(losses.slice(-LAST)).toFixed(4)}`);
  }
  await programs.dispose();
  const after = await evaluate(exact, heldOut, { backend, state });
  await state.dispose();
  return { losses, before, after, seconds: total };
}

const RELATIVE = new Intl.NumberFormat('en', { style: 'percent', maximumFractionDigits: 2, signDisplay: 'exceptZero' });

/** Of int8 relative to float32. */
function differences(fp32: Run, int8: Run, last: (run: Run) => number): Record<string, number> {
  const byStep = int8.losses.map((loss, i) => Math.abs(loss / (fp32.losses[i] as number) - 1));
  return {
    'last steps': last(int8) / last(fp32) - 1,
    'held-out': int8.after / fp32.after - 1,
    'largest of a step': Math.max(...byStep),
    'mean of a step': mean(byStep),
    'gain of held-out': (int8.before - int8.after) / (fp32.before - fp32.after) - 1,
  };
}

const folder = await mkdtemp(join(tmpdir(), 'anneal-int8-curve-'));
const backend = await onnxBackend({ tempFolder: folder });
try {
  const tokenizer = new Tokenizer(ggufTokenizer((await loadGguf(file)).metadata));
  // Both are legitimate mails; the second folder was collected later.
  const samples = await mailBlocks('easy-ham-1', steps * batch, tokenizer, { seq, seed });
  const heldOut = await mailBlocks('easy-ham-2', HELD_OUT, tokenizer, { seq, seed });
  const adapted = await withLora(await loadHuggingFace(file));
  const runs: Partial<Record<Precision, Run>> = {};
  for (const precision of precisions) runs[precision] = await train(adapted, precision, { samples, heldOut, backend });
  const { fp32, int8 } = runs;
  const last = (run: Run): number => mean(run.losses.slice(-LAST));
  const summary = Object.entries(runs).map(([precision, run]) => ({
    precision,
    firstLoss: run.losses[0],
    lastLoss: last(run),
    heldOutBefore: run.before,
    heldOutAfter: run.after,
    seconds: run.seconds,
  }));
  const difference = fp32 && int8 && differences(fp32, int8, last);
  if (has('json')) {
    const machine = { cpu: cpus()[0]?.model, cores: cpus().length, threads: backend.info.threads };
    console.log(JSON.stringify({ steps, batch, seq, learningRate, seed, ...machine, summary, difference, runs }));
  } else {
    console.table(summary);
    for (const [name, value] of Object.entries(difference ?? {})) console.log(`${name}: ${RELATIVE.format(value)}`);
  }
  const svg = option('svg');
  if (svg !== undefined && fp32 && int8) await writeFile(svg, lossCurves(fp32.losses, int8.losses, LAST));
} finally {
  await backend.close();
  await rm(folder, { recursive: true, force: true });
}
