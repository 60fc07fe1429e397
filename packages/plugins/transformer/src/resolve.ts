import { AnnealError } from '@anneal/core';

import { type Architecture, DEFAULT_SHAPE, type TransformerShape } from './architectures.ts';
import { checkShape } from './config.ts';
import type { TransformerOptions } from './options.ts';
import type { Vocabulary } from './vocabulary.ts';

/**
 * The sizes of a new model: the options with their defaults, and what the tokenizer says.
 *
 * @throws AnnealError `ANNEAL_E_MODEL` when the vocabulary's size is not known; `ANNEAL_E_OPTIONS` when sizes do not fit.
 */
export function resolveShape(
  options: TransformerOptions,
  { defaults: own }: Architecture,
  vocabulary: Vocabulary | undefined,
): TransformerShape {
  const defaults: TransformerShape = { ...DEFAULT_SHAPE, ...own };
  const vocabSize = options.vocabSize ?? vocabulary?.size;
  if (vocabSize === undefined) {
    throw new AnnealError('ANNEAL_E_MODEL', '`vocabSize` is not given and the build has no `tokenizer.json`', {
      fix: 'add a tokenizer plugin, or set `vocabSize`',
    });
  }
  if (vocabulary !== undefined && vocabSize < vocabulary.size) {
    throw new AnnealError(
      'ANNEAL_E_OPTIONS',
      `\`vocabSize\` must be at least the tokenizer's ${vocabulary.size}, received ${vocabSize}`,
      { path: ['vocabSize'], fix: 'leave it out: the tokenizer decides' },
    );
  }
  const { hiddenSize = defaults.hiddenSize, hiddenDropoutProb = defaults.hiddenDropoutProb } = options;
  const shape: TransformerShape = {
    vocabSize,
    hiddenSize,
    numHiddenLayers: options.numHiddenLayers ?? defaults.numHiddenLayers,
    numAttentionHeads: options.numAttentionHeads ?? defaultHeads(hiddenSize),
    intermediateSize: options.intermediateSize ?? 4 * hiddenSize,
    maxPositionEmbeddings: options.maxPositionEmbeddings ?? defaults.maxPositionEmbeddings,
    typeVocabSize: options.typeVocabSize ?? defaults.typeVocabSize,
    hiddenAct: options.hiddenAct ?? defaults.hiddenAct,
    hiddenDropoutProb,
    attentionProbsDropoutProb: options.attentionProbsDropoutProb ?? defaults.attentionProbsDropoutProb,
    classifierDropout: options.classifierDropout ?? own.classifierDropout ?? hiddenDropoutProb,
    layerNormEps: options.layerNormEps ?? defaults.layerNormEps,
    initializerRange: options.initializerRange ?? defaults.initializerRange,
    padTokenId: vocabulary?.padTokenId ?? defaults.padTokenId,
  };
  checkShape(shape, (message, fix) => new AnnealError('ANNEAL_E_OPTIONS', message, { fix }));
  return shape;
}

/** One head per 64 of the width, or the next lower number that divides it. */
function defaultHeads(hiddenSize: number): number {
  let heads = Math.max(1, Math.round(hiddenSize / 64));
  while (hiddenSize % heads !== 0) heads--;
  return heads;
}
