import {
  type Backend,
  type BackendState,
  loadTensor,
  type Program,
  tensor,
  type TensorData,
  withParameters,
  zeros,
} from '@anneal/graph';

import { chooseBuckets, type BatchPlan, collate, type FeatureSpec, lengthOf, planBatches } from '../data/batches.ts';
import type { Batch, Sample } from '../data/types.ts';
import { AnnealError } from '../errors/error.ts';
import type { CallableHooks } from '../hooks/create.ts';
import type { TrainContext } from '../hooks/types.ts';
import type { Model } from '../model.ts';
import { random } from '../random.ts';
import type { Metrics, Task } from '../task.ts';
import type { Checkpoint, CheckpointStore } from './checkpoint.ts';
import { draw } from './draw.ts';
import { compileForward, evaluateSamples } from './forward.ts';
import { learningRate } from './schedules.ts';
import {
  FEED,
  RESULT,
  stateName,
  stateShapes,
  type StepProgram,
  type StepSource,
  traceAccumulate,
  traceApply,
  traceStep,
} from './step-graph.ts';
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

/** What changes while training: the part of a run that a checkpoint holds besides the tensors. */
interface Progress {
  step: number;
  epoch: number;
  /** Batches of the epoch that are done. */
  batch: number;
  tokens: number;
  seconds: number;
  skipped: number;
  evaluationsWithoutGain: number;
  best: { step: number; value: number } | undefined;
  curve: TrainPoint[];
  validation: { step: number; metrics: Record<string, number> }[];
  stoppedEarly: boolean;
}

/** A program of the step with what the host feeds it. */
interface Compiled extends StepProgram {
  readonly program: Program;
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

class Engine {
  readonly #request: TrainRequest;
  readonly #backend: Backend;
  readonly #state: BackendState;
  readonly #source: StepSource;
  readonly #progress: Progress;
  readonly #programs = new Map<string, Compiled>();
  readonly #buckets: readonly number[];
  readonly #lengths: readonly (number | undefined)[];
  readonly #batchSize: number;
  readonly #accumulation: number;
  readonly #totalSteps: number;
  readonly #rate: (progress: StepProgress) => number;
  #best: Record<string, TensorData> | undefined;
  #compileSeconds = 0;
  #failures = 0;
  #forward: Program | undefined;

  constructor(request: TrainRequest, backend: Backend, state: BackendState, resumed: Checkpoint<Progress> | undefined) {
    const { ctx, hooks, task, specs, optimizer, trainable } = request;
    const { config, model } = ctx;
    this.#request = request;
    this.#backend = backend;
    this.#state = state;
    this.#source = {
      stage: ctx.stage,
      model,
      task,
      hooks,
      specs,
      trainable,
      optimizer,
      weightDecay: config.weightDecay ?? 0.01,
      maxGradNorm: config.maxGradNorm ?? 1,
    };
    this.#batchSize = config.batchSize ?? 32;
    this.#accumulation = config.gradientAccumulationSteps ?? 1;
    this.#lengths = request.samples.map((sample) => lengthOf(sample, specs));
    const known = this.#lengths.filter((length) => length !== undefined);
    this.#buckets = config.lengthBuckets?.toSorted((a, b) => a - b) ?? chooseBuckets(known, request.maxLength);
    const steps = Math.ceil(this.#plan(0).length / this.#accumulation) * (config.epochs ?? 3);
    this.#totalSteps = Math.min(config.maxSteps ?? Number.POSITIVE_INFINITY, Math.max(1, Math.round(steps)));
    this.#rate = learningRate(config);
    this.#progress = resumed?.progress ?? {
      step: 0,
      epoch: 0,
      batch: 0,
      tokens: 0,
      seconds: 0,
      skipped: 0,
      evaluationsWithoutGain: 0,
      best: undefined,
      curve: [],
      validation: [],
      stoppedEarly: false,
    };
    this.#best = resumed?.best;
  }

  /** Places weights and optimizer state with the backend, from the checkpoint when there is one. */
  static async open(request: TrainRequest, backend: Backend): Promise<Engine> {
    const { ctx, optimizer, trainable, checkpoints } = request;
    const resumed = await checkpoints.read<Progress>();
    const tensors: Record<string, TensorData> = {};
    for (const name of trainable) {
      const parameter = ctx.model.graph.parameters.get(name);
      if (parameter === undefined) throw new AnnealError('ANNEAL_E_MODEL', `the model has no parameter "${name}"`);
      tensors[stateName.parameter(name)] = await loadTensor(parameter.data);
    }
    const accumulate = (ctx.config.gradientAccumulationSteps ?? 1) > 1;
    const shapes = stateShapes({ model: ctx.model, trainable, optimizer } as StepSource, accumulate);
    for (const [name, shape] of shapes) tensors[name] = zeros('float32', shape);
    if (resumed !== undefined) {
      Object.assign(tensors, resumed.state);
      ctx.logger.info(`resuming at step ${resumed.progress.step} from the checkpoint`);
    }
    return new Engine(request, backend, await backend.createState(tensors), resumed);
  }

