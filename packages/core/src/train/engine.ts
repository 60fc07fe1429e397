import {
  type Backend,
  type BackendState,
  type TensorData,
  type TensorSource,
  type TensorSpec,
  withParameters,
} from '@anneal/graph';

import { AnnealError } from '../errors/error.ts';
import type { Model } from '../model.ts';
import type { Metrics } from '../task.ts';
import type { Checkpoint, CheckpointStore } from './checkpoint.ts';
import { checkOptions } from './checks.ts';
import { Evaluation } from './evaluation.ts';
import { parameterOf } from './gradient-graph.ts';
import type { MemoryReport } from './memory.ts';
import { memoryLine, type PlannedMemory, planTraining } from './plan-memory.ts';
import { newProgress, noteEvaluation, type Progress, trainReport } from './progress.ts';
import { StepPrograms } from './programs.ts';
import { roundFrozen } from './rounded.ts';
import { learningRate } from './schedules.ts';
import { stateName, stateShapes, updatesApart } from './step-graph.ts';
import { type StepPlan, StepPlans } from './step-plan.ts';
import { type StepOutcome, StepRunner } from './step-runner.ts';
import { memoryRequest, type PlanRequest, sourceOf, stepsOf } from './training.ts';
import type { StepProgress, TrainPoint, TrainReport } from './types.ts';

export interface TrainRequest extends PlanRequest {
  readonly checkpoints: CheckpointStore;
  /** Hears every step and every evaluation. */
  readonly onStep: (point: TrainPoint) => void;
  readonly onMetrics: (metrics: Metrics) => void;
}

/** Trains `ctx.model` and returns it with its new weights. Resumes from the stage's checkpoint when there is one. */
export async function train(request: TrainRequest): Promise<{ model: Model; report: TrainReport }> {
  const { ctx } = request;
  checkOptions(ctx, request);
  const backend = await ctx.backend();
  const rounded = ctx.config.precision === 'int8' ? await roundFrozen(request, sourceOf(request), backend) : undefined;
  const memory = await planTraining(memoryRequest({ ...request, rounded }), backend);
  const line = memoryLine(memory);
  if (line !== undefined) ctx.logger.info(line);
  const { microBatchSize, gradientCheckpointing } = memory.choice;
  const chosen = {
    ...request,
    rounded,
    microBatchSize,
    ctx: { ...ctx, config: { ...ctx.config, gradientCheckpointing } },
  };
  const engine = await Engine.open(chosen, memory, backend);
  try {
    return await engine.run();
  } finally {
    await engine.close();
  }
}

class Engine {
  readonly #request: TrainRequest;
  readonly #backend: Backend;
  readonly #state: BackendState;
  readonly #memory: PlannedMemory;
  readonly #progress: Progress;
  readonly #programs: StepPrograms;
  readonly #runner: StepRunner;
  readonly #plans: StepPlans;
  readonly #totalSteps: number;
  readonly #rate: (progress: StepProgress, peak?: number) => number;
  /** State entries of the weights that are evaluated and kept, by parameter. */
  readonly #kept: ReadonlyMap<string, string>;
  #best: Record<string, TensorData> | undefined;
  #evaluation: Evaluation | undefined;

  constructor(
    request: TrainRequest,
    plans: StepPlans,
    memory: PlannedMemory,
    backend: Backend,
    state: BackendState,
    resumed: Checkpoint<Progress> | undefined,
  ) {
    const { ctx, specs, samples, trainable } = request;
    const { config, seed, logger } = ctx;
    this.#request = request;
    this.#plans = plans;
    this.#memory = memory;
    this.#backend = backend;
    this.#state = state;
    this.#totalSteps = stepsOf(plans, config);
    this.#rate = learningRate(config);
    const entry = config.emaDecay === undefined ? stateName.parameter : stateName.average;
    this.#kept = new Map([...trainable].map((name) => [name, entry(name)]));
    const source = sourceOf(request);
    this.#programs = new StepPrograms(source, backend, state, logger);
    const { accumulate } = plans;
    this.#runner = new StepRunner({ source, programs: this.#programs, state, samples, specs, seed, accumulate });
    this.#progress = resumed?.progress ?? newProgress();
    this.#best = resumed?.best;
  }

