import { brier, expectedCalibrationError, logLoss } from './calibration.ts';
import { accuracy, f1, precision, recall, type Weighted } from './counts.ts';
import type { Predictions } from './predictions.ts';
import { auroc } from './ranking.ts';

/** What a metric needs besides predictions. */
export interface MetricOptions {
  /** The class that binary metrics are about. */
  readonly positive: number;
  readonly bins: number;
}

/** Quantities that the evaluator measures. */
export type MetricName = 'accuracy' | 'precision' | 'recall' | 'f1' | 'auroc' | 'ece' | 'logLoss' | 'brier';

interface MetricDefinition {
  /** Which way is better. */
  readonly mode: 'min' | 'max';
  /** Does once what does not depend on how often a row counts. */
  prepare(p: Predictions, options: MetricOptions): Weighted;
}

export const METRICS: Readonly<Record<MetricName, MetricDefinition>> = {
  accuracy: { mode: 'max', prepare: (p) => accuracy(p) },
  precision: { mode: 'max', prepare: (p, { positive }) => precision(p, positive) },
  recall: { mode: 'max', prepare: (p, { positive }) => recall(p, positive) },
  f1: { mode: 'max', prepare: (p, { positive }) => f1(p, positive) },
  auroc: { mode: 'max', prepare: (p, { positive }) => auroc(p, positive) },
  ece: { mode: 'min', prepare: (p, { bins }) => expectedCalibrationError(p, bins) },
  logLoss: { mode: 'min', prepare: (p) => logLoss(p) },
  brier: { mode: 'min', prepare: (p) => brier(p) },
};

export const METRIC_NAMES: readonly MetricName[] = Object.keys(METRICS) as MetricName[];
