import { definePlugin, type PluginFactory } from '@anneal/core';

import { runBaseline } from './baseline/baseline.ts';
import { resolveLabels } from './labels.ts';
import { options, type TextClassificationOptions } from './options.ts';
import { createTask, evaluatorOptions } from './task.ts';

/** Assigns one class to each text. Answers `data.resolveTask` and `evaluate.resolveBaseline`. */
export const textClassification: PluginFactory<TextClassificationOptions> = definePlugin({
  name: 'text-classification',
  version: '0.1.0',
  options,
  setup(api, resolved) {
    api.hooks.data.resolveTask.tap((dataset, { seed }) => {
      const labels = resolveLabels(dataset, resolved.labelColumn, resolved.labels);
      return createTask(resolved, { labels, train: dataset.splits['train'] ?? [], seed });
    });

    api.hooks.evaluate.resolveBaseline.tap((ctx) => {
      const { labels } = ctx.task;
      if (resolved.baseline === false || ctx.task.kind !== 'classification' || labels === undefined) return undefined;
      const measured = evaluatorOptions(resolved, labels, ctx.seed);
      return runBaseline(ctx, { ...measured, textColumn: resolved.textColumn });
    });
  },
});
