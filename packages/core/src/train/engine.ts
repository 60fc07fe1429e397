import {
  type Backend,
  type BackendState,
  loadTensor,
  tensor,
  type TensorData,
  withParameters,
  zeros,
} from '@anneal/graph';

import {
  chooseBuckets,
  type BatchPlan,
  collate,
  completeBuckets,
  type FeatureSpec,
  lengthOf,
  planBatches,
} from '../data/batches.ts';
import type { Batch, Sample } from '../data/types.ts';
import { AnnealError } from '../errors/error.ts';
import type { CallableHooks } from '../hooks/create.ts';
import type { TrainContext } from '../hooks/types.ts';
import type { Model } from '../model.ts';
import { random } from '../random.ts';
import type { Metrics, Task } from '../task.ts';
import type { Checkpoint, CheckpointStore } from './checkpoint.ts';
import { Evaluation } from './evaluation.ts';
import { newProgress, noteEvaluation, type Progress, trainReport } from './progress.ts';
import { type Compiled, StepPrograms } from './programs.ts';
import { learningRate } from './schedules.ts';
import { FEED, RESULT, stateName, stateShapes, type StepSource } from './step-graph.ts';
import type { Optimizer, StepProgress, TrainPoint, TrainReport } from './types.ts';

export interface TrainRequest {
  readonly ctx: TrainContext;
  readonly hooks: CallableHooks;
  readonly task: Task;
  readonly optimizer: Optimizer;
  readonly specs: readonly FeatureSpec[];
  readonly trainable: ReadonlySet<string>;
  readonly samples: readonly Sample[];
  readonly validation: readonly Sample[];
  readonly maxLength: number;
  readonly evaluationBatchSize: number;
  readonly checkpoints: CheckpointStore;
  /** Hears every step and every evaluation. */
  readonly onStep: (point: TrainPoint) => void;
  readonly onMetrics: (metrics: Metrics) => void;
}

/** Trains `ctx.model` and returns it with its new weights. Resumes from the stage's checkpoint when there is one. */
export async function train(request: TrainRequest): Promise<{ model: Model; report: TrainReport }> {
  const backend = await request.ctx.backend();
  const engine = await Engine.open(request, backend);
  try {
    return await engine.run();
  } finally {
    await engine.close();
  }
}

/** One batch of a step with its program. */
interface Micro {
  readonly batch: Batch;
  readonly compiled: Compiled;
}

class Engine {
  readonly #request: TrainRequest;
  readonly #backend: Backend;
  readonly #state: BackendState;
  readonly #source: StepSource;
  readonly #progress: Progress;
  readonly #programs: StepPrograms;
  readonly #buckets: readonly number[];
  readonly #lengths: readonly (number | undefined)[];
  readonly #batchSize: number;
  readonly #accumulation: number;
  readonly #totalSteps: number;
  readonly #rate: (progress: StepProgress) => number;
  /** State entries of the weights that are evaluated and kept, by parameter. */
  readonly #kept: ReadonlyMap<string, string>;
  #best: Record<string, TensorData> | undefined;
  #evaluation: Evaluation | undefined;

