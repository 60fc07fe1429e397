import type { Ops, Value } from '@anneal/graph';

import type { Task } from '../task.ts';
import type { Int8Report } from './int8.ts';
import type { MemoryReport } from './memory.ts';

/** Where training stands; what a schedule is a function of. */
export interface StepProgress {
  /** Optimizer steps done, from 0. */
  readonly step: number;
  /** Optimizer steps in all. */
  readonly totalSteps: number;
  /** Passes over the data that are done, from 0. */
  readonly epoch: number;
}

/** A number that may change per step. */
export type Schedule = number | ((progress: StepProgress) => number);

/**
 * What traced hooks get. They run once per compiled shape, must be synchronous and pure, and see symbolic tensors; what
 * changes per step comes in through {@link StepContext.scalar} and {@link StepContext.random}.
 */
export interface StepContext {
  /** Appends to the step's graph. */
  readonly ops: Ops;
  /** What the model is for. */
  readonly task: Task;
  /** Name of the stage. */
  readonly stage: string;
  /** Model inputs and targets of the batch, by name. */
  readonly features: Readonly<Record<string, Value>>;
  /** Rows of the batch, padding included. */
  readonly batchSize: number;
  /** float32 `[batchSize]`: 0 for padding rows. */
  readonly sampleWeights: Value;
  /** The trainable parameters, by name: for regularisers. */
  readonly parameters: ReadonlyMap<string, Value>;
  /** A float32 scalar input whose value is `schedule(progress)` at every step. The name is made unique per plugin. */
  scalar(name: string, schedule: Schedule): Value;
  /**
   * A float32 tensor drawn anew for every step by the host's counter-based generator: the same for the same seed, step
   * and name on every backend.
   */
  random(name: string, shape: readonly number[], distribution: RandomSpec): Value;
}

/** What `train.transformLoss` gets besides: what the loss was computed from, for a loss in its place. */
export interface LossContext extends StepContext {
  /** Outputs of the model by name, after `train.transformOutputs`. Logits over a vocabulary exist only when they are used. */
  readonly outputs: Readonly<Record<string, Value>>;
  /** What they are compared with, after `train.transformTargets`. */
  readonly targets: Value;
}

/** What tracing an evaluation may use. */
export interface EvaluationStep {
  /** Appends to the evaluation's graph. */
  readonly ops: Ops;
  /** Model inputs and targets of the batch, by name; shapes are static. */
  readonly features: Readonly<Record<string, Value>>;
}

/** A distribution that a step draws from. */
export type RandomSpec =
  | { readonly kind: 'uniform'; readonly min?: number | undefined; readonly max?: number | undefined }
  | { readonly kind: 'normal'; readonly mean?: number | undefined; readonly std?: number | undefined }
  /** 1 with probability `rate`, else 0. */
  | { readonly kind: 'bernoulli'; readonly rate: number }
  /** Inverted dropout: 0 with probability `rate`, else `1 / (1 - rate)`. */
  | { readonly kind: 'dropout'; readonly rate: number };

/** What an update rule may use. */
export interface UpdateContext {
  /** Appends to the update's graph. */
  readonly ops: Ops;
  /** Learning rate of this parameter at this step. */
  readonly learningRate: Value;
  /** Steps done including this one, as float32: 1 at the first. */
  readonly step: Value;
  /** Decoupled weight decay of this parameter. */
  readonly weightDecay: number;
  /** Name of the parameter. */
  readonly name: string;
  /** A matrix is `[in, out]` rather than `[out, in]`. */
  readonly transposed: boolean;
}

/** An optimizer as pure graph functions. */
export interface Optimizer {
  /** As a config names it. */
  readonly name: string;
  /** State tensors of a parameter, initially zero: shapes by name. */
  state(shape: readonly number[], name: string): Readonly<Record<string, readonly number[]>>;
  /** Traced: the new parameter and state. */
  update(
    parameter: Value,
    gradient: Value,
    state: Readonly<Record<string, Value>>,
    ctx: UpdateContext,
  ): { readonly parameter: Value; readonly state: Readonly<Record<string, Value>> };
}

