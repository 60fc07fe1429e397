import type { Backend, Tensors } from '@anneal/graph';

import type { Artifacts } from '../artifacts.ts';
import { validateWith } from '../config/issues.ts';
import { trainSchema } from '../config/schema.ts';
import type { ResolvedConfig, ResolvedStage } from '../config/types.ts';
import type { Dataset, Row } from '../data/types.ts';
import { AnnealError } from '../errors/error.ts';
import { throwAll } from '../errors/throw-all.ts';
import type { ModelContext } from '../hooks/types.ts';
import type { Model } from '../model.ts';
import type { RunEvent } from '../observe/events.ts';
import { createLogger } from '../observe/logger.ts';
import { definePlugin } from '../plugin/define.ts';
import type { OptionSchema, Plugin, PluginFactory } from '../plugin/types.ts';
import type { Metrics, Task } from '../task.ts';
import type { CheckpointStore } from '../train/checkpoint.ts';
import { Evaluation } from '../train/evaluation.ts';
import type { TrainConfig, TrainReport } from '../train/types.ts';
import { RunScope } from './context.ts';
import { dataPhase, modelPhase, resolveTask, trainPhase } from './phases.ts';
import { openPredictor, type Predictor } from './predict.ts';
import { encodingOf } from './samples.ts';
import { setupStage, type StageSetup } from './setup.ts';

/** What {@link openStage} takes. */
export interface StageOptions {
  /** As in a config, in order. */
  readonly plugins: readonly Plugin[];
  /** Runs everything; the caller closes it. */
  readonly backend: Backend;
  /** The rows, where no plugin gives them. */
  readonly dataset?: Dataset | undefined;
  /** What an earlier stage ended with; its artifacts are taken over. A plugin builds or loads a model when absent. */
  readonly from?: Partial<Pick<Stage, 'model' | 'artifacts'>> | undefined;
  /** @defaultValue that of a build */
  readonly train?: TrainConfig | undefined;
  /** Of the stage, in messages and as part of what is random. @defaultValue `'main'` */
  readonly name?: string | undefined;
  /** Where relative paths in options start: an absolute folder; in a page a URL. @defaultValue `'/'` */
  readonly root?: string | undefined;
  /** Of everything random. @defaultValue `0` */
  readonly seed?: number | undefined;
  /** Stops training and predictions. */
  readonly signal?: AbortSignal | undefined;
  /** Hears what a run tells. */
  readonly onEvent?: ((event: RunEvent) => void) | undefined;
}

/** A stage in memory; made by {@link openStage}. */
export interface Stage {
  /** What the model is for. */
  readonly task: Task;
  /** As built or loaded; after `train` the trained one. */
  readonly model: Model;
  /** The rows, by split, as all plugins left them. */
  readonly dataset: Dataset;
  /** What plugins keep for later phases: a tokenizer, class names. */
  readonly artifacts: Artifacts;
  /**
   * Trains the model.
   *
   * @throws AnnealError `ANNEAL_E_ABORTED` when the signal stops it: the model is then what it was before.
   */
  train(): Promise<TrainReport>;
  /** What the task measures of the model on rows with targets. */
  evaluate(rows: readonly Row[]): Promise<Metrics>;
  /** The model's outputs for each row. */
  predict(rows: readonly Row[]): Promise<readonly Tensors[]>;
  /** Frees what is compiled for predictions. */
  close(): Promise<void>;
}

/**
 * One stage up to its trained model, without files: no cache, no checkpoints, nothing emitted. It is what a page trains
 * with, and a program that keeps results itself; the same plugins, data, options and seed train as in a build.
 *
 * ```ts
 * const stage = await openStage({ plugins: [tokenizer(), transformer(), textClassification()], dataset, backend });
 * const { curve } = await stage.train();
 * const { accuracy } = await stage.evaluate(dataset.splits.test);
 * ```
 *
 * @throws AnnealError for options that are not valid, and whatever the phases `data` and `model` throw.
 */
export async function openStage(options: StageOptions): Promise<Stage> {
  const { backend, dataset, from, train = {}, signal, onEvent = () => undefined } = options;
  await checkTrain(train);
  const plugins = dataset === undefined ? options.plugins : [given({ dataset }), ...options.plugins];
  const stage: ResolvedStage = {
    name: options.name ?? 'main',
    from: undefined,
    plugins,
    data: {},
    train,
    evaluate: false,
    emit: false,
  };
  const scope = new RunScope({
    id: stage.name,
    config: configOf(options, stage),
    signal: signal ?? new AbortController().signal,
    emit: onEvent,
    open: () => Promise.resolve(backend),
  });
  for (const [name, data] of from?.artifacts?.entries() ?? []) scope.run.artifacts.set(name, data);
  const logger = createLogger((entry) => {
    onEvent({ type: 'log', entry });
  });
  const setup = await setupStage(scope.run.config, stage, { logger });
  const data = await dataPhase(setup, scope);
  const task = await resolveTask(setup, scope, data.dataset);
  const base: ModelContext = { ...scope.context(stage.name), dataset: data.dataset, task };
  return new OpenStage({ setup, scope, base, backend }, await modelPhase(setup, base, from?.model));
}

