import { definePlugin, type OptionSchema, type PluginFactory } from '@anneal/core';
import { isFloat } from '@anneal/graph';
import * as v from 'valibot';

import { smooth } from './smooth.ts';

/** Options of {@link labelSmoothing}. */
export interface LabelSmoothingOptions {
  /** Probability mass taken from the true class and spread over all classes. @defaultValue `0.1` */
  epsilon?: number | undefined;
}

const options: OptionSchema<LabelSmoothingOptions, { epsilon: number }> = v.strictObject({
  epsilon: v.optional(
    v.pipe(
      v.number(),
      v.minValue(0),
      v.ltValue(1),
      v.description('Probability mass taken from the true class and spread over all classes.'),
    ),
    0.1,
  ),
});

/** Kinds of tasks whose targets are distributions over classes. */
const KINDS: ReadonlySet<string> = new Set(['classification', 'token-classification', 'language-modeling']);

/** Label smoothing (Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016, section 7). */
export const labelSmoothing: PluginFactory<LabelSmoothingOptions> = definePlugin({
  name: 'label-smoothing',
  version: '0.1.0',
  options,
  setup(api, { epsilon }) {
    api.hooks.train.beforeTrain.tap(({ task }) => {
      if (!KINDS.has(task.kind)) api.logger.warn(`A task of kind "${task.kind}" has no classes: nothing is smoothed`);
    });

    api.hooks.train.transformTargets.tap((targets, { ops, task }) => {
      if (epsilon === 0 || !KINDS.has(task.kind)) return targets;
      const classes = targets.shape.at(-1);
      if (!isFloat(targets.dtype) || typeof classes !== 'number' || classes < 2) {
        throw api.error(
          'ANNEAL_E_SHAPE',
          `targets must be one-hot floats [..., classes], received ${targets.dtype}[${targets.shape.join(', ')}]`,
          { fix: 'let the task give one-hot targets, e.g. ops.oneHot(labels, classes)' },
        );
      }
      return smooth(ops, targets, epsilon, classes);
    });
  },
});
