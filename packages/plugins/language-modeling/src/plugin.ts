import { definePlugin, type PluginFactory } from '@anneal/core';

import { type LanguageModelingOptions, options } from './options.ts';
import { createTask } from './task.ts';
import { vocabularyOf } from './vocabulary.ts';

/** Predicts the next token of texts. Answers `data.resolveTask`. */
export const languageModeling: PluginFactory<LanguageModelingOptions> = definePlugin({
  name: 'language-modeling',
  version: '0.1.0',
  options,
  requires: ['tokenizer'],
  setup(api, resolved) {
    api.hooks.data.resolveTask.tap((_, { run, seed }) => {
      const vocabulary = vocabularyOf(run.artifacts);
      if (resolved.packing && vocabulary.eos === undefined) {
        api.logger.warn('The tokenizer has no `eos` token: documents are joined without anything between them');
      }
      return createTask(resolved, vocabulary, seed);
    });
  },
});
