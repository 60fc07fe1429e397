import type { Backend, Parameter, Tensors, Value } from '@anneal/graph';

import type { Dataset, Row, Sample, SplitName } from '../data/types.ts';
import type { Model } from '../model.ts';
import type { Progress } from '../observe/progress.ts';
import type { Run } from '../run.ts';
import type { AuditSection, Report, VariantMetrics } from '../report/types.ts';
import type { Metrics, Task } from '../task.ts';
import type { LossContext, Optimizer, StepContext, TrainConfig, TrainPoint, TrainReport } from '../train/types.ts';
import type { Logger } from '../observe/logger.ts';

/** Where in a hook a tap runs: lower first, then in plugin order. @defaultValue `0` */
export interface TapOptions {
  /** Lower runs first. @defaultValue `0` */
  readonly stage?: number | undefined;
}

/**
 * The verb of a hook's name tells what a tap's return value means. `undefined` always means "no opinion, keep".
 *
 * | verb | kind | return value |
 * | --- | --- | --- |
 * | `resolveX` | bail | the first answer wins |
 * | `shouldX` | sync bail | the first boolean wins |
 * | `transformX` | waterfall | the replacement |
 * | `beforeX`, `afterX` | series | ignored, awaited in order |
 * | `onX` | sync | ignored |
 * | `auditX` | parallel | ignored; writes into the context |
 */
export type HookKind = 'bail' | 'sync-bail' | 'waterfall' | 'sync-waterfall' | 'series' | 'sync' | 'parallel';

type MaybePromise<T> = T | Promise<T>;
/** `void | undefined` accepts a function without return, and still rejects a promise on synchronous hooks. */
type Returned<R> = R | undefined | void;

/** Taps are asked in order until one answers. */
export interface BailHook<Args extends readonly unknown[], R> {
  /** How results are used. */
  readonly kind: 'bail';
  /** Adds a tap. */
  tap(fn: (...args: Args) => MaybePromise<Returned<R>>, options?: TapOptions): void;
}
/** Taps are asked in order until one answers, synchronously. */
export interface SyncBailHook<Args extends readonly unknown[], R> {
  /** How results are used. */
  readonly kind: 'sync-bail';
  /** Adds a tap. */
  tap(fn: (...args: Args) => Returned<R>, options?: TapOptions): void;
}
/** Each tap gets what the one before returned. */
export interface WaterfallHook<T, Context> {
  /** How results are used. */
  readonly kind: 'waterfall';
  /** Adds a tap. */
  tap(fn: (value: T, ctx: Context) => MaybePromise<Returned<T>>, options?: TapOptions): void;
}
/** Each tap gets what the one before returned, synchronously. */
export interface SyncWaterfallHook<T, Context> {
  /** How results are used. */
  readonly kind: 'sync-waterfall';
  /** Adds a tap. */
  tap(fn: (value: T, ctx: Context) => Returned<T>, options?: TapOptions): void;
}
/** Taps are awaited one after the other. */
export interface SeriesHook<Args extends readonly unknown[]> {
  /** How results are used. */
  readonly kind: 'series';
  /** Adds a tap. */
  tap(fn: (...args: Args) => MaybePromise<void>, options?: TapOptions): void;
}
/** Taps are told, synchronously. */
export interface SyncHook<Args extends readonly unknown[]> {
  /** How results are used. */
  readonly kind: 'sync';
  /** Adds a tap. */
  tap(fn: (...args: Args) => undefined | void, options?: TapOptions): void;
}
/** Taps run at the same time. */
export interface ParallelHook<Args extends readonly unknown[]> {
  /** How results are used. */
  readonly kind: 'parallel';
  /** Adds a tap. */
  tap(fn: (...args: Args) => MaybePromise<void>, options?: TapOptions): void;
}

/** What every phase offers to its taps. */
export interface PhaseContext {
  /** The execution that this phase belongs to; key of `api.state`. */
  readonly run: Run;
  /** Name of the stage. */
  readonly stage: string;
  /** Absolute folder of the config. */
  readonly root: string;
  /** Seed of the run: derive what is random with `random(seed, …)`. */
  readonly seed: number;
  /** Speaks in the name of the phase. */
  readonly logger: Logger;
  /** Aborted by Ctrl-C or by the program that embeds the pipeline; long taps look at it. */
  readonly signal: AbortSignal;
  /** A progress bar; `done()` it. */
  progress(label: string, total?: number): Progress;
  /** The backend of this run, opened at first use. */
  backend(): Promise<Backend>;
}

/** What the data hooks get. */
export type DataContext = PhaseContext;