  /** Places weights and optimizer state with the backend, from the checkpoint when there is one. */
  static async open(request: TrainRequest, memory: PlannedMemory, backend: Backend): Promise<Engine> {
    const { ctx, trainable, checkpoints } = request;
    const { config, logger } = ctx;
    const plans = new StepPlans(request);
    const resumed = await checkpoints.read<Progress>();
    const tensors: Record<string, TensorSource> = {};
    for (const name of trainable) {
      const data = parameterOf(ctx.model, name);
      tensors[stateName.parameter(name)] = data;
      if (config.emaDecay !== undefined) tensors[stateName.average(name)] = data;
    }
    if (resumed !== undefined) {
      Object.assign(tensors, resumed.state);
      logger.info(`resuming at step ${resumed.progress.step} from the checkpoint`);
    }
    const empty: Record<string, TensorSpec> = {};
    const source = sourceOf(request);
    for (const [name, shape] of stateShapes(source, updatesApart(source, plans.accumulate))) {
      if (!Object.hasOwn(tensors, name)) empty[name] = { dtype: 'float32', shape };
    }
    return new Engine(request, plans, memory, backend, await backend.createState(tensors, empty), resumed);
  }

  async run(): Promise<{ model: Model; report: TrainReport }> {
    const { ctx, task, trainable } = this.#request;
    const bar = ctx.progress(`train ${ctx.stage}`, this.#totalSteps);
    const state = this.#progress;
    bar.update(state.step);
    try {
      while (!state.finished) {
        const plan = this.#plans.epoch(state.epoch);
        for (;;) {
          // First of all: a run that is stopped while it is evaluated evaluates again.
          if (this.#evaluationDue()) await this.#evaluate();
          if (state.stoppedEarly || state.stepOfEpoch >= plan.length || state.step >= this.#totalSteps) break;
          await this.#stopIfAborted();
          const point = await this.#step(plan[state.stepOfEpoch] as StepPlan);
          bar.update(state.step, `loss ${point.loss.toFixed(4)}`);
          if (state.step % (ctx.config.saveSteps ?? 200) === 0) await this.#save();
        }
        if (!this.#evaluated()) await this.#evaluate();
        // Only now is the epoch over.
        state.epoch++;
        state.stepOfEpoch = 0;
        state.finished = state.stoppedEarly || state.step >= this.#totalSteps;
        await this.#save();
      }
    } finally {
      bar.done();
    }
    const { compileSeconds } = this.#programs;
    const model = await this.#trained();
    const { choice, predicted } = this.#memory;
    const memory: MemoryReport = { predicted, peakRssBytes: (await this.#backend.memory()).peakRssBytes, ...choice };
    const facts = {
      stage: ctx.stage,
      model: ctx.model,
      trainable,
      metric: task.monitor.metric,
      compileSeconds,
      memory,
      int8: this.#request.rounded?.report,
    };
    return { model, report: trainReport(state, facts) };
  }

  async close(): Promise<void> {
    await this.#programs.dispose();
    await this.#evaluation?.dispose();
    await this.#state.dispose();
  }

  /** One optimizer step. */
  async #step(plan: StepPlan): Promise<TrainPoint> {
    const { ctx, hooks, onStep } = this.#request;
    const state = this.#progress;
    const progress: StepProgress = { step: state.step, totalSteps: this.#totalSteps, epoch: state.epoch };
    const rate = this.#rate(progress, state.plateau?.rate);
    const outcome = await this.#runner.run({
      plan,
      progress,
      learningRate: rate,
      update: state.step + 1 - state.skipped,
    });
    const { loss, gradNorm } = outcome;
    state.tokens += outcome.tokens;
    state.seconds += outcome.seconds;
    const point: TrainPoint = { step: state.step, epoch: state.epoch, loss, learningRate: rate, gradNorm };
    if (Number.isFinite(loss) && Number.isFinite(gradNorm)) {
      state.failures = 0;
      state.curve.push(point);
    } else await this.#skip(outcome, plan, progress);
    state.step++;
    state.stepOfEpoch++;
    onStep(point);
    hooks.train.onStep.call(point, ctx);
    return point;
  }

  /** A step whose loss or gradients are not finite changes nothing; too many in a row end the training. */
  async #skip({ loss, gradNorm }: StepOutcome, plan: StepPlan, progress: StepProgress): Promise<void> {
    const { ctx } = this.#request;
    const { step } = progress;
    this.#progress.skipped++;
    this.#progress.failures++;
    const limit = ctx.config.maxNonFiniteSteps ?? 5;
    ctx.logger.warn(`Step ${step} skipped: loss ${loss}, gradient norm ${gradNorm}`);
    if (this.#progress.failures < limit) return;
    const where = await this.#runner.diagnose({ plan, progress });
    throw new AnnealError(
      'ANNEAL_E_TRAIN',
      `loss or gradients were not finite ${limit} steps in a row, received loss ${loss} at step ${step}; ${where}`,
      {
        path: ['stages', ctx.stage, 'train'],
        fix: `lower \`train.learningRate\` (now ${ctx.config.learningRate ?? 5e-4}), raise \`train.warmupRatio\`, or look for extreme values in the data`,
      },
    );
  }

  /** The weights as they are have been evaluated. */
  #evaluated(): boolean {
    const { step, validation } = this.#progress;
    return validation.at(-1)?.step === step;
  }

  #evaluationDue(): boolean {
    const { evalSteps } = this.#request.ctx.config;
    const { step } = this.#progress;
    return evalSteps !== undefined && step > 0 && step % evalSteps === 0 && !this.#evaluated();
  }

  async #evaluate(): Promise<void> {
    const { ctx, hooks, task, validation, specs, onMetrics } = this.#request;
    const { config, model } = ctx;
    const state = this.#progress;
    if (validation.length === 0) return;
    this.#evaluation ??= new Evaluation({
      backend: this.#backend,
      graph: model.graph,
      task,
      specs,
      batchSize: this.#request.evaluationBatchSize,
      maxLength: this.#request.maxLength,
      weights: { state: this.#state, entries: this.#kept },
    });
    const evaluator = task.evaluator();
    await this.#stopIfAborted();
    await this.#evaluation.run(validation, evaluator, { signal: ctx.signal }).catch(async (error: unknown) => {
      await this.#stopIfAborted();
      throw error;
    });
    const metrics = evaluator.result({ intervals: false });
    onMetrics(metrics);
    const { metric, mode } = task.monitor;
    const value = metrics[metric]?.value;
    if (value === undefined) {
      throw new AnnealError(
        'ANNEAL_E_MODEL',
        `the task's monitored metric \`${metric}\` is not among ${Object.keys(metrics).join(', ')}`,
      );
    }
    const better = noteEvaluation(state, metrics, value, mode, config);
    if (better && (config.loadBestModel ?? true)) this.#best = await this.#state.read([...this.#kept.values()]);
    state.stoppedEarly = hooks.train.shouldStop.call(metrics, ctx) ?? state.stoppedEarly;
  }

  async #save(): Promise<void> {
    const names = this.#state.names.filter((name) => !stateName.isSum(name));
    await this.#request.checkpoints.write<Progress>({
      progress: this.#progress,
      state: await this.#state.read(names),
      best: this.#best,
    });
  }

  async #stopIfAborted(): Promise<void> {
    const { ctx } = this.#request;
    if (!ctx.signal.aborted) return;
    await this.#save();
    throw new AnnealError(
      'ANNEAL_E_ABORTED',
      `stopped at step ${this.#progress.step} of ${this.#totalSteps} of stage \`${ctx.stage}\``,
      { fix: 'run the same command again: it goes on from the checkpoint' },
    );
  }

  async #trained(): Promise<Model> {
    const { model } = this.#request.ctx;
    const tensors = this.#best ?? (await this.#state.read([...this.#kept.values()]));
    return {
      ...model,
      graph: withParameters(model.graph, (name) => {
        const data = tensors[this.#kept.get(name) ?? ''];
        return data && { data };
      }),
    };
  }
}
