import { type FeatureSpec, lengthOf } from '../data/batches.ts';
import type { Sample } from '../data/types.ts';
import type { CallableHooks } from '../hooks/create.ts';
import type { TrainContext } from '../hooks/types.ts';
import type { Task } from '../task.ts';
import { checkOptions } from './checks.ts';
import type { TrainedParameters } from './parameters.ts';
import { type MemoryRequest, planTraining } from './plan-memory.ts';
import type { Rounded } from './rounded.ts';
import type { ParameterSettings, StepSource } from './step-graph.ts';
import { StepPlans } from './step-plan.ts';
import type { Optimizer, TrainConfig } from './types.ts';

/** What is trained, and on what. */
export interface Training {
  readonly ctx: TrainContext;
  readonly hooks: CallableHooks;
  readonly task: Task;
  readonly optimizer: Optimizer;
  readonly specs: readonly FeatureSpec[];
  readonly samples: readonly Sample[];
  readonly validation: readonly Sample[];
  readonly maxLength: number;
  readonly evaluationBatchSize: number;
}

/** What is enough to say what training takes. */
export interface PlanRequest extends Training, TrainedParameters {
  /** Rows that a program takes at once; steps with more are made of several runs. @defaultValue all of a batch */
  readonly microBatchSize?: number | undefined;
  /** The model as it is trained, when that is not `ctx.model`. */
  readonly rounded?: Rounded | undefined;
}

/** What a training takes, as far as it is known before. */
export interface TrainingForecast {
  readonly steps: number;
  /** Elements that are not padding, over all epochs. */
  readonly tokens: number;
  /** Peak memory of the process; `undefined` where the backend, or the precision, does not let it be told. */
  readonly bytes: number | undefined;
}

/**
 * Says what training would take, without running anything.
 *
 * @throws AnnealError as `train` does for options that do not fit
 */
export async function foresee(request: PlanRequest): Promise<TrainingForecast> {
  const { ctx, samples, specs } = request;
  checkOptions(ctx, request);
  const plans = new StepPlans(request);
  const steps = stepsOf(plans, ctx.config);
  const perEpoch = samples.reduce((sum, sample) => sum + (lengthOf(sample, specs) ?? 1), 0);
  const tokens = Math.round((perEpoch * steps) / plans.stepsPerEpoch);
  // Which layers are rounded is measured when training begins.
  if (ctx.config.precision === 'int8') return { steps, tokens, bytes: undefined };
  const { predicted } = await planTraining(memoryRequest(request), await ctx.backend());
  return { steps, tokens, bytes: predicted?.total };
}

/** Optimizer steps in all. */
export function stepsOf(
  { stepsPerEpoch }: StepPlans,
  { epochs = 3, maxSteps = Number.POSITIVE_INFINITY }: TrainConfig,
): number {
  return Math.min(maxSteps, Math.max(1, Math.round(stepsPerEpoch * epochs)));
}

export function sourceOf(request: PlanRequest): StepSource {
  const { ctx, hooks, task, specs, optimizer, trainable, groups, rounded } = request;
  const { config, stage } = ctx;
  const model = rounded?.model ?? ctx.model;
  const { learningRate: rate = 5e-4 } = config;
  const settings = [...groups].map(([name, group]): [string, ParameterSettings] => [
    name,
    { rateRatio: (group.learningRate ?? rate) / rate, weightDecay: group.weightDecay },
  ]);
  return {
    stage,
    model,
    task,
    hooks,
    specs,
    trainable,
    optimizer,
    weightDecay: config.weightDecay ?? 0.01,
    settings: new Map(settings),
    maxGradNorm: config.maxGradNorm ?? 1,
    emaDecay: config.emaDecay,
    recompute: config.gradientCheckpointing,
  };
}

export function memoryRequest(request: PlanRequest): MemoryRequest {
  const { ctx, validation, specs, maxLength, evaluationBatchSize } = request;
  const { gradientCheckpointing = false, maxMemory, loadBestModel = true } = ctx.config;
  const size = Math.min(evaluationBatchSize, validation.length);
  const lengths = validation.map((sample) => lengthOf(sample, specs)).filter((length) => length !== undefined);
  const longest = lengths.reduce((a, b) => Math.max(a, b), 0);
  return {
    source: sourceOf(request),
    gradientCheckpointing,
    maxMemory,
    stepShapes: (microBatchSize = request.microBatchSize) => new StepPlans({ ...request, microBatchSize }),
    evaluation:
      size === 0 ? undefined : { size, length: lengths.length === 0 ? undefined : Math.min(maxLength, longest) },
    keepBest: loadBestModel && size > 0,
  };
}
