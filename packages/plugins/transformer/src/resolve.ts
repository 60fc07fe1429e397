import { AnnealError } from '@anneal/core';

import { type Architecture, DEFAULT_SHAPE, type TransformerShape } from './architectures.ts';
import { checkShape } from './config.ts';
import { checkDecoder, type DecoderShape } from './decoders.ts';
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
  const vocabSize = vocabularySize(options, vocabulary);
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

/**
 * The sizes of a new decoder, likewise.
 *
 * @throws AnnealError `ANNEAL_E_MODEL` when the vocabulary's size is not known; `ANNEAL_E_OPTIONS` when sizes do not fit.
 */
export function resolveDecoderShape(options: TransformerOptions, vocabulary: Vocabulary | undefined): DecoderShape {
  const { hiddenSize = DEFAULT_SHAPE.hiddenSize } = options;
  const numAttentionHeads = options.numAttentionHeads ?? defaultHeads(hiddenSize);
  const shape: DecoderShape = {
    vocabSize: vocabularySize(options, vocabulary),
    hiddenSize,
    // As wide as an MLP of two layers of 4 times the width has parameters (Touvron et al., 2023, section 2.2).
    intermediateSize: options.intermediateSize ?? 64 * Math.ceil((8 * hiddenSize) / 3 / 64),
    numHiddenLayers: options.numHiddenLayers ?? DEFAULT_SHAPE.numHiddenLayers,
    numAttentionHeads,
    numKeyValueHeads: options.numKeyValueHeads ?? numAttentionHeads,
    headDim: hiddenSize / numAttentionHeads,
    maxPositionEmbeddings: options.maxPositionEmbeddings ?? 2048,
    hiddenAct: options.hiddenAct ?? 'silu',
    rmsNormEps: options.rmsNormEps ?? 1e-6,
    ropeTheta: options.ropeTheta ?? 10_000,
    tieWordEmbeddings: options.tieWordEmbeddings ?? false,
    attentionBias: false,
    mlpBias: false,
  };
  checkDecoder(shape, (message) => new AnnealError('ANNEAL_E_OPTIONS', message));
  return shape;
}

function vocabularySize(options: TransformerOptions, vocabulary: Vocabulary | undefined): number {
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
  return vocabSize;
}

/** One head per 64 of the width, or the next lower number that divides it. */
function defaultHeads(hiddenSize: number): number {
  let heads = Math.max(1, Math.round(hiddenSize / 64));
  while (hiddenSize % heads !== 0) heads--;
  return heads;
}