export interface ModelContext extends PhaseContext {
  /** The rows that this stage uses. */
  readonly dataset: Dataset;
  /** What the model is for. */
  readonly task: Task;
}

export interface TrainContext extends ModelContext {
  /** Training options with their defaults. */
  readonly config: TrainConfig;
  /** The model that is trained. */
  readonly model: Model;
}

export interface CompressContext extends ModelContext {
  /** Runs the given rows (default: up to 64 training rows) through a model: for calibration and comparisons. */
  predict(model: Model, rows?: readonly Row[]): Promise<readonly Tensors[]>;
  /** What the `compress.shouldCompress` taps say of a weight; `true` when none has an opinion. */
  mayCompress(name: string, parameter: Parameter): boolean;
}

export interface EvaluateContext extends ModelContext {
  /** The model that is shipped: compressed, when something compresses. */
  readonly model: Model;
  /** The trained model at full precision. */
  readonly reference: Model;
  /** Task outputs for rows that were changed or made up, in order, e.g. counterfactuals. */
  predict(rows: readonly Row[], variant?: 'model' | 'reference'): Promise<readonly Tensors[]>;
  /** The rows that are measured. */
  readonly split: readonly Row[];
}

/** Sections of an audit by name. */
export type AuditReport = (name: string, section: AuditSection) => void;

export interface EmitContext extends ModelContext {
  /** The model that is shipped. */
  readonly model: Model;
  /** The trained model at full precision. */
  readonly reference: Model;
  /** The model as trained, before anything was folded: adapters are still separate. */
  readonly trained: Model;
  /** What the build measured. */
  readonly report: Report;
  /** Absolute folder of the result. */
  readonly outDir: string;
  /** Writes a file below `outDir`; the whole folder appears at once when all is written. */
  write(path: string, data: Uint8Array | string): Promise<void>;
}

/** Stages of `compress.transformModel`, each with what is true after it. */
export const STAGE: {
  /** Adapters and batch norms are part of the weights; outputs are unchanged, which is checked. */
  readonly FOLD: -2000;
  /** Constants are folded, dead nodes gone; outputs are unchanged, which is checked. */
  readonly SIMPLIFY: -1000;
  /** Weights may be zero or removed. */
  readonly PRUNE: -200;
  /** Taps that say nothing. */
  readonly DEFAULT: 0;
  /** Weights may no longer be float. */
  readonly QUANTIZE: 400;
  /** Operators are fused for execution. */
  readonly FUSE: 700;
} = { FOLD: -2000, SIMPLIFY: -1000, PRUNE: -200, DEFAULT: 0, QUANTIZE: 400, FUSE: 700 };

