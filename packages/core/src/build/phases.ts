import type { Tensors } from '@anneal/graph';

import type { Dataset, Row } from '../data/types.ts';
import { AnnealError } from '../errors/error.ts';
import { show } from '../errors/show.ts';
import type { CompressContext, ModelContext, TrainContext } from '../hooks/types.ts';
import type { Model } from '../model.ts';
import { random } from '../random.ts';
import type { AuditSection, HonestyCheck } from '../report/types.ts';
import type { Task } from '../task.ts';
import type { CheckpointStore } from '../train/checkpoint.ts';
import { train } from '../train/engine.ts';
import { builtinOptimizer, optimizerNames } from '../train/optimizers.ts';
import { trainedParameters } from '../train/parameters.ts';
import { foresee, type Training, type TrainingForecast } from '../train/training.ts';
import type { Optimizer, TrainReport } from '../train/types.ts';
import { compareOutputs } from './compare.ts';
import type { RunScope } from './context.ts';
import { openPredictor, type Predictor } from './predict.ts';
import { encodingOf, maxLengthOf, rowsWithin, selectRows } from './samples.ts';
import type { StageSetup } from './setup.ts';

export interface DataResult {
  readonly dataset: Dataset;
  readonly audit: Readonly<Record<string, AuditSection>>;
}

export interface TrainResult {
  readonly model: Model;
  /** `undefined` when the stage does not train. */
  readonly report: TrainReport | undefined;
}

export interface CompressResult {
  /** Full precision: trained, lossless rewrites applied. */
  readonly reference: Model;
  /** `undefined` when nothing lossy took part. */
  readonly compressed: Model | undefined;
  readonly checks: readonly HonestyCheck[];
}

/** Rows come in, are cleaned and split, and what is learned from them (a vocabulary) is kept as artifacts. */
export async function dataPhase(setup: StageSetup, scope: RunScope): Promise<DataResult> {
  const { hooks } = setup.registry;
  const ctx = scope.context(setup.stage.name);
  const loaded = await hooks.data.resolveDataset.promise(ctx);
  if (loaded === undefined) {
    throw new AnnealError('ANNEAL_E_UNANSWERED', 'no plugin gives a dataset (`data.resolveDataset`)', {
      fix: 'add a data plugin, e.g. `textData({ sources: [...] })` of @anneal/plugin-text-data',
    });
  }
  const dataset = await hooks.data.transformDataset.promise(loaded, ctx);
  if (!isDataset(dataset)) {
    throw new AnnealError('ANNEAL_E_DATA', `expected a dataset with rows by split, received ${show(dataset)}`, {
      fix: 'return `{ splits: { train: [...] }, report: {...} }` from `data.resolveDataset` and `data.transformDataset`',
    });
  }
  for (const [split, rows] of Object.entries(dataset.splits)) {
    if (rows.length === 0) throw new AnnealError('ANNEAL_E_DATA', `split "${split}" is empty`);
  }
  if (dataset.splits['train'] === undefined) {
    throw new AnnealError(
      'ANNEAL_E_DATA',
      `the dataset has no split "train", received ${Object.keys(dataset.splits).join(', ') || 'none'}`,
    );
  }
  await hooks.data.afterDataset.promise(dataset, ctx);
  const audit: Record<string, AuditSection> = {};
  await hooks.data.auditDataset.promise(
    dataset,
    (name, section) => {
      audit[name] = section;
    },
    ctx,
  );
  return { dataset, audit };
}

function isDataset(value: unknown): value is Dataset {
  const splits = (value as { splits?: unknown } | null)?.splits;
  return typeof splits === 'object' && splits !== null && Object.values(splits).every(Array.isArray);
}

/** @throws AnnealError `ANNEAL_E_DATA` when there is nothing to evaluate on. */
export function checkTestSplit({ splits }: Dataset): readonly Row[] {
  const split = splits['test'];
  if (split !== undefined) return split;
  throw new AnnealError(
    'ANNEAL_E_DATA',
    `the dataset has no split "test" to evaluate on, received ${Object.keys(splits).join(', ')}`,
    { fix: 'let the data plugin make one, or set `evaluate: false` of the stage' },
  );
}