/** An optimizer with its options: `{ name: 'sgd', momentum: 0.9 }`. */
export interface OptimizerConfig {
  /** `adamw`, `adam`, `sgd`, `lion` …, or of a plugin. */
  name: string;
  [option: string]: string | number | boolean;
}

/** Learning rate schedules by name. */
export type LrScheduler = 'constant' | 'linear' | 'cosine' | 'wsd' | 'one-cycle' | 'plateau';

/**
 * The schedule `plateau` with its options; they mean what they mean to PyTorch's `ReduceLROnPlateau`, whose defaults
 * they have. It looks at the metric that the task monitors.
 */
export interface PlateauConfig {
  /** Tells this schedule from those without options. */
  name: 'plateau';
  /** What the learning rate is multiplied by. @defaultValue `0.1` */
  factor?: number | undefined;
  /** Evaluations without improvement that are tolerated; the one after reduces the rate. @defaultValue `10` */
  patience?: number | undefined;
  /** How much better than the best an evaluation must be. @defaultValue `1e-4` */
  threshold?: number | undefined;
  /** Whether `threshold` is relative to the best value. @defaultValue `'rel'` */
  thresholdMode?: 'rel' | 'abs' | undefined;
  /** Evaluations after a reduction in which none counts as bad. @defaultValue `0` */
  cooldown?: number | undefined;
  /** The learning rate is not reduced below. @defaultValue `0` */
  minLr?: number | undefined;
}

/** Settings of some parameters. */
export interface ParameterGroup {
  /** Globs over parameter names, dots included: `*` is any text, `?` one character. */
  params: string | readonly string[];
  /** At its highest; follows the schedule as `train.learningRate` does. @defaultValue `train.learningRate` */
  learningRate?: number | undefined;
  /** Of all parameters of the group, biases too. @defaultValue `train.weightDecay`, not of biases and normalisation weights */
  weightDecay?: number | undefined;
  /** Not trained, whatever plugins say. @defaultValue `false` */
  frozen?: boolean | undefined;
}