/** All hooks, by phase. */
export interface Hooks {
  /** The run as a whole. */
  readonly pipeline: {
    /** After a run that succeeded. */
    readonly afterRun: SeriesHook<[run: Run]>;
    /** After a run that failed or was stopped. */
    readonly onFail: SyncHook<[error: unknown, run: Run]>;
  };
  /** Where rows come from and what they are for. */
  readonly data: {
    /** Where rows come from. */
    readonly resolveDataset: BailHook<[ctx: DataContext], Dataset>;
    /** Cleaning, dropping, splitting, augmenting. */
    readonly transformDataset: WaterfallHook<Dataset, DataContext>;
    /** The dataset is final: train a vocabulary, fit a scaler. Results that later phases need go to `run.artifacts`. */
    readonly afterDataset: SeriesHook<[dataset: Dataset, ctx: DataContext]>;
    /** What the model is for. */
    readonly resolveTask: BailHook<[dataset: Dataset, ctx: DataContext], Task>;
    /** A row becomes features, e.g. `input_ids`. Runs for every row of every later phase; synchronous and pure. */
    readonly transformSample: SyncWaterfallHook<Sample, SampleContext>;
    /** Looks at the final dataset and writes a section of the report. */
    readonly auditDataset: ParallelHook<[dataset: Dataset, report: AuditReport, ctx: DataContext]>;
  };
  /** From nothing, or from an earlier stage, to the model that is trained. */
  readonly model: {
    /** Builds or loads the model of a stage that starts from none. */
    readonly resolveModel: BailHook<[ctx: ModelContext], Model>;
    /** Surgery: adapters, fake quantisation, new heads. */
    readonly transformModel: WaterfallHook<Model, ModelContext>;
    /** The model is final. */
    readonly afterModel: SeriesHook<[model: Model, ctx: ModelContext]>;
  };
  /** Training, and what its step computes. */
  readonly train: {
    /** Before anything is traced or compiled: the place for what is asynchronous. */
    readonly beforeTrain: SeriesHook<[ctx: TrainContext]>;
    /** Whether a parameter is trained; `undefined` leaves it to the parameter's own `trainable`. */
    readonly shouldTrain: SyncBailHook<[name: string, parameter: Parameter, ctx: TrainContext], boolean>;
    /** The update rule of an optimizer that the config names. */
    readonly resolveOptimizer: BailHook<[name: string, ctx: TrainContext], Optimizer>;
    /** Traced: the model's inputs, by name. */
    readonly transformInputs: SyncWaterfallHook<Readonly<Record<string, Value>>, StepContext>;
    /** Traced: the model's outputs, by name. */
    readonly transformOutputs: SyncWaterfallHook<Readonly<Record<string, Value>>, StepContext>;
    /** Traced: what the loss compares with. */
    readonly transformTargets: SyncWaterfallHook<Value, StepContext>;
    /** Traced: the scalar loss. Another one in its place is a mean weighted by `sampleWeights`, as the task's is. */
    readonly transformLoss: SyncWaterfallHook<Value, LossContext>;
    /** Traced: gradients by parameter name, before the optimizer. */
    readonly transformGradients: SyncWaterfallHook<ReadonlyMap<string, Value>, StepContext>;
    /** After every optimizer step. */
    readonly onStep: SyncHook<[point: TrainPoint, ctx: TrainContext]>;
    /** After every evaluation on the validation split; the first boolean decides. */
    readonly shouldStop: SyncBailHook<[metrics: Metrics, ctx: TrainContext], boolean>;
    /** The trained weights are in the model. */
    readonly afterTrain: SeriesHook<[model: Model, report: TrainReport, ctx: TrainContext]>;
  };
  /** From the trained model to a smaller one. */
  readonly compress: {
    /** Before the first transformation, e.g. to collect what calibration needs. */
    readonly beforeCompress: SeriesHook<[model: Model, ctx: CompressContext]>;
    /** Whether a weight may be compressed; the first boolean decides. */
    readonly shouldCompress: SyncBailHook<[name: string, parameter: Parameter, ctx: CompressContext], boolean>;
    /** See {@link STAGE} for the order. */
    readonly transformModel: WaterfallHook<Model, CompressContext>;
    /** The model that is shipped is final. */
    readonly afterCompress: SeriesHook<[model: Model, ctx: CompressContext]>;
  };
  /** What the models are worth, on the test split. */
  readonly evaluate: {
    /** Adds or changes what was measured of a variant. */
    readonly transformMetrics: WaterfallHook<VariantMetrics, EvaluateContext>;
    /** Asks the model and writes a section of the report; gates can name its metrics. */
    readonly auditModel: ParallelHook<[ctx: EvaluateContext, report: AuditReport]>;
    /** A simple method on the same splits, to compare with: metrics by name of the method. */
    readonly resolveBaseline: BailHook<[ctx: EvaluateContext], Readonly<Record<string, Metrics>>>;
  };
  /** Writing the result. */
  readonly emit: {
    /** Writes files of the result. */
    readonly emit: SeriesHook<[ctx: EmitContext]>;
    /** The folder is in place. */
    readonly afterEmit: SeriesHook<[ctx: EmitContext]>;
  };
}

/**
 * Hooks that plugins have for others, by the name of the plugin. Empty here: a plugin adds its own, and whoever taps them
 * imports its types.
 *
 * ```ts
 * declare module '@anneal/core' {
 *   interface PluginHooks {
 *     prune: { readonly shouldPrune: SyncBailHook<[name: string], boolean> };
 *   }
 * }
 * ```
 */
// An interface, as a type could not be added to.
// eslint-disable-next-line typescript/no-empty-interface, typescript/no-empty-object-type
export interface PluginHooks {}

/** What `transformSample` taps know. */
export interface SampleContext {
  /** The execution that the row is prepared for. */
  readonly run: Run;
  /** What the model is for. */
  readonly task: Task;
  /** The row's split; `undefined` for rows of a user or of an audit. */
  readonly split: SplitName | undefined;
  /** Longest sequence that the model or the training takes. */
  readonly maxLength: number;
}

/** The hooks as plugins see them: only `tap`. */
export type Scoped<H> = { readonly [G in keyof H]: ScopedGroup<H[G]> };
/** The hooks of one group as plugins see them. */
export type ScopedGroup<G> = { readonly [K in keyof G]: Pick<Tappable<G[K]>, 'tap'> };
type Tappable<T> = T extends { tap: unknown } ? T : never;