/** The task of a stage: cheap, so it is asked anew rather than cached. */
export async function resolveTask(setup: StageSetup, scope: RunScope, dataset: Dataset): Promise<Task> {
  const task = await setup.registry.hooks.data.resolveTask.promise(dataset, scope.context(setup.stage.name));
  if (task === undefined) {
    throw new AnnealError('ANNEAL_E_UNANSWERED', 'no plugin says what the model is for (`data.resolveTask`)', {
      fix: 'add a task plugin, e.g. `textClassification()` of @anneal/plugin-text-classification',
    });
  }
  return task;
}

/** A model is built, loaded, or taken from an earlier stage, and changed by surgery. */
export async function modelPhase(setup: StageSetup, ctx: ModelContext, from: Model | undefined): Promise<Model> {
  const { hooks } = setup.registry;
  const start = from ?? (await hooks.model.resolveModel.promise(ctx));
  if (start === undefined) {
    throw new AnnealError('ANNEAL_E_UNANSWERED', 'no plugin gives a model (`model.resolveModel`)', {
      fix: 'add a model plugin, e.g. `transformer()` of @anneal/plugin-transformer, or set `from` of the stage',
    });
  }
  const model = await hooks.model.transformModel.promise(start, ctx);
  await hooks.model.afterModel.promise(model, ctx);
  return model;
}

export async function trainPhase(
  setup: StageSetup,
  scope: RunScope,
  base: ModelContext,
  model: Model,
  checkpoints: CheckpointStore,
): Promise<TrainResult> {
  const { stage, registry } = setup;
  const { hooks } = registry;
  if (stage.train === false) return { model, report: undefined };
  const ctx: TrainContext = { ...base, config: stage.train, model };
  const parameters = trainedParameters(ctx, hooks);
  await hooks.train.beforeTrain.promise(ctx);
  const result = await train({
    ...(await trainingOf(setup, scope, ctx)),
    ...parameters,
    checkpoints,
    onStep: (point) => {
      scope.emit({ type: 'step', stage: stage.name, point });
    },
    onMetrics: (metrics) => {
      scope.emit({ type: 'metrics', stage: stage.name, split: 'validation', metrics });
    },
  });
  await hooks.train.afterTrain.promise(result.model, result.report, ctx);
  return result;
}

/** What the training of a stage would take; `undefined` when it does not train. Runs no step, and no `beforeTrain`. */
export async function foreseeTraining(
  setup: StageSetup,
  scope: RunScope,
  base: ModelContext,
  model: Model,
): Promise<TrainingForecast | undefined> {
  if (setup.stage.train === false) return undefined;
  const ctx: TrainContext = { ...base, config: setup.stage.train, model };
  return foresee({ ...(await trainingOf(setup, scope, ctx)), ...trainedParameters(ctx, setup.registry.hooks) });
}

/** The samples of a training and how they are fed. */
async function trainingOf(setup: StageSetup, scope: RunScope, ctx: TrainContext): Promise<Training> {
  const { stage, registry } = setup;
  const { hooks } = registry;
  const { dataset, task, seed, model, config } = ctx;
  const encoding = encodingOf(model, task, hooks, scope.run, { maxLength: config.maxLength, targets: true });
  const rowsOf = (split: 'train' | 'validation'): readonly Row[] =>
    selectRows(dataset.splits[split] ?? [], split, stage.data, stage.name, seed);
  return {
    ctx,
    hooks,
    task,
    optimizer: await optimizerOf(ctx, setup),
    specs: encoding.specs,
    samples: encoding.encode(rowsOf('train'), 'train', { targets: true }),
    validation: encoding.encode(rowsOf('validation'), 'validation', { targets: true }),
    maxLength: encoding.maxLength,
    evaluationBatchSize: scope.run.config.evaluate.batchSize,
  };
}