/** Training options; names follow Hugging Face's `TrainingArguments` where they have one. */
export interface TrainConfig {
  /** Passes over the training split. @defaultValue `3` */
  epochs?: number | undefined;
  /** Stops after so many optimizer steps, whatever `epochs` says. */
  maxSteps?: number | undefined;
  /** Rows per batch. @defaultValue `32`; no limit with `maxTokensPerBatch` */
  batchSize?: number | undefined;
  /**
   * Padded positions per batch: a batch of length `n` has `maxTokensPerBatch / n` rows, rounded down, at least one and at
   * most `batchSize` where that is given. Off when absent.
   */
  maxTokensPerBatch?: number | undefined;
  /** Longest sequence; longer ones are cut. @defaultValue the model's `max_position_embeddings`, or `512` */
  maxLength?: number | undefined;
  /** Padded lengths that programs are compiled for. @defaultValue up to four, from the data's lengths */
  lengthBuckets?: readonly number[] | undefined;
  /**
   * `adamw`, `adam`, `sgd`, `lion`, `rmsprop`, `adagrad`, `adafactor`, `muon`, one of a plugin, or an object with its
   * options. @defaultValue `'adamw'`
   */
  optimizer?: string | OptimizerConfig | undefined;
  /** @defaultValue `5e-4` */
  learningRate?: number | undefined;
  /** Decoupled; not applied to biases and normalisation weights. @defaultValue `0.01` */
  weightDecay?: number | undefined;
  /** Other settings for some parameters; the first group that a parameter matches wins. @defaultValue `[]` */
  parameterGroups?: readonly ParameterGroup[] | undefined;
  /**
   * How the learning rate falls after its warm-up. `wsd` stays up until the last fifth of the steps; `one-cycle` has a
   * warm-up of its own, 30 % unless `warmupRatio` says otherwise; `plateau` is reduced when evaluations stop improving,
   * and may be an object with its options. @defaultValue `'linear'`
   */
  lrScheduler?: LrScheduler | PlateauConfig | undefined;
  /** Part of the steps in which the learning rate rises from 0. @defaultValue `0` */
  warmupRatio?: number | undefined;
  /** Global norm to which gradients are clipped; 0 turns it off. @defaultValue `1` */
  maxGradNorm?: number | undefined;
  /** Batches per optimizer step; weighted so that they are as one large batch. @defaultValue `1` */
  gradientAccumulationSteps?: number | undefined;
  /**
   * Compute the inside of each repeated block (a layer of a transformer) again in the backward pass instead of keeping
   * it: the same gradients with less memory, for about a third more time. @defaultValue `false`
   */
  gradientCheckpointing?: boolean | undefined;
  /**
   * What frozen linear layers compute in while training. `int8` rounds their weights and what goes through them, forward
   * and backward: about twice as fast where the processor has 8-bit dot products. Layers whose error on one row of the
   * data is larger than `int8Tolerance` stay as they are. Evaluation and the result are not rounded. @defaultValue `'fp32'`
   */
  precision?: 'fp32' | 'int8' | undefined;
  /** Largest relative error of a layer's output, or of the gradient of its input, in `int8`. @defaultValue `0.1` */
  int8Tolerance?: number | undefined;
  /**
   * Most that the process may have in memory, as bytes or as `'4 GB'`. Batches are then taken in as many parts, and
   * blocks computed again, as is needed to stay below what is predicted; when nothing helps training fails before it
   * begins. No limit when absent.
   */
  maxMemory?: number | string | undefined;
  /** Steps between evaluations on the validation split; there is one at the end of every epoch in any case. */
  evalSteps?: number | undefined;
  /** Stop when the monitored metric has not improved for so many evaluations; off when absent. */
  earlyStopping?: { patience: number; minDelta?: number | undefined } | undefined;
  /**
   * Keep a moving average of the weights, which is what is evaluated and kept: its decay per step, e.g. `0.999`, less in
   * the first steps (`min(decay, (1 + t) / (10 + t))`). Off when absent.
   */
  emaDecay?: number | undefined;
  /** Keep the weights of the best evaluation rather than the last. @defaultValue `true` */
  loadBestModel?: boolean | undefined;
  /** Steps between checkpoints; one is also written at the end of every epoch and on Ctrl-C. @defaultValue `200` */
  saveSteps?: number | undefined;
  /** Non-finite steps in a row after which training fails. @defaultValue `5` */
  maxNonFiniteSteps?: number | undefined;
}

/** A point of the training curve. */
export interface TrainPoint {
  /** Of the optimizer, from 0. */
  readonly step: number;
  /** Passes over the data that are done, from 0. */
  readonly epoch: number;
  /** Mean over the batch, before the update. */
  readonly loss: number;
  /** Of parameters without a group. */
  readonly learningRate: number;
  /** Global norm before clipping. */
  readonly gradNorm: number;
}

/** How training went. */
export interface TrainReport {
  /** Name of the stage. */
  readonly stage: string;
  /** Optimizer steps done. */
  readonly steps: number;
  /** Passes over the data that were begun. */
  readonly epochs: number;
  /** Numbers that were trained. */
  readonly trainableParameters: number;
  /** Numbers of the model. */
  readonly totalParameters: number;
  /** Positions that are no padding. */
  readonly tokens: number;
  /** Over the time of steps alone. */
  readonly tokensPerSecond: number;
  /** Time of the steps, without evaluations. */
  readonly seconds: number;
  /** Time of tracing and compiling the programs of steps. */
  readonly compileSeconds: number;
  /** Steps whose loss or gradient was not finite. */
  readonly skippedSteps: number;
  /** By `earlyStopping` or a plugin. */
  readonly stoppedEarly: boolean;
  /** Predicted and measured. */
  readonly memory: MemoryReport;
  /** When layers were trained beside in int8. */
  readonly int8?: Int8Report | undefined;
  /** One point a step; those that were skipped are left out. */
  readonly curve: readonly TrainPoint[];
  /** Metrics on the validation split, by step. */
  readonly validation: readonly { readonly step: number; readonly metrics: Readonly<Record<string, number>> }[];
  /** The evaluation whose weights were kept. */
  readonly best: { readonly step: number; readonly metric: string; readonly value: number } | undefined;
}