  async run(): Promise<{ model: Model; report: TrainReport }> {
    const { ctx } = this.#request;
    const bar = ctx.progress(`train ${ctx.stage}`, this.#totalSteps);
    const state = this.#progress;
    bar.update(state.step);
    try {
      while (state.step < this.#totalSteps && !state.stoppedEarly) {
        const plan = this.#plan(state.epoch);
        while (state.batch < plan.length && state.step < this.#totalSteps) {
          await this.#stopIfAborted();
          const point = await this.#step(plan.slice(state.batch, state.batch + this.#accumulation));
          bar.update(state.step, `loss ${point.loss.toFixed(4)}`);
          if (state.step % (ctx.config.saveSteps ?? 200) === 0) await this.#save();
        }
        state.epoch++;
        state.batch = 0;
        await this.#evaluate();
        await this.#save();
      }
    } finally {
      bar.done();
    }
    return { model: await this.#trained(), report: this.#report() };
  }

  async close(): Promise<void> {
    for (const { program } of this.#programs.values()) await program.dispose();
    await this.#forward?.dispose();
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
    const batches = plans.map(({ indices, length }) =>
      collate(
        indices.map((i) => samples[i] as Sample),
        specs,
        { size: this.#batchSize, length },
      ),
    );
    const progress: StepProgress = { step: state.step, totalSteps: this.#totalSteps, epoch: state.epoch };
    const rate = this.#rate(progress);
    const rows = batches.reduce((sum, batch) => sum + batch.rows.length, 0);
    const common = {
      [FEED.learningRate]: tensor('float32', [], [rate]),
      [FEED.step]: tensor('float32', [], [state.step + 1 - state.skipped]),
    };
    const accumulate = this.#accumulation > 1;
    let loss = 0;
    let gradNorm = 0;
    // Compiling is not training: programs are made before the clock starts.
    const compiled = [];
    for (const batch of batches) compiled.push(await this.#program(accumulate ? 'accumulate' : 'step', batch.length));
    const apply = accumulate ? await this.#program('apply', undefined) : undefined;
    const start = performance.now();
    for (const [i, batch] of batches.entries()) {
      const one = compiled[i] as Compiled;
      const share = batch.rows.length / rows;
      const feeds = {
        ...this.#feeds(one, batch, progress, i),
        ...(accumulate ? { [FEED.lossWeight]: tensor('float32', [], [share]) } : common),
      };
      const result = await one.program.run(feeds);
      loss += share * scalarOf(result, RESULT.loss);
      if (!accumulate) gradNorm = scalarOf(result, RESULT.gradNorm);
      state.tokens += batch.tokens;
    }
    if (apply) gradNorm = scalarOf(await apply.program.run(common), RESULT.gradNorm);
    state.seconds += (performance.now() - start) / 1000;
    if (!Number.isFinite(gradNorm) || !Number.isFinite(loss)) await this.#skip(loss, gradNorm);
    else this.#failures = 0;
    const point: TrainPoint = { step: state.step, epoch: state.epoch, loss, learningRate: rate, gradNorm };
    if (Number.isFinite(loss)) state.curve.push(point);
    state.step++;
    state.batch += plans.length;
    onStep(point);
    hooks.train.onStep.call(point, ctx);
    return point;
  }

  #feeds(one: Compiled, batch: Batch, progress: StepProgress, micro: number): Record<string, TensorData> {
    const { ctx } = this.#request;
    const feeds: Record<string, TensorData> = { ...batch.tensors, [FEED.sampleWeights]: batch.sampleWeights };
    for (const [name, schedule] of one.scalars) {
      feeds[name] = tensor('float32', [], [typeof schedule === 'number' ? schedule : schedule(progress)]);
    }
    for (const [name, input] of one.randoms) {
      feeds[name] = draw(input, ctx.seed, ['step', ctx.stage, progress.step, micro, name]);
    }
    return feeds;
  }

  /** A step whose gradients are not finite changes nothing; too many in a row end the training. */
  async #skip(loss: number, gradNorm: number): Promise<void> {
    const { ctx } = this.#request;
    this.#progress.skipped++;
    this.#failures++;
    const limit = ctx.config.maxNonFiniteSteps ?? 5;
    if (this.#accumulation > 1) await this.#state.write(this.#zeroGradients());
    ctx.logger.warn(`Step ${this.#progress.step} skipped: loss ${loss}, gradient norm ${gradNorm}`);
    if (this.#failures < limit) return;
    throw new AnnealError(
      'ANNEAL_E_TRAIN',
      `loss or gradients were not finite ${limit} steps in a row, received loss ${loss} at step ${this.#progress.step}`,
      {
        fix: `lower \`train.learningRate\` (now ${ctx.config.learningRate ?? 5e-4}), raise \`train.warmupRatio\`, or look for extreme values in the data`,
      },
    );
  }

  #zeroGradients(): Record<string, TensorData> {
    const entries = [...this.#source.trainable].map((name) => {
      const shape = this.#source.model.graph.parameters.get(name)?.data.shape ?? [];
      return [stateName.gradient(name), zeros('float32', shape)] as const;
    });
    return Object.fromEntries(entries);
  }

  async #program(kind: 'step' | 'accumulate' | 'apply', length: number | undefined): Promise<Compiled> {
    const key = `${kind}:${length}`;
    const found = this.#programs.get(key);
    if (found) return found;
    const start = performance.now();
    const traced =
      kind === 'apply'
        ? traceApply(this.#source)
        : (kind === 'step' ? traceStep : traceAccumulate)(this.#source, this.#batchSize, length);
    const program = await this.#backend.compile(traced.graph, {
      purpose: 'training',
      state: this.#state,
      updates: traced.updates,
      // While accumulating there is no norm yet; a poisoned sum is noticed, and cleared, when it is applied.
      guard: kind === 'accumulate' ? undefined : RESULT.gradNorm,
      label: `${this.#source.stage}/${key}`,
    });
    const seconds = (performance.now() - start) / 1000;
    this.#compileSeconds += seconds;
    this.#request.ctx.logger.debug(`compiled ${key}: ${traced.graph.nodes.length} nodes in ${seconds.toFixed(2)} s`);
    const compiled: Compiled = { ...traced, program };
    this.#programs.set(key, compiled);
    return compiled;
  }

  async #evaluate(): Promise<void> {
    const { ctx, hooks, task, validation, specs, onMetrics, trainable } = this.#request;
    const state = this.#progress;
    if (validation.length === 0) return;
    this.#forward ??= await compileForward(this.#backend, ctx.model.graph, { state: this.#state, trainable });
    const evaluator = task.evaluator();
    await evaluateSamples(this.#forward, validation, evaluator, {
      specs,
      inputs: new Set(ctx.model.graph.inputs.keys()),
      batchSize: this.#request.evaluationBatchSize,
      signal: ctx.signal,
    });
    const metrics = evaluator.result({ intervals: false });
    onMetrics(metrics);
    state.validation.push({
      step: state.step,
      metrics: Object.fromEntries(Object.entries(metrics).map(([name, { value }]) => [name, value])),
    });
    const value = metrics[task.monitor.metric]?.value;
    if (value === undefined) {
      throw new AnnealError(
        'ANNEAL_E_MODEL',
        `the task's monitored metric \`${task.monitor.metric}\` is not among ${Object.keys(metrics).join(', ')}`,
      );
    }
    const sign = task.monitor.mode === 'max' ? 1 : -1;
    const gain = state.best === undefined ? Number.POSITIVE_INFINITY : sign * (value - state.best.value);
    if (gain > (ctx.config.earlyStopping?.minDelta ?? 0)) {
      state.best = { step: state.step, value };
      state.evaluationsWithoutGain = 0;
      if (ctx.config.loadBestModel ?? true) this.#best = await this.#state.read(this.#parameterStates());
    } else state.evaluationsWithoutGain++;
    const patience = ctx.config.earlyStopping?.patience;
    const answer = hooks.train.shouldStop.call(metrics, ctx);
    state.stoppedEarly = answer ?? (patience !== undefined && state.evaluationsWithoutGain >= patience);
  }

  #parameterStates(): string[] {
    return [...this.#source.trainable].map(stateName.parameter);
  }

  async #save(): Promise<void> {
    await this.#request.checkpoints.write<Progress>({
      progress: this.#progress,
      state: await this.#state.read(),
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
      {
        fix: 'run the same command again: it goes on from the checkpoint',
      },
    );
  }

  async #trained(): Promise<Model> {
    const { model } = this.#request.ctx;
    const tensors = this.#best ?? (await this.#state.read(this.#parameterStates()));
    return {
      ...model,
      graph: withParameters(model.graph, (name) => {
        const data = tensors[stateName.parameter(name)];
        return data && { data };
      }),
    };
  }

  #report(): TrainReport {
    const { ctx, task } = this.#request;
    const state = this.#progress;
    let total = 0;
    let trainableCount = 0;
    for (const [name, { data }] of ctx.model.graph.parameters) {
      const size = data.shape.reduce((a, b) => a * b, 1);
      total += size;
      if (this.#source.trainable.has(name)) trainableCount += size;
    }
    return {
      stage: ctx.stage,
      steps: state.step,
      epochs: state.epoch,
      trainableParameters: trainableCount,
      totalParameters: total,
      tokens: state.tokens,
      tokensPerSecond: state.seconds === 0 ? 0 : state.tokens / state.seconds,
      seconds: state.seconds,
      compileSeconds: this.#compileSeconds,
      skippedSteps: state.skipped,
      stoppedEarly: state.stoppedEarly,
      curve: state.curve,
      validation: state.validation,
      best: state.best && { step: state.best.step, metric: task.monitor.metric, value: state.best.value },
    };
  }
}

function scalarOf(tensors: Readonly<Record<string, TensorData>>, name: string): number {
  return Number(tensors[name]?.data[0] ?? Number.NaN);
}