async function optimizerOf(ctx: TrainContext, setup: StageSetup): Promise<Optimizer> {
  const wanted = ctx.config.optimizer ?? 'adamw';
  const { name, ...options } = typeof wanted === 'string' ? { name: wanted } : wanted;
  const found =
    (await setup.registry.hooks.train.resolveOptimizer.promise(name, ctx)) ??
    builtinOptimizer(name, options as Readonly<Record<string, number | boolean>>);
  if (found === undefined) {
    throw new AnnealError('ANNEAL_E_CONFIG', `unknown optimizer ${JSON.stringify(name)}`, {
      path: ['stages', ctx.stage, 'train', 'optimizer'],
      fix: `use one of ${optimizerNames().join(', ')}, or add a plugin that offers it`,
    });
  }
  return found;
}

/** Rows that comparisons and calibration use. */
const PROBE_ROWS = 64;
/** Lossless rewrites may differ by float32 rounding only: relative to the largest output. */
const LOSSLESS_TOLERANCE = 1e-4;

export async function compressPhase(
  setup: StageSetup,
  scope: RunScope,
  base: ModelContext,
  trained: Model,
): Promise<CompressResult> {
  const { stage, registry, references } = setup;
  const { hooks } = registry;
  const maxLength = maxLengthOf(trained, stage.train === false ? undefined : stage.train.maxLength);
  const rows = probeRows(base, stage.name, rowsWithin(trained, maxLength, PROBE_ROWS));
  const predictors = new Map<Model, Promise<Predictor>>();
  const predict = async (model: Model, wanted: readonly Row[] = rows): Promise<readonly Tensors[]> => {
    let predictor = predictors.get(model);
    if (predictor === undefined) {
      predictor = openPredictor(await base.backend(), model, base.task, setup, scope.run);
      predictors.set(model, predictor);
    }
    return (await predictor).predict(wanted);
  };
  const ctx: CompressContext = {
    ...base,
    predict,
    mayCompress: (name, parameter) => hooks.compress.shouldCompress.call(name, parameter, ctx) ?? true,
  };
  try {
    await hooks.compress.beforeCompress.promise(trained, ctx);
    const final = await hooks.compress.transformModel.promise(trained, ctx);
    await hooks.compress.afterCompress.promise(final, ctx);
    const reference = references.get(scope.run) ?? trained;
    const checks: HonestyCheck[] = [];
    if (reference !== trained) checks.push(await checkLossless(predict, trained, reference));
    if (final !== reference) checks.push(await compareCompressed(predict, reference, final));
    return { reference, compressed: final === reference ? undefined : final, checks };
  } finally {
    for (const predictor of predictors.values()) await (await predictor.catch(() => undefined))?.program.dispose();
  }
}

function probeRows({ dataset, seed }: ModelContext, stage: string, count: number): readonly Row[] {
  const rows = dataset.splits['train'] ?? [];
  const order = random(seed, 'probe', stage).permutation(rows.length);
  return [...order.subarray(0, count)].map((i) => rows[i] as Row);
}

type Predict = (model: Model) => Promise<readonly Tensors[]>;

async function checkLossless(predict: Predict, trained: Model, reference: Model): Promise<HonestyCheck> {
  const { difference, scale, rows } = compareOutputs(await predict(trained), await predict(reference));
  const message = `largest change of an output ${difference.toExponential(1)} over ${rows} rows (largest output ${scale.toFixed(2)})`;
  if (!(difference <= LOSSLESS_TOLERANCE * Math.max(1, scale))) {
    throw new AnnealError('ANNEAL_E_EQUIVALENCE', `folding changed the model: ${message}`, {
      fix: 'a tap of `compress.transformModel` before `STAGE.PRUNE` must not change outputs; give lossy ones a later stage',
    });
  }
  return { name: 'folding is lossless', passed: true, message };
}

async function compareCompressed(predict: Predict, reference: Model, final: Model): Promise<HonestyCheck> {
  const { difference, scale, rows } = compareOutputs(await predict(reference), await predict(final));
  return {
    name: `${final.variant ?? 'compressed'} model against full precision`,
    passed: Number.isFinite(difference),
    message: `largest change of an output ${difference.toPrecision(2)} over ${rows} rows (largest output ${scale.toFixed(2)})`,
  };
}
