import {
  definePlugin,
  type JsonObject,
  type Model,
  type ModelContext,
  type PluginApi,
  type PluginFactory,
} from '@anneal/core';

import { type ArchitectureName, ARCHITECTURES } from './architectures.ts';
import { type Checkpoint, fromCheckpoint } from './checkpoint.ts';
import { type ClassifierConfig, fromConfig } from './config.ts';
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
  async setup(api, given) {
    const { from } = given;
    if (from === undefined) {
      api.hooks.model.resolveModel.tap((ctx) => announce(api, newModel(api, ctx, given)));
      return;
    }
    // Only here are files read: everything else also runs in a browser.
    const { openCheckpoint, checkpointFiles } = await import('./node/load.ts');
    const { dir, files } = checkpointFiles(api.root, from);
    for (const file of files) api.dependsOn(file);
    api.hooks.model.resolveModel.tap(async (ctx) =>
      announce(api, await loadedModel(api, ctx, await openCheckpoint(dir), given)),
    );
  },
});

function newModel(api: PluginApi, ctx: ModelContext, given: TransformerOptions): Model {
  const labels = classNames(api, ctx);
  const architecture = ARCHITECTURES[given.architecture ?? 'bert'];
  const shape = resolveShape(given, architecture, vocabulary(api, ctx));
  const config: ClassifierConfig = { architecture, shape, pooling: given.pooling ?? 'cls', labels };
  return createModel(config, initialWeights(shape, ctx.seed, architecture.embeddings.word));
}

async function loadedModel(
  api: PluginApi,
  ctx: ModelContext,
  checkpoint: Checkpoint,
  given: TransformerOptions,
): Promise<Model> {
  const stored = fromConfig(checkpoint.config, checkpoint.name);
  const labels = classNames(api, ctx);
  const known = vocabulary(api, ctx);
  if (known !== undefined && known.size > stored.shape.vocabSize) {
    throw api.error(
      'ANNEAL_E_MODEL',
      `the checkpoint has ${stored.shape.vocabSize} word embeddings, received a tokenizer of ${known.size}`,
      { fix: "use the checkpoint's own tokenizer.json" },
    );
  }
  return fromCheckpoint(checkpoint, {
    seed: ctx.seed,
    newClassifier: stored.labels.join('\0') !== labels.join('\0'),
    onMissing: (names) => api.logger.info(`starts anew: ${names.join(', ')}`),
    override: (config) => ({
      ...config,
      labels,
      shape: {
        ...config.shape,
        hiddenDropoutProb: given.hiddenDropoutProb ?? config.shape.hiddenDropoutProb,
        attentionProbsDropoutProb: given.attentionProbsDropoutProb ?? config.shape.attentionProbsDropoutProb,
        classifierDropout: given.classifierDropout ?? config.shape.classifierDropout,
        initializerRange: given.initializerRange ?? config.shape.initializerRange,
      },
    }),
  });
}

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

function announce(api: PluginApi, model: Model): Model {
  const architecture = ARCHITECTURES[model.config['model_type'] as ArchitectureName];
  let parameters = 0;
  for (const { data } of model.graph.parameters.values()) parameters += data.shape.reduce((a, b) => a * b, 1);
  const { numHiddenLayers, hiddenSize, numAttentionHeads, vocabSize } = architecture.configKeys;
  const fact = (key: string | undefined): string => JSON.stringify(model.config[key ?? '']);
  const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
  api.logger.info(
    `${architecture.modelType}: ${fact(numHiddenLayers)} layers of ${fact(hiddenSize)} with ` +
      `${fact(numAttentionHeads)} heads, vocabulary ${fact(vocabSize)}, ${compact.format(parameters)} parameters`,
  );
  return model;
}
