import type { DType, TensorData, Value } from '@anneal/graph';

import type { Row, Sample } from './data/types.ts';
import type { EvaluationStep, StepContext } from './train/types.ts';

/** A measured quantity. */
export interface Metric {
  /** What was measured. */
  readonly value: number;
  /** 95 % confidence interval, e.g. by bootstrap over rows. */
  readonly ci95?: readonly [low: number, high: number] | undefined;
  /** Which way is better; without it nobody says that a change made it worse. */
  readonly better?: 'higher' | 'lower' | undefined;
}
/** By name. */
export type Metrics = Readonly<Record<string, Metric>>;

/** A tensor that training needs besides the model's inputs. Shape without the batch axis; `'sequence'` is padded. */
export interface TargetSpec {
  /** Of the elements. */
  readonly dtype: DType;
  /** Without the batch axis. */
  readonly shape: readonly (number | 'sequence')[];
  /** @defaultValue `0` */
  readonly pad?: number | undefined;
}

/** Collects a split's predictions batch by batch and turns them into metrics. */
export interface Evaluator {
  /** `outputs` are the model's outputs for `rows`, or what `traceEvaluation` made of them, without padding rows. */
  update(rows: readonly Row[], outputs: Readonly<Record<string, TensorData>>): void;
  /** `intervals: false` leaves out the confidence intervals, which cost time. */
  result(options: { readonly intervals: boolean }): Metrics;
  /** Curves and tables for the report: a reliability diagram, a confusion matrix … */
  figures?(): Readonly<Record<string, Figure>>;
}

/** A chart or table as data; the report draws it. */
export type Figure =
  | {
      readonly kind: 'line' | 'bar' | 'scatter';
      readonly title: string;
      readonly x: FigureAxis;
      readonly y: FigureAxis;
      readonly series: readonly { readonly name: string; readonly points: readonly (readonly [number, number])[] }[];
      /** Draw the diagonal, as reliability diagrams do. */
      readonly diagonal?: boolean | undefined;
    }
  | {
      readonly kind: 'table';
      readonly title: string;
      readonly columns: readonly string[];
      readonly rows: readonly (readonly (string | number)[])[];
    };
/** An axis of a chart. */
export interface FigureAxis {
  /** With its unit. */
  readonly label: string;
  /** Else the points decide. */
  readonly min?: number | undefined;
  /** Else the points decide. */
  readonly max?: number | undefined;
}

/** What a model is for: its targets, its loss and its metrics. */
export interface Task {
  /** `classification`, `regression`, `language-modeling` … Plugins look at it to decide whether they apply. */
  readonly kind: string;
  /** Class names by index, for classification. */
  readonly labels?: readonly string[] | undefined;
  /** Features by name that `encode` adds. */
  readonly targets: Readonly<Record<string, TargetSpec>>;
  /** Adds the target features to a sample. */
  encode(sample: Sample): Sample;
  /**
   * The samples of a split from those of its rows, e.g. documents packed into blocks of up to `maxLength`; rows are then
   * not cut before. Rows that are predicted one by one do not come here. @defaultValue one sample for each row
   */
  pack?(samples: readonly Sample[], maxLength: number): readonly Sample[];
  /** Traced: the tensor that the loss compares with, e.g. one-hot `[batch, classes]`. Then `train.transformTargets`. */
  traceTargets(features: Readonly<Record<string, Value>>, step: StepContext): Value;
  /**
   * Traced: the scalar training loss, a mean weighted by `step.sampleWeights`. Then `train.transformLoss`.
   */
  traceLoss(outputs: Readonly<Record<string, Value>>, targets: Value, step: StepContext): Value;
  /**
   * Traced: the total weight of the batch, a float32 scalar: what {@link Task.traceLoss} divides its sum by. Batches that
   * add up to one step, and their losses, are weighted by it, so a mean over tokens must say how many there are. `targets`
   * are those of the loss, after `train.transformTargets`. @defaultValue `Σ step.sampleWeights`
   */
  traceWeight?(features: Readonly<Record<string, Value>>, step: StepContext, targets: Value): Value;
  /**
   * Traced: what the evaluator gets instead of the model's outputs, where those are too large to keep, as logits over a
   * vocabulary are. Targets are there as in training; the first axis of what comes back is the batch.
   * @defaultValue the model's outputs
   */
  traceEvaluation?(outputs: Readonly<Record<string, Value>>, step: EvaluationStep): Readonly<Record<string, Value>>;
  /** Collects one split. */
  evaluator(): Evaluator;
  /** The metric by which early stopping and the best checkpoint are chosen. */
  readonly monitor: { readonly metric: string; readonly mode: 'min' | 'max' };
}
