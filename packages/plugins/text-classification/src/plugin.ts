import { definePlugin, type PluginFactory } from '@anneal/core';

import { resolveLabels } from './labels.ts';
import { options, type TextClassificationOptions } from './options.ts';
import { createTask } from './task.ts';

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
  },
});
