import { AnnealError, type Row, type Task } from '@anneal/core';

import { createEvaluator, type EvaluatorOptions } from './evaluator.ts';
import { labelOf, listed, unknownLabel } from './labels.ts';
import { crossEntropy, oneHotTargets, totalWeight } from './loss.ts';
import { METRICS } from './metrics/table.ts';
import type { ResolvedOptions } from './options.ts';

/** Facts of the data that a task needs. */
export interface TaskData {
  readonly labels: readonly string[];
  readonly train: readonly Row[];
  readonly seed: number;
}

/** Assigns one of `labels` to each row. */
export function createTask(options: ResolvedOptions, { labels, train, seed }: TaskData): Task {
  const { labelColumn, monitor } = options;
  const ids = new Map(labels.map((label, id) => [label, id]));
  const measured = evaluatorOptions(options, labels, seed);
  const weights = classWeightsOf(options, labels, train);
  return {
    kind: 'classification',
    labels,
    targets: { labels: { dtype: 'int64', shape: [] } },
    encode(sample) {
      const label = labelOf(sample.row, labelColumn);
      // A row to predict needs no class.
      if (label === undefined) return sample;
      const id = ids.get(label);
      if (id === undefined) throw unknownLabel(sample.row, 'a row', labelColumn, labels);
      return { ...sample, features: { ...sample.features, labels: id } };
    },
    traceTargets: (features, step) => oneHotTargets(features, labels.length, step),
    traceLoss: (outputs, targets, step) => crossEntropy(outputs, targets, weights, step),
    traceWeight: (_features, step, targets) => totalWeight(targets, weights, step),
    evaluator: () => createEvaluator(measured),
    monitor: { metric: monitor, mode: METRICS[monitor].mode },
  };
}

/** What is measured. @throws AnnealError `ANNEAL_E_OPTIONS` when the positive class is not a class. */
export function evaluatorOptions(options: ResolvedOptions, labels: readonly string[], seed: number): EvaluatorOptions {
  const { labelColumn, bootstrapSamples: samples, calibrationBins: bins } = options;
  return { labels, labelColumn, positive: positiveOf(labels, options.positiveLabel), bins, samples, seed };
}

function positiveOf(labels: readonly string[], given: string | undefined): number {
  if (given === undefined) return 1;
  const positive = labels.indexOf(given);
  if (positive >= 0) return positive;
  throw new AnnealError('ANNEAL_E_OPTIONS', `\`positiveLabel\` must be one of ${listed(labels)}, received "${given}"`, {
    path: ['positiveLabel'],
  });
}

/** Weights by class number. */
export function classWeightsOf(
  { classWeights, labelColumn }: Pick<ResolvedOptions, 'classWeights' | 'labelColumn'>,
  labels: readonly string[],
  train: readonly Row[],
): readonly number[] | undefined {
  if (classWeights === undefined) return undefined;
  if (classWeights === 'balanced') {
    const counts = new Map<string | undefined, number>();
    for (const row of train) {
      const label = labelOf(row, labelColumn);
      counts.set(label, (counts.get(label) ?? 0) + 1);
    }
    // A class without rows never occurs in the loss; any finite weight will do.
    return labels.map((label) => train.length / (labels.length * (counts.get(label) ?? 1)));
  }
  for (const name of Object.keys(classWeights)) {
    if (labels.includes(name)) continue;
    throw new AnnealError('ANNEAL_E_OPTIONS', `\`classWeights\` names a class that is not one, received "${name}"`, {
      path: ['classWeights', name],
      fix: `the classes are ${listed(labels)}`,
    });
  }
  return labels.map((label) => classWeights[label] ?? 1);
}
