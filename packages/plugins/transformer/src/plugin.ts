import {
  definePlugin,
  type JsonObject,
  type Model,
  type ModelContext,
  type PluginApi,
  type PluginFactory,
} from '@anneal/core';

import { type ArchitectureName, ARCHITECTURES, DEFAULT_SHAPE } from './architectures.ts';
import { type Checkpoint, decoderFromCheckpoint, fromCheckpoint } from './checkpoint.ts';
import { type ClassifierConfig, fromConfig } from './config.ts';
import { DECODER_KEYS, decoderConfig, type DecoderName, DECODERS } from './decoders.ts';
import { initialWeights } from './initialize.ts';
import { createDecoder, createModel } from './model.ts';
import { isDecoder, options, type TransformerOptions } from './options.ts';
import { resolveDecoderShape, resolveShape } from './resolve.ts';
import { type Vocabulary, vocabularyOf } from './vocabulary.ts';

const LANGUAGE_MODELING = 'language-modeling';

/** Builds a transformer, new or from a checkpoint: a classifier, or a language model. Answers `model.resolveModel`. */
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
    // Only here: new models need nothing of it.
    const { openCheckpoint, checkpointFiles } = await import('./load.ts');
    const { path, files } = checkpointFiles(api.root, from);
    for (const file of files) api.dependsOn(file);
    api.hooks.model.resolveModel.tap(async (ctx) =>
      announce(api, await loadedModel(api, ctx, await openCheckpoint(path), given)),
    );
  },
});

function newModel(api: PluginApi, ctx: ModelContext, given: TransformerOptions): Model {
  const name = given.architecture ?? (ctx.task.kind === LANGUAGE_MODELING ? 'llama' : 'bert');
  if (isDecoder(name)) return newDecoder(api, ctx, name, given);
  const labels = classNames(api, ctx);
  const architecture = ARCHITECTURES[name];
  const shape = resolveShape(given, architecture, vocabulary(api, ctx));
  const config: ClassifierConfig = { architecture, shape, pooling: given.pooling ?? 'cls', labels };
  return createModel(config, initialWeights(shape, ctx.seed, architecture.embeddings.word));
}

function newDecoder(api: PluginApi, ctx: ModelContext, name: DecoderName, given: TransformerOptions): Model {
  checkLanguageModeling(api, ctx, name);
  const known = vocabulary(api, ctx);
  const shape = resolveDecoderShape(given, known);
  const { padTokenId: pad, bosTokenId: bos, eosTokenId: eos } = known ?? {};
  // A token that is also the end of texts must be learnt as others are.
  const padTokenId = pad === eos ? undefined : pad;
  const { initializerRange = DEFAULT_SHAPE.initializerRange } = given;
  const architecture = DECODERS[name];
  return createDecoder(
    { architecture, shape, tokenIds: { bos, eos, pad } },
    initialWeights({ initializerRange, padTokenId, hiddenSize: shape.hiddenSize }, ctx.seed, architecture.embeddings),
  );
}

async function loadedModel(
  api: PluginApi,
  ctx: ModelContext,
  checkpoint: Checkpoint,
  given: TransformerOptions,
): Promise<Model> {
  const type = checkpoint.config['model_type'];
  if (typeof type === 'string' && isDecoder(type)) {
    checkLanguageModeling(api, ctx, type);
    const { shape } = decoderConfig(checkpoint.config, checkpoint.name);
    checkVocabulary(api, vocabulary(api, ctx), shape.vocabSize);
    return decoderFromCheckpoint(checkpoint);
  }
  const stored = fromConfig(checkpoint.config, checkpoint.name);
  const labels = classNames(api, ctx);
  checkVocabulary(api, vocabulary(api, ctx), stored.shape.vocabSize);
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

function checkVocabulary(api: PluginApi, known: Vocabulary | undefined, embeddings: number): void {
  if (known === undefined || known.size <= embeddings) return;
  throw api.error(
    'ANNEAL_E_MODEL',
    `the checkpoint has ${embeddings} word embeddings, received a tokenizer of ${known.size}`,
    { fix: "use the checkpoint's own tokenizer.json" },
  );
}

function checkLanguageModeling(api: PluginApi, { task }: ModelContext, name: DecoderName): void {
  if (task.kind === LANGUAGE_MODELING) return;
  throw api.error('ANNEAL_E_MODEL', `${name} is a language model, received a task of kind "${task.kind}"`, {
    fix: 'add @anneal/plugin-language-modeling, or choose a family that classifies',
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
  const found = vocabularyOf(
    run.artifacts.json<JsonObject>('tokenizer.json'),
    run.artifacts.has('tokenizer_config.json') ? run.artifacts.json<JsonObject>('tokenizer_config.json') : {},
  );
  if (found !== undefined) return found;
  throw api.error('ANNEAL_E_MODEL', 'the `tokenizer.json` of this build has no vocabulary');
}

function announce(api: PluginApi, model: Model): Model {
  const type = model.config['model_type'] as ArchitectureName | DecoderName;
  let parameters = 0;
  for (const { data } of model.graph.parameters.values()) parameters += data.shape.reduce((a, b) => a * b, 1);
  const names = isDecoder(type) ? DECODER_KEYS : ARCHITECTURES[type].configKeys;
  const fact = (key: 'numHiddenLayers' | 'hiddenSize' | 'numAttentionHeads' | 'vocabSize'): string =>
    JSON.stringify(model.config[names[key] ?? '']);
  const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
  api.logger.info(
    `${type}: ${fact('numHiddenLayers')} layers of ${fact('hiddenSize')} with ` +
      `${fact('numAttentionHeads')} heads, vocabulary ${fact('vocabSize')}, ${compact.format(parameters)} parameters`,
  );
  return model;
}
