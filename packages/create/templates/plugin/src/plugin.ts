import { definePlugin, type OptionSchema, type PluginFactory } from '@anneal/core';
import * as v from 'valibot';

/** Options of {@link clipValue}. */
export interface ClipValueOptions {
  /** Largest absolute value of an element of a gradient. @defaultValue `0.1` */
  limit?: number | undefined;
}

/** What checks and completes the options; its descriptions are what editors show in JSON configs. */
const options: OptionSchema<ClipValueOptions, { limit: number }> = v.strictObject({
  limit: v.optional(
    v.pipe(
      v.number(),
      v.gtValue(0, 'must be > 0'),
      v.description('Largest absolute value of an element of a gradient.'),
    ),
    0.1,
  ),
});

/** Clips every element of every gradient to `[-limit, limit]` before the optimizer sees it. */
export const clipValue: PluginFactory<ClipValueOptions> = definePlugin({
  name: 'clip-value',
  version: '0.1.0',
  options,
  setup(api, { limit }) {
    // Traced: runs once per compiled shape, and `ops` adds to the training step.
    api.hooks.train.transformGradients.tap(
      (gradients, { ops }) =>
        new Map([...gradients].map(([name, gradient]) => [name, ops.clip(gradient, { min: -limit, max: limit })])),
    );
  },
});
