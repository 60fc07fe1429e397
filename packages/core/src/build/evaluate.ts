import { fork, type StdioOptions } from 'node:child_process';
import { rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { Tensors } from '@anneal/graph';

import { makeFolder } from '../node/folders.ts';
import type { ResolvedConfig } from '../config/types.ts';
import type { EvaluateContext, ModelContext } from '../hooks/types.ts';
import type { Model } from '../model.ts';
import { backendPackage } from '../node/backend.ts';
import { saveModel } from '../node/codec.ts';
import { writeError } from '../node/files.ts';
import { temporaryPath } from '../node/host.ts';
import { resolvePackage } from '../node/resolve.ts';
import { bytes } from '../report/format.ts';
import type { AuditSection, HonestyCheck, VariantMetrics } from '../report/types.ts';
import type { Metrics } from '../task.ts';
import { featureSpecs } from '../data/batches.ts';
import { Evaluation } from '../train/evaluation.ts';
import type { RunScope } from './context.ts';
import { measureSpeed } from './measure.ts';
import { checkTestSplit, type CompressResult } from './phases.ts';
import { openPredictor, type Predictor } from './predict.ts';
import { rowsWithin } from './samples.ts';
import type { StageSetup } from './setup.ts';

export interface EvaluateResult {
  readonly before: VariantMetrics;
  readonly after: VariantMetrics | undefined;
  readonly baseline: Readonly<Record<string, Metrics>>;
  readonly audit: Readonly<Record<string, AuditSection>>;
  readonly checks: readonly HonestyCheck[];
}

/** Quality and cost of the full-precision and the compressed model on the test split, audits, and the baseline. */
export async function evaluatePhase(
  setup: StageSetup,
  scope: RunScope,
  base: ModelContext,
  { reference, compressed }: CompressResult,
): Promise<EvaluateResult> {
  const { hooks } = setup.registry;
  const { dataset, task, signal } = base;
  const config = scope.run.config;
  const split = checkTestSplit(dataset);
  const backend = await base.backend();
  const models = compressed === undefined ? [reference] : [reference, compressed];
  const predictors: Predictor[] = [];
  for (const model of models) predictors.push(await openPredictor(backend, model, task, setup, scope.run));
  try {
    const { encoding } = predictors[0] as Predictor;
    const samples = encoding.encode(split, 'test', { targets: false });
    const measured = task.traceEvaluation === undefined ? samples : encoding.encode(split, 'test', { targets: true });
    const quality: Pick<VariantMetrics, 'metrics' | 'figures'>[] = [];
    for (const [i, { program }] of predictors.entries()) {
      const bar = scope.progress(
        `evaluate ${i === 0 ? 'full precision' : (compressed?.variant ?? 'compressed')}`,
        measured.length,
      );
      const evaluator = task.evaluator();
      const { graph } = models[i] as Model;
      const evaluation = new Evaluation({
        backend,
        graph,
        task,
        specs: task.traceEvaluation === undefined ? encoding.specs : featureSpecs(models[i] as Model, task),
        batchSize: config.evaluate.batchSize,
        maxLength: encoding.maxLength,
        forward: program,
      });
      try {
        await evaluation.run(measured, evaluator, {
          signal,
          onBatch: (done) => {
            bar.update(done);
          },
        });
      } finally {
        await evaluation.dispose();
      }
      bar.done();
      quality.push({ metrics: evaluator.result({ intervals: true }), figures: evaluator.figures?.() ?? {} });
    }
    const speeds = await measureSpeed(
      predictors.map(({ program }) => program),
      encoding,
      samples,
      {
        runs: config.evaluate.latencyRuns,
        batchSize: rowsWithin(reference, encoding.maxLength, config.evaluate.batchSize),
        signal,
      },
    );
    const predict = async (
      rows: Parameters<EvaluateContext['predict']>[0],
      variant = 'model',
    ): Promise<readonly Tensors[]> =>
      (variant === 'reference' ? predictors[0] : predictors.at(-1))?.predict(rows) ?? [];
    const ctx: EvaluateContext = { ...base, model: models.at(-1) as Model, reference, predict, split };
    const variants: VariantMetrics[] = [];
    for (const [i, model] of models.entries()) {
      const cost = await measureFile(model, config, signal);
      const own = { ...(quality[i] as (typeof quality)[number]), ...(speeds[i] as (typeof speeds)[number]), ...cost };
      variants.push(await hooks.evaluate.transformMetrics.promise(own, ctx));
    }
    const audit: Record<string, AuditSection> = {};
    await hooks.evaluate.auditModel.promise(ctx, (name, section) => {
      audit[name] = section;
    });
    const baseline = (await hooks.evaluate.resolveBaseline.promise(ctx)) ?? {};
    const [before, after] = variants as [VariantMetrics, VariantMetrics | undefined];
    return { before, after, baseline, audit, checks: after === undefined ? [] : costChecks(before, after) };
  } finally {
    for (const { program } of predictors) await program.dispose();
  }
}

/**
 * A metric that gets worse by more than this is named: 0.3 points of a share. What is larger than 1 is none, such as a
 * perplexity, and may get worse by 0.3 %: that is a perplexity whose loss gets worse by 0.003.
 */
const QUALITY_TOLERANCE = 0.003;

export function qualityCheck(before: VariantMetrics, after: VariantMetrics): HonestyCheck {
  const worse: string[] = [];
  for (const [name, { value, better }] of Object.entries(before.metrics)) {
    const now = after.metrics[name]?.value ?? Number.NaN;
    const loss = better === 'higher' ? value - now : better === 'lower' ? now - value : 0;
    const tolerance = QUALITY_TOLERANCE * Math.max(1, Math.abs(value));
    // NaN on one side is worse, too.
    if (better !== undefined && !(loss <= tolerance)) worse.push(`${name} ${value.toFixed(4)} → ${now.toFixed(4)}`);
  }
  return {
    name: 'compressed model is as good',
    passed: worse.length === 0,
    message:
      worse.length === 0
        ? `no metric is worse by more than ${QUALITY_TOLERANCE}, or ${100 * QUALITY_TOLERANCE} % where it is above 1`
        : worse.join(', '),
  };
}

/** Says in plain words what compression made worse. */
function costChecks(before: VariantMetrics, after: VariantMetrics): readonly HonestyCheck[] {
  const percent = (ratio: number): string => `${(100 * ratio).toFixed(0)} %`;
  const ms = (value: number): string => `${value.toFixed(2)} ms`;
  return [
    qualityCheck(before, after),
    {
      name: 'compressed model is smaller',
      passed: after.bytes < before.bytes,
      message: `${bytes(before.bytes)} → ${bytes(after.bytes)} (${percent(after.bytes / before.bytes)})`,
    },
    {
      name: 'compressed model is not slower for one row',
      passed: after.latencyMsP50 <= before.latencyMsP50 * 1.02,
      message: `median ${ms(before.latencyMsP50)} → ${ms(after.latencyMsP50)}`,
    },
    {
      name: 'compressed model is not slower for batches',
      passed: after.throughput >= before.throughput * 0.98,
      message: `${before.throughput.toFixed(1)} → ${after.throughput.toFixed(1)} rows/s`,
    },
  ];
}

/** Size of the model's files, and the peak memory of a fresh process that loads and runs it. */
async function measureFile(
  model: Model,
  config: ResolvedConfig,
  signal: AbortSignal,
): Promise<Pick<VariantMetrics, 'bytes' | 'peakRssMb'>> {
  // In the cache folder: the system's temporary folder may be small, or memory.
  const folder = temporaryPath(join(config.cacheDir, 'measure'));
  try {
    await makeFolder(folder);
    await saveModel(folder, 'model', model);
    const sizes = await Promise.all(
      ['model.onnx', 'model.onnx_data'].map((name) =>
        stat(join(folder, name)).then(
          ({ size }) => size,
          () => 0,
        ),
      ),
    );
    return { bytes: sizes.reduce((a, b) => a + b, 0), peakRssMb: await peakRssMb(folder, config, signal) };
  } catch (error) {
    throw writeError(folder, error);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const CHILD_TIMEOUT_MS = 60_000;

/** NaN where it cannot be measured: a backend given as a function has no name that another process could open. */
async function peakRssMb(folder: string, config: ResolvedConfig, signal: AbortSignal): Promise<number> {
  if (typeof config.backend !== 'string') return Number.NaN;
  const { device, threads, root } = config;
  const backend = resolvePackage(backendPackage(config.backend), root);
  if (backend === undefined) return Number.NaN;
  const job = join(folder, 'job.json');
  await writeFile(job, JSON.stringify({ folder, backend, options: { device, threads, root } }));
  const file = new URL(import.meta.url.endsWith('.ts') ? './measure-child.ts' : './measure-child.js', import.meta.url);
  return new Promise((resolve) => {
    const stdio: StdioOptions = ['ignore', 'ignore', 'ignore', 'ipc'];
    const child = fork(file, [job], { stdio, timeout: CHILD_TIMEOUT_MS, signal });
    let result = Number.NaN;
    child.on('message', (message) => {
      result = Number(message);
    });
    child.on('error', () => {
      resolve(Number.NaN);
    });
    child.on('exit', () => {
      resolve(result);
    });
  });
}
