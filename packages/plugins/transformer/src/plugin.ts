import { definePlugin, type JsonObject, type ModelContext, type PluginApi, type PluginFactory } from '@anneal/core';

import { ARCHITECTURES } from './architectures.ts';
import type { ClassifierConfig } from './config.ts';
import { initialWeights } from './initialize.ts';
import { createModel } from './model.ts';
import { options, type TransformerOptions } from './options.ts';
import { resolveShape } from './resolve.ts';
import { type Vocabulary, vocabularyOf } from './vocabulary.ts';

/** Builds a transformer classifier, new or from a checkpoint. Answers `model.resolveModel`. */
export const transformer: PluginFactory<TransformerOptions> = definePlugin({
  name: 'transformer',
  version: '0.1.0',
  options,
  after: ['tokenizer'],
  setup(api, given) {
    api.hooks.model.resolveModel.tap((ctx) => {
      const labels = classNames(api, ctx);
      const architecture = ARCHITECTURES[given.architecture ?? 'bert'];
      const shape = resolveShape(given, vocabulary(api, ctx));
      const config: ClassifierConfig = { architecture, shape, pooling: given.pooling ?? 'cls', labels };
      const model = createModel(config, initialWeights(shape, ctx.seed, architecture.embeddings.word));
      api.logger.info(describe(config, parameterCount(model.graph.parameters.values())));
      return model;
    });
  },
});

function classNames(api: PluginApi, { task }: ModelContext): readonly string[] {
  if (task.kind === 'classification' && task.labels !== undefined) return task.labels;
  throw api.error('ANNEAL_E_MODEL', `this model classifies, received a task of kind "${task.kind}"`, {
    fix: 'add a classification task, e.g. text-classification',
  });
}

function vocabulary(api: PluginApi, { run }: ModelContext): Vocabulary | undefined {
  if (!run.artifacts.has('tokenizer.json')) return undefined;
  const found = vocabularyOf(run.artifacts.json<JsonObject>('tokenizer.json'));
  if (found !== undefined) return found;
  throw api.error('ANNEAL_E_MODEL', 'the `tokenizer.json` of this build has no vocabulary');
}

function parameterCount(parameters: Iterable<{ data: { shape: readonly number[] } }>): number {
  let count = 0;
  for (const { data } of parameters) count += data.shape.reduce((a, b) => a * b, 1);
  return count;
}

function describe({ architecture, shape }: ClassifierConfig, parameters: number): string {
  const { numHiddenLayers, hiddenSize, numAttentionHeads, vocabSize } = shape;
  const millions = (parameters / 1e6).toFixed(1);
  return (
    `${architecture.modelType}: ${numHiddenLayers} layers of ${hiddenSize} with ${numAttentionHeads} heads, ` +
    `vocabulary ${vocabSize}, ${millions} M parameters`
  );
}
