import type { Row } from './data/types.ts';
import type { Difference } from './build/explain.ts';
import type { PhaseName, RunEvent } from './observe/events.ts';
import type { Report } from './report/types.ts';
import type { Metrics } from './task.ts';

/** How a pipeline runs. */
export interface RunOptions {
  /** Stops the run: the checkpoint is written, the cache and the output folder stay whole. */
  readonly signal?: AbortSignal | undefined;
  /** Hears everything that the run tells. Must not throw. */
  readonly onEvent?: ((event: RunEvent) => void) | undefined;
  /** Stages to run, with those that they start from. @defaultValue all */
  readonly stages?: readonly string[] | undefined;
  /** Ignore cached results (they are still written). @defaultValue `false` */
  readonly force?: boolean | undefined;
}

/** What a run found. */
export interface RunResult {
  /** As written to `report.json`. */
  readonly report: Report;
  /** Absolute folder of the result; `undefined` when no stage of the run emits. */
  readonly outDir: string | undefined;
  /** Whether every gate was met. */
  readonly accepted: boolean;
}

/** A run that goes on: await it for the result, or listen to it. */
export interface RunHandle extends Promise<RunResult>, AsyncDisposable {
  /**
   * Everything that the run tells from this call on; at once after `run()`, from the start. The run does not wait for
   * listeners: of a progress bar a slow one gets the latest state, of all else every event. Ends with the run, and fails
   * with what the run fails with; leaving the loop ends nothing but the listening.
   *
   * ```ts
   * const run = pipeline.run();
   * for await (const event of run.events()) console.log(event.type);
   * const { report } = await run;
   * ```
   */
  events(): AsyncIterableIterator<RunEvent>;
  /** Stops the run, and waits until it has ended: `await using run = pipeline.run()`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** What one phase of one stage would do. */
export interface PlanEntry {
  /** Name of the stage. */
  readonly stage: string;
  /** What would be done. */
  readonly phase: PhaseName;
  /** Cache key, 64 hex digits. */
  readonly key: string;
  /** Whether the result is there already. */
  readonly cached: boolean;
  /** Why it would run, in words: the first input that changed, or what is missing. `undefined` when it would not. */
  readonly reason: string | undefined;
  /** Seconds that it would take; `undefined` when it would not run, and when nothing is known. */
  readonly seconds: Estimate | undefined;
  /** Most bytes that the process would have in memory. */
  readonly memory: Estimate | undefined;
  /** Plugins that take part. */
  readonly plugins: readonly string[];
}

/** A number that was not measured yet. */
export interface Estimate {
  /** In the unit of what is estimated. */
  readonly value: number;
  /** What it is based on: `the last run of this phase`. */
  readonly basis: string;
}

/** Why a phase would run or would not. */
export interface Explanation {
  /** Name of the stage. */
  readonly stage: string;
  /** The phase. */
  readonly phase: PhaseName;
  /** Cache key, 64 hex digits. */
  readonly key: string;
  /** Whether the result is there already. */
  readonly cached: boolean;
  /** The key's own parts by name; those of the phases before are in theirs. */
  readonly parts: Readonly<Record<string, string>>;
  /** What it was compared with: the most similar that was done before. */
  readonly compared: { readonly key: string; readonly at: Date; readonly cached: boolean } | undefined;
  /** What changed since then, first phase first. */
  readonly differences: readonly Difference[];
}

/** A tap as `anneal inspect hooks` prints it. */
export interface TapListing {
  /** Name of the stage. */
  readonly stage: string;
  /** `train.transformLoss`. */
  readonly hook: string;
  /** How results are used: `bail`, `waterfall` … */
  readonly kind: string;
  /** Who tapped. */
  readonly plugin: string;
  /** The tap's own stage number. */
  readonly order: number;
  /** Why it stands there: `STAGE.FOLD`, `after tokenizer: declared by lora`. Empty where it stands as listed. */
  readonly reasons: readonly string[];
}

/** What a tap took, over all runs of a pipeline. */
export interface TapTimings {
  /** Name of the stage. */
  readonly stage: string;
  /** Who tapped. */
  readonly plugin: string;
  /** `train.transformLoss`. */
  readonly hook: string;
  /** How often it was called. */
  readonly calls: number;
  /** In all, what it awaited included. */
  readonly ms: number;
  /** The longest call. */
  readonly maxMs: number;
}

/** What {@link Pipeline.explain} looks at. */
export interface ExplainOptions {
  /** Name of a stage. @defaultValue all */
  readonly stage?: string | undefined;
  /** One phase of each. @defaultValue all */
  readonly phase?: PhaseName | undefined;
}

/** What {@link Pipeline.evaluate} measures. */
export interface EvaluateOptions extends Pick<RunOptions, 'signal' | 'onEvent'> {
  /** Folder in transformers.js layout. @defaultValue the config's `outDir` */
  readonly dir?: string | undefined;
  /** Which file of `onnx/`: `model` or `model_quantized`. @defaultValue `model` */
  readonly variant?: string | undefined;
  /** Rows to predict instead of the test split; no metrics then. */
  readonly rows?: readonly Row[] | undefined;
}

/** Of a row; of a block of rows, where the task packs the split that is measured. */
export interface Prediction {
  /** The row, or the first of the block. */
  readonly row: Row;
  /**
   * Model outputs by name, e.g. `{ logits: [1.2, -0.7] }`, or what the task evaluates where it finds those too large to
   * keep.
   */
  readonly outputs: Readonly<Record<string, readonly number[]>>;
}

/** What an emitted model does. */
export interface EvaluateResult {
  /** Of the test split; `undefined` for given rows. */
  readonly metrics: Metrics | undefined;
  /** In the order of the rows. */
  readonly predictions: readonly Prediction[];
}

/** A configured build. Made by `createPipeline`; may run any number of times. */
export interface Pipeline extends AsyncDisposable {
  /** What would run and what is cached; computes nothing heavy. */
  plan(options?: Pick<RunOptions, 'stages'>): Promise<readonly PlanEntry[]>;
  /** Compares what would run with what was done before: which inputs changed. */
  explain(options?: ExplainOptions): Promise<readonly Explanation[]>;
  /** Runs what is not cached. @throws AnnealError */
  run(options?: RunOptions): RunHandle;
  /** Files and folders that the result depends on, absolute: the config, local plugins, data. Files need not exist. */
  inputs(options?: Pick<RunOptions, 'stages'>): Promise<readonly string[]>;
  /** Evaluates an emitted folder. */
  evaluate(options?: EvaluateOptions): Promise<EvaluateResult>;
  /** Every tap in its final order. */
  taps(): readonly TapListing[];
  /** What each tap that was called took so far. */
  timings(): readonly TapTimings[];
  /** Stops runs that are under way, and waits for them. */
  close(): Promise<void>;
}
