import { definePlugin, type OptionSchema, type PluginFactory } from '@anneal/core';
import * as v from 'valibot';

/** Options of {@link focalLoss}. */
export interface FocalLossOptions {
  /** How much less rows count that are classified well already; 0 is cross-entropy. @defaultValue `2` */
  gamma?: number | undefined;
}

const options: OptionSchema<FocalLossOptions, { gamma: number }> = v.strictObject({
  gamma: v.optional(
    v.pipe(
      v.number(),
      v.finite(),
      v.minValue(0, 'must be >= 0'),
      v.description('How much less rows count that are classified well already; 0 is cross-entropy.'),
    ),
    2,
  ),
});

/** Keeps `(1 - p)^γ` away from 0, where its gradient is infinite for γ below 1. */
const SMALLEST = 1e-7;

/** `-(1 - p)^γ · ln p` in the place of `-ln p` (Lin et al., "Focal Loss for Dense Object Detection", 2017, equation 4). */
export const focalLoss: PluginFactory<FocalLossOptions> = definePlugin({
  name: 'focal-loss',
  version: '0.1.0',
  options,
  setup(api, { gamma }) {
    api.hooks.train.beforeTrain.tap(({ task }) => {
      if (task.kind !== 'classification')
        api.logger.warn(`A task of kind "${task.kind}" has no classes: its loss stays`);
    });

    api.hooks.train.transformLoss.tap((loss, { ops, task, outputs, targets, sampleWeights }) => {
      if (gamma === 0 || task.kind !== 'classification') return loss;
      const logits = outputs['logits'];
      if (logits === undefined) {
        throw api.error(
          'FOCAL_LOSS_E_LOGITS',
          `the model has no output \`logits\`, only ${Object.keys(outputs).join(', ')}`,
          {
            fix: 'use a model that gives logits, or leave out focal-loss',
          },
        );
      }
      const logProbabilities = ops.logSoftmax(logits);
      const missing = ops.maximum(ops.sub(1, ops.exp(logProbabilities)), SMALLEST);
      const terms = ops.mul(ops.mul(targets, ops.pow(missing, gamma)), logProbabilities);
      const rows = ops.neg(ops.sum(terms, { axes: [-1] }));
      return ops.div(ops.sum(ops.mul(rows, sampleWeights)), ops.sum(sampleWeights));
    });
  },
});