  constructor(request: TrainRequest, backend: Backend, state: BackendState, resumed: Checkpoint<Progress> | undefined) {
    const { ctx, specs, trainable } = request;
    const { config } = ctx;
    this.#request = request;
    this.#backend = backend;
    this.#state = state;
    this.#source = sourceOf(request);
    this.#batchSize = config.batchSize ?? 32;
    this.#accumulation = config.gradientAccumulationSteps ?? 1;
    this.#lengths = request.samples.map((sample) => lengthOf(sample, specs));
    const known = this.#lengths.filter((length) => length !== undefined);
    this.#buckets = config.lengthBuckets
      ? completeBuckets(config.lengthBuckets, known, request.maxLength)
      : chooseBuckets(known, request.maxLength);
    const steps = Math.ceil(this.#plan(0).length / this.#accumulation) * (config.epochs ?? 3);
    this.#totalSteps = Math.min(config.maxSteps ?? Number.POSITIVE_INFINITY, Math.max(1, Math.round(steps)));
    this.#rate = learningRate(config);
    const entry = config.emaDecay === undefined ? stateName.parameter : stateName.average;
    this.#kept = new Map([...trainable].map((name) => [name, entry(name)]));
    this.#programs = new StepPrograms(this.#source, backend, state, this.#batchSize, ctx.logger);
    this.#progress = resumed?.progress ?? newProgress();
    this.#best = resumed?.best;
  }

  /** Places weights and optimizer state with the backend, from the checkpoint when there is one. */
  static async open(request: TrainRequest, backend: Backend): Promise<Engine> {
    const { ctx, trainable, checkpoints, validation } = request;
    const { config, logger } = ctx;
    if (config.earlyStopping && validation.length === 0) {
      logger.warn(`\`earlyStopping\` of stage ${ctx.stage} has no effect: the dataset has no split "validation"`);
    }
    const resumed = await checkpoints.read<Progress>();
    const tensors: Record<string, TensorData> = {};
    for (const name of trainable) {
      const parameter = ctx.model.graph.parameters.get(name);
      if (parameter === undefined) throw new AnnealError('ANNEAL_E_MODEL', `the model has no parameter "${name}"`);
      const data = await loadTensor(parameter.data);
      tensors[stateName.parameter(name)] = data;
      if (config.emaDecay !== undefined) tensors[stateName.average(name)] = data;
    }
    const accumulate = (config.gradientAccumulationSteps ?? 1) > 1;
    const shapes = stateShapes(sourceOf(request), accumulate);
    for (const [name, shape] of shapes) tensors[name] = zeros('float32', shape);
    if (resumed !== undefined) {
      Object.assign(tensors, resumed.state);
      logger.info(`resuming at step ${resumed.progress.step} from the checkpoint`);
    }
    return new Engine(request, backend, await backend.createState(tensors), resumed);
  }

  async run(): Promise<{ model: Model; report: TrainReport }> {
    const { ctx, task, trainable } = this.#request;
    const bar = ctx.progress(`train ${ctx.stage}`, this.#totalSteps);
    const state = this.#progress;
    bar.update(state.step);
    try {
      while (!state.finished) {
        const plan = this.#plan(state.epoch);
        while (state.batch < plan.length && state.step < this.#totalSteps) {
          await this.#stopIfAborted();
          const point = await this.#step(plan.slice(state.batch, state.batch + this.#accumulation));
          bar.update(state.step, `loss ${point.loss.toFixed(4)}`);
          if (state.step % (ctx.config.saveSteps ?? 200) === 0) await this.#save();
        }
        await this.#evaluate();
        // Only now is the epoch over: a run that is stopped while it is evaluated evaluates it again.
        state.epoch++;
        state.batch = 0;
        state.finished = state.stoppedEarly || state.step >= this.#totalSteps;
        await this.#save();
      }
    } finally {
      bar.done();
    }
    const { compileSeconds } = this.#programs;
    const facts = { stage: ctx.stage, model: ctx.model, trainable, metric: task.monitor.metric, compileSeconds };
    return { model: await this.#trained(), report: trainReport(state, facts) };
  }

  async close(): Promise<void> {
    await this.#programs.dispose();
    await this.#evaluation?.dispose();
    await this.#state.dispose();
  }

  #plan(epoch: number): readonly BatchPlan[] {
    const { ctx } = this.#request;
    return planBatches(this.#lengths, {
      batchSize: this.#batchSize,
      buckets: this.#buckets,
      rng: random(ctx.seed, 'batches', ctx.stage, epoch),
    });
  }

  /** One optimizer step over the given batches. */
  async #step(plans: readonly BatchPlan[]): Promise<TrainPoint> {
    const { ctx, specs, samples, hooks, onStep } = this.#request;
    const state = this.#progress;
    const accumulate = this.#accumulation > 1;
    const progress: StepProgress = { step: state.step, totalSteps: this.#totalSteps, epoch: state.epoch };
    const rate = this.#rate(progress);
    // Compiling is not training: programs are made before the clock starts.
    const micros: Micro[] = [];
    for (const { indices, length } of plans) {
      const rows = indices.map((i) => samples[i] as Sample);
      const batch = collate(rows, specs, { size: this.#batchSize, length });
      micros.push({ batch, compiled: await this.#programs.get(accumulate ? 'accumulate' : 'step', batch.length) });
    }
    const apply = accumulate ? await this.#programs.get('apply', undefined) : undefined;
    const common = {
      [FEED.learningRate]: tensor('float32', [], [rate]),
      [FEED.step]: tensor('float32', [], [state.step + 1 - state.skipped]),
    };
    const start = performance.now();
    const rows = micros.reduce((sum, { batch }) => sum + batch.rows.length, 0);
    let loss = 0;
    let gradNorm = Number.NaN;
    for (const [i, { batch, compiled }] of micros.entries()) {
      const share = batch.rows.length / rows;
      const result = await compiled.program.run({
        ...this.#programs.feeds(compiled, batch, progress, ctx.seed, i),
        ...(accumulate ? { [FEED.lossWeight]: tensor('float32', [], [share]) } : common),
      });
      loss += share * scalarOf(result, RESULT.loss);
      if (!accumulate) gradNorm = scalarOf(result, RESULT.gradNorm);
      state.tokens += batch.tokens;
    }
    if (apply && Number.isFinite(loss)) gradNorm = scalarOf(await apply.program.run(common), RESULT.gradNorm);
    state.seconds += (performance.now() - start) / 1000;
    const point: TrainPoint = { step: state.step, epoch: state.epoch, loss, learningRate: rate, gradNorm };
    if (Number.isFinite(loss) && Number.isFinite(gradNorm)) {
      state.failures = 0;
      state.curve.push(point);
    } else await this.#skip(point, micros, progress);
    state.step++;
    state.batch += plans.length;
    onStep(point);
    hooks.train.onStep.call(point, ctx);
    return point;
  }

  /** A step whose loss or gradients are not finite changes nothing; too many in a row end the training. */
  async #skip(point: TrainPoint, micros: readonly Micro[], progress: StepProgress): Promise<void> {
    const { ctx } = this.#request;
    const { loss, gradNorm, step } = point;
    this.#progress.skipped++;
    this.#progress.failures++;
    const limit = ctx.config.maxNonFiniteSteps ?? 5;
    if (this.#accumulation > 1) await this.#state.write(this.#zeroGradients());
    ctx.logger.warn(`Step ${step} skipped: loss ${loss}, gradient norm ${gradNorm}`);
    if (this.#progress.failures < limit) return;
    throw new AnnealError(
      'ANNEAL_E_TRAIN',
      `loss or gradients were not finite ${limit} steps in a row, received loss ${loss} at step ${step}${await this.#offenders(micros, progress)}`,
      {
        path: ['stages', ctx.stage, 'train'],
        fix: `lower \`train.learningRate\` (now ${ctx.config.learningRate ?? 5e-4}), raise \`train.warmupRatio\`, or look for extreme values in the data`,
      },
    );
  }

  /** Which gradients are not finite, in words; computed anew, as a step does not keep them. */
  async #offenders(micros: readonly Micro[], progress: StepProgress): Promise<string> {
    const { ctx, trainable } = this.#request;
    for (const [i, { batch }] of micros.entries()) {
      const compiled = await this.#programs.get('diagnosis', batch.length);
      const result = await compiled.program.run(this.#programs.feeds(compiled, batch, progress, ctx.seed, i));
      const finite = result[RESULT.finite]?.data ?? [];
      const names = [...trainable].filter((_, at) => !Number.isFinite(Number(finite[at])));
      if (names.length > 0) {
        return `; of ${trainable.size} gradients ${names.length} are not finite, the first that of "${names[0]}"`;
      }
    }
    return '; all gradients are finite';
  }

  #zeroGradients(): Record<string, TensorData> {
    const entries = [...this.#source.trainable].map((name) => {
      const shape = this.#source.model.graph.parameters.get(name)?.data.shape ?? [];
      return [stateName.gradient(name), zeros('float32', shape)] as const;
    });
    return Object.fromEntries(entries);
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
    // Gradients are zero between steps.
    const names = this.#state.names.filter((name) => !name.startsWith(stateName.gradient('')));
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

function sourceOf({ ctx, hooks, task, specs, optimizer, trainable }: TrainRequest): StepSource {
  const { config, model, stage } = ctx;
  return {
    stage,
    model,
    task,
    hooks,
    specs,
    trainable,
    optimizer,
    weightDecay: config.weightDecay ?? 0.01,
    maxGradNorm: config.maxGradNorm ?? 1,
    emaDecay: config.emaDecay,
  };
}

function scalarOf(tensors: Readonly<Record<string, TensorData>>, name: string): number {
  return Number(tensors[name]?.data[0] ?? Number.NaN);
}
