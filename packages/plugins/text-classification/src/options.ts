import type { OptionSchema } from '@anneal/core';
import * as v from 'valibot';

import { METRIC_NAMES, type MetricName } from './metrics/table.ts';

/** Options of {@link textClassification}. */
export interface TextClassificationOptions {
  /** Column that holds the class: a string, a number or a boolean. @defaultValue `'label'` */
  labelColumn?: string | undefined;
  /** Class names in the order of their numbers. @defaultValue those of the training rows, sorted */
  labels?: readonly string[] | undefined;
  /** With two classes, the one that precision, recall, F1 and AUROC are about. @defaultValue the second */
  positiveLabel?: string | undefined;
  /**
   * How much rows of a class count in the loss: by class name (1 where absent), or `'balanced'` for the inverse of the
   * class frequency, `rows / (classes · rows of the class)`. @defaultValue all count the same
   */
  classWeights?: 'balanced' | Readonly<Record<string, number>> | undefined;
  /** The metric by which early stopping and the best checkpoint are chosen. @defaultValue `'logLoss'` */
  monitor?: MetricName | undefined;
  /** Resamples behind a confidence interval. @defaultValue `1000` */
  bootstrapSamples?: number | undefined;
  /** Bins of the calibration error and the reliability diagram. @defaultValue `15` */
  calibrationBins?: number | undefined;
  /** A simple method on the same splits, to compare with; `false` leaves it out. @defaultValue `'tfidf-logreg'` */
  baseline?: 'tfidf-logreg' | false | undefined;
  /** Column of the text that the baseline reads. @defaultValue `'text'` */
  textColumn?: string | undefined;
}

/** The options with their defaults. */
export interface ResolvedOptions {
  readonly labelColumn: string;
  readonly labels?: readonly string[] | undefined;
  readonly positiveLabel?: string | undefined;
  readonly classWeights?: 'balanced' | Readonly<Record<string, number>> | undefined;
  readonly monitor: MetricName;
  readonly bootstrapSamples: number;
  readonly calibrationBins: number;
  readonly baseline: 'tfidf-logreg' | false;
  readonly textColumn: string;
}

const name = v.pipe(v.string(), v.minLength(1));
const weight = v.pipe(v.number(), v.minValue(0));

export const options: OptionSchema<TextClassificationOptions, ResolvedOptions> = v.pipe(
  v.strictObject({
    labelColumn: v.optional(v.pipe(name, v.description('Column that holds the class.')), 'label'),
    labels: v.optional(
      v.pipe(
        v.array(v.string()),
        v.minLength(2),
        v.check((labels) => new Set(labels).size === labels.length, 'must not repeat a class'),
        v.description('Class names in the order of their numbers.'),
      ),
    ),
    positiveLabel: v.optional(v.pipe(name, v.description('The class that precision, recall and F1 are about.'))),
    classWeights: v.optional(
      v.pipe(
        v.union([v.literal('balanced'), v.record(v.string(), weight)]),
        v.description('How much rows of a class count in the loss.'),
      ),
    ),
    monitor: v.optional(
      v.pipe(v.picklist(METRIC_NAMES), v.description('The metric that chooses the best checkpoint.')),
      'logLoss',
    ),
    bootstrapSamples: v.optional(
      v.pipe(
        v.number(),
        v.integer(),
        v.minValue(100),
        v.maxValue(100_000),
        v.description('Resamples behind a confidence interval.'),
      ),
      1000,
    ),
    calibrationBins: v.optional(
      v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1000), v.description('Bins of the calibration error.')),
      15,
    ),
    baseline: v.optional(
      v.pipe(v.union([v.literal('tfidf-logreg'), v.literal(false)]), v.description('A simple method to compare with.')),
      'tfidf-logreg',
    ),
    textColumn: v.optional(v.pipe(name, v.description('Column of the text that the baseline reads.')), 'text'),
  }),
  v.forward(
    v.check(
      ({ labels, positiveLabel }) =>
        labels === undefined || positiveLabel === undefined || labels.includes(positiveLabel),
      ({ input: { labels = [] } }) => `must be one of ${labels.map((label) => `"${label}"`).join(', ')}`,
    ),
    ['positiveLabel'],
  ),
);