interface StageParts {
  readonly setup: StageSetup;
  readonly scope: RunScope;
  readonly base: ModelContext;
  readonly backend: Backend;
}

class OpenStage implements Stage {
  readonly #parts: StageParts;
  #model: Model;
  /** For predictions with the model as it is. */
  #predictor: Promise<Predictor> | undefined;

  constructor(parts: StageParts, model: Model) {
    this.#parts = parts;
    this.#model = model;
  }

  get model(): Model {
    return this.#model;
  }

  get task(): Task {
    return this.#parts.base.task;
  }

  get dataset(): Dataset {
    return this.#parts.base.dataset;
  }

  get artifacts(): Artifacts {
    return this.#parts.scope.run.artifacts;
  }

  async train(): Promise<TrainReport> {
    const { setup, scope, base } = this.#parts;
    const { model, report } = await trainPhase(setup, scope, base, this.#model, NO_CHECKPOINTS);
    await this.close();
    this.#model = model;
    return report as TrainReport;
  }

  async evaluate(rows: readonly Row[]): Promise<Metrics> {
    const { setup, scope, backend } = this.#parts;
    const { task } = this;
    const { train } = setup.stage;
    const encoding = encodingOf(this.#model, task, setup.registry.hooks, scope.run, {
      maxLength: train === false ? undefined : train.maxLength,
      targets: true,
    });
    const evaluation = new Evaluation({
      backend,
      graph: this.#model.graph,
      task,
      specs: encoding.specs,
      batchSize: scope.run.config.evaluate.batchSize,
      maxLength: encoding.maxLength,
    });
    const evaluator = task.evaluator();
    try {
      const samples = encoding.encode(rows, undefined, { targets: true });
      await evaluation.run(samples, evaluator, { signal: scope.run.signal });
      return evaluator.result({ intervals: true });
    } finally {
      await evaluation.dispose();
    }
  }

  async predict(rows: readonly Row[]): Promise<readonly Tensors[]> {
    const { setup, scope, backend } = this.#parts;
    this.#predictor ??= openPredictor(backend, this.#model, this.task, setup, scope.run);
    return (await this.#predictor).predict(rows);
  }

  async close(): Promise<void> {
    const predictor = await this.#predictor?.catch(() => undefined);
    this.#predictor = undefined;
    await predictor?.program.dispose();
  }
}

/** Training that is stopped is not resumed: there is nowhere to keep what it had. */
const NO_CHECKPOINTS: CheckpointStore = {
  read: () => Promise.resolve(undefined),
  write: () => Promise.resolve(),
  remove: () => Promise.resolve(),
};

/** Answers with the rows of the caller. */
const given: PluginFactory<{ readonly dataset: Dataset }> = definePlugin({
  name: 'anneal:dataset',
  options: {
    '~standard': { version: 1, vendor: 'anneal', validate: (value) => ({ value: value as { dataset: Dataset } }) },
  } satisfies OptionSchema<{ readonly dataset: Dataset }>,
  setup: (api, { dataset }) => {
    api.hooks.data.resolveDataset.tap(() => dataset);
  },
});

function configOf({ backend, root = '/', seed = 0 }: StageOptions, stage: ResolvedStage): ResolvedConfig {
  return {
    name: stage.name,
    root,
    file: undefined,
    mode: 'production',
    stages: [stage],
    gates: {},
    evaluate: { batchSize: 32, latencyRuns: 200 },
    backend: () => Promise.resolve(backend),
    device: backend.info.device,
    threads: backend.info.threads,
    seed,
    outDir: root,
    cacheDir: root,
    cache: { maxBytes: 0, remote: undefined },
    layers: [],
  };
}

/** @throws AnnealError `ANNEAL_E_CONFIG` with everything that is wrong. */
async function checkTrain(train: TrainConfig): Promise<void> {
  const result = await validateWith(trainSchema, train, { noun: 'option' });
  if ('value' in result) return;
  throwAll(
    result.problems.map(
      ({ message, path, fix }) => new AnnealError('ANNEAL_E_CONFIG', message, { path: ['train', ...path], fix }),
    ),
  );
}
