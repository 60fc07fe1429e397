import { AnnealError, type Evaluator, type Metric, type Row } from '@anneal/core';
import type { TensorData } from '@anneal/graph';

import { figuresOf } from './figures.ts';
import { labelOf, unknownLabel } from './labels.ts';
import { bootstrap } from './metrics/bootstrap.ts';
import { PredictionStore, type Predictions } from './metrics/predictions.ts';
import { METRIC_NAMES, METRICS, type MetricOptions } from './metrics/table.ts';

export interface EvaluatorOptions extends MetricOptions {
  readonly labels: readonly string[];
  readonly labelColumn: string;
  /** Resamples behind a confidence interval. */
  readonly samples: number;
  readonly seed: number;
}

/** Collects `logits` `[rows, classes]` batch by batch. */
export function createEvaluator(options: EvaluatorOptions): Evaluator {
  const { labels, labelColumn } = options;
  const ids = new Map(labels.map((label, id) => [label, id]));
  const store = new PredictionStore(labels.length);
  return {
    update(rows, outputs) {
      const data = logitsOf(outputs, rows, labels.length);
      rows.forEach((row, index) => {
        const label = ids.get(labelOf(row, labelColumn) ?? '');
        if (label === undefined) throw unknownLabel(row, 'a row to evaluate', labelColumn, labels);
        store.add(label, data, index * labels.length);
      });
    },
    result({ intervals }) {
      return measure(store.predictions, options, intervals);
    },
    figures() {
      return figuresOf(store.predictions, options);
    },
  };
}

/** Every metric of {@link METRICS}. NaN where it is not defined, such as an AUROC of one class. */
export function measure(p: Predictions, options: EvaluatorOptions, intervals: boolean): Record<string, Metric> {
  if (p.count === 0) {
    throw new AnnealError('ANNEAL_E_DATA', 'there is nothing to measure, received 0 rows', {
      fix: 'the split that is evaluated is empty: give it rows',
    });
  }
  const prepared = METRIC_NAMES.map((name) => METRICS[name].prepare(p, options));
  const once = new Float64Array(p.count).fill(1);
  const ranges = intervals ? bootstrap(prepared, p.count, options) : [];
  return Object.fromEntries(
    METRIC_NAMES.map((name, i) => {
      const value = (prepared[i] as (typeof prepared)[number])(once);
      const ci95 = ranges[i];
      const better = METRICS[name].mode === 'max' ? 'higher' : 'lower';
      return [name, { value, better, ...(ci95 !== undefined && { ci95 }) }];
    }),
  );
}

function logitsOf(
  outputs: Readonly<Record<string, TensorData>>,
  rows: readonly Row[],
  classes: number,
): Float32Array | Float64Array {
  const logits = outputs['logits'];
  if (logits === undefined) {
    throw new AnnealError(
      'ANNEAL_E_MODEL',
      `the model has no output \`logits\`, received ${Object.keys(outputs).join(', ') || 'none'}`,
    );
  }
  const { dtype, shape, data } = logits;
  if (!(data instanceof Float32Array || data instanceof Float64Array)) {
    throw new AnnealError('ANNEAL_E_MODEL', `\`logits\` must be float32, received ${dtype}`);
  }
  if (shape.length !== 2 || shape[0] !== rows.length || shape[1] !== classes) {
    throw new AnnealError('ANNEAL_E_SHAPE', `\`logits\` must be [${rows.length}, ${classes}], received [${shape}]`);
  }
  const bad = data.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw new AnnealError('ANNEAL_E_MODEL', `the model gave ${data[bad]} as a logit`, {
      fix: 'the weights are damaged, or a transformation overflowed: check the stage before',
    });
  }
  return data;
}
