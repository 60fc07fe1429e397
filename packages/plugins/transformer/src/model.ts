import type { Model } from '@anneal/core';

import { buildClassifier } from './build.ts';
import { type ClassifierConfig, toConfig } from './config.ts';
import { buildDecoder } from './decoder.ts';
import { type DecoderConfig, toDecoderConfig } from './decoders.ts';
import type { WeightSource } from './layers/context.ts';

/** A model from what its config.json says and a source of weights. */
export function createModel(config: ClassifierConfig, weights: WeightSource): Model {
  const { labels, ...rest } = config;
  return {
    graph: buildClassifier({ ...rest, labels: labels.length, weights }),
    config: toConfig(config),
    padding: { input_ids: config.shape.padTokenId },
    // One text a row: all of it is segment 0.
    defaults: config.architecture.embeddings.tokenType === undefined ? {} : { token_type_ids: 0 },
  };
}

/** A causal language model from what its config.json says and a source of weights. */
export function createDecoder(config: DecoderConfig, weights: WeightSource): Model {
  return {
    graph: buildDecoder(config, weights),
    config: toDecoderConfig(config),
    // Any token will do: padding is hidden by the mask.
    padding: { input_ids: config.tokenIds?.pad ?? 0 },
  };
}
