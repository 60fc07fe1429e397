import type { OptionSchema } from '@anneal/core';
import * as v from 'valibot';

import { type ArchitectureName, ARCHITECTURES } from './architectures.ts';
import { oneOf } from './config.ts';
import { type DecoderName, DECODERS } from './decoders.ts';
import { ACTIVATIONS } from './layers/basic.ts';
import type { Pooling } from './layers/heads.ts';

/** Options of {@link transformer}: the names of Hugging Face's configs in camelCase. */
export interface TransformerOptions {
  /** Family of the model. @defaultValue `'bert'` to classify, `'llama'` for language modeling */
  architecture?: ArchitectureName | DecoderName | undefined;
  /**
   * Folder with `config.json` and `model.safetensors`, or a `.gguf` file, relative to the config: start from this
   * checkpoint. Its sizes are the checkpoint's; only dropout rates may be set beside it. The classifier starts anew when
   * the classes differ.
   */
  from?: string | undefined;
  /** Entries of the vocabulary. @defaultValue what the tokenizer of the build has */
  vocabSize?: number | undefined;
  /** Width of the model. @defaultValue `768` */
  hiddenSize?: number | undefined;
  /** @defaultValue `12`, of DistilBERT `6` */
  numHiddenLayers?: number | undefined;
  /** Divides `hiddenSize`. @defaultValue one per 64 of `hiddenSize`, or the next lower number that divides it */
  numAttentionHeads?: number | undefined;
  /** Llama: heads of keys and values, each for several queries. @defaultValue `numAttentionHeads` */
  numKeyValueHeads?: number | undefined;
  /** Width of the MLP. @defaultValue `4 * hiddenSize`, of Llama `8/3 * hiddenSize` rounded up to a multiple of 64 */
  intermediateSize?: number | undefined;
  /** Longest sequence. @defaultValue `512`, of Llama `2048` */
  maxPositionEmbeddings?: number | undefined;
  /** Number of segments, where the family has them. @defaultValue `2` */
  typeVocabSize?: number | undefined;
  /** `gelu`, `gelu_new`, `relu`, `silu` … @defaultValue `'gelu'`, of Llama `'silu'` */
  hiddenAct?: string | undefined;
  /** Dropout after embeddings and in front of residual connections. @defaultValue `0.1` */
  hiddenDropoutProb?: number | undefined;
  /** Dropout of attention probabilities. @defaultValue `0.1` */
  attentionProbsDropoutProb?: number | undefined;
  /** Dropout in front of the classifier. @defaultValue `hiddenDropoutProb`, of DistilBERT `0.2` */
  classifierDropout?: number | undefined;
  /** @defaultValue `1e-12` */
  layerNormEps?: number | undefined;
  /** Llama: epsilon of normalisations. @defaultValue `1e-6` */
  rmsNormEps?: number | undefined;
  /** Llama: base of the wavelengths of rotary positions. @defaultValue `10000` */
  ropeTheta?: number | undefined;
  /** Llama: the output layer is the table of word embeddings. @defaultValue `false` */
  tieWordEmbeddings?: boolean | undefined;
  /** Standard deviation of initial weights. @defaultValue `0.02` */
  initializerRange?: number | undefined;
  /** The vector that is classified: the first token's, as BERT does, or the mean of all. @defaultValue `'cls'` */
  pooling?: Pooling | undefined;
}

const size = v.pipe(v.number(), v.integer(), v.minValue(1));
const rate = v.pipe(v.number(), v.minValue(0), v.ltValue(1));
const positive = v.pipe(v.number(), v.gtValue(0));
const architectures = [...Object.keys(ARCHITECTURES), ...Object.keys(DECODERS)] as (ArchitectureName | DecoderName)[];
const activations = Object.keys(ACTIVATIONS);

const unknownName = (known: readonly string[]) => (issue: { readonly input: unknown }) =>
  `must be ${oneOf(known, issue.input)}`;

export const options: OptionSchema<TransformerOptions, TransformerOptions> = v.pipe(
  v.strictObject({
    architecture: v.optional(
      v.pipe(v.picklist(architectures, unknownName(architectures)), v.description('Family of the model.')),
    ),
    from: v.optional(
      v.pipe(v.string(), v.minLength(1), v.description('Folder or GGUF file of a checkpoint to start from.')),
    ),
    vocabSize: v.optional(v.pipe(size, v.description('Entries of the vocabulary.'))),
    hiddenSize: v.optional(v.pipe(size, v.description('Width of the model.'))),
    numHiddenLayers: v.optional(v.pipe(size, v.description('Number of blocks.'))),
    numAttentionHeads: v.optional(v.pipe(size, v.description('Attention heads; divides `hiddenSize`.'))),
    numKeyValueHeads: v.optional(v.pipe(size, v.description('Heads of keys and values; divides the attention heads.'))),
    intermediateSize: v.optional(v.pipe(size, v.description('Width of the MLP.'))),
    maxPositionEmbeddings: v.optional(v.pipe(size, v.description('Longest sequence.'))),
    typeVocabSize: v.optional(v.pipe(size, v.description('Number of segments.'))),
    hiddenAct: v.optional(
      v.pipe(v.picklist(activations, unknownName(activations)), v.description('Activation of the MLP.')),
    ),
    hiddenDropoutProb: v.optional(v.pipe(rate, v.description('Dropout of embeddings and branches.'))),
    attentionProbsDropoutProb: v.optional(v.pipe(rate, v.description('Dropout of attention probabilities.'))),
    classifierDropout: v.optional(v.pipe(rate, v.description('Dropout in front of the classifier.'))),
    layerNormEps: v.optional(v.pipe(positive, v.description('Epsilon of normalisations.'))),
    rmsNormEps: v.optional(v.pipe(positive, v.description('Epsilon of normalisations.'))),
    ropeTheta: v.optional(v.pipe(positive, v.description('Base of the wavelengths of rotary positions.'))),
    tieWordEmbeddings: v.optional(
      v.pipe(v.boolean(), v.description('The output layer is the table of word embeddings.')),
    ),
    initializerRange: v.optional(v.pipe(positive, v.description('Standard deviation of initial weights.'))),
    pooling: v.optional(v.pipe(v.picklist(['cls', 'mean']), v.description('The vector that is classified.'))),
  }),
  v.forward(
    v.check(
      ({ hiddenSize = 768, numAttentionHeads }) =>
        numAttentionHeads === undefined || hiddenSize % numAttentionHeads === 0,
      ({ input: { hiddenSize = 768 } }) => `must divide \`hiddenSize\`, which is ${hiddenSize}`,
    ),
    ['numAttentionHeads'],
  ),
  v.forward(
    v.check(
      (given) => given.architecture === undefined || foreignTo(given).length === 0,
      ({ input }) =>
        `must be a family that has ${foreignTo(input)
          .map((key) => `\`${key}\``)
          .join(', ')}`,
    ),
    ['architecture'],
  ),
  v.forward(
    v.check(
      (given) => given.from === undefined || fixedBy(given).length === 0,
      ({ input }) =>
        `must be alone: the checkpoint decides ${fixedBy(input)
          .map((key) => `\`${key}\``)
          .join(', ')}`,
    ),
    ['from'],
  ),
);

/** Options that only one kind of family has. */
export const ENCODER_OPTIONS: readonly (keyof TransformerOptions)[] = [
  'typeVocabSize',
  'hiddenDropoutProb',
  'attentionProbsDropoutProb',
  'classifierDropout',
  'layerNormEps',
  'pooling',
];
export const DECODER_OPTIONS: readonly (keyof TransformerOptions)[] = [
  'numKeyValueHeads',
  'rmsNormEps',
  'ropeTheta',
  'tieWordEmbeddings',
];

export function isDecoder(architecture: string): architecture is DecoderName {
  return Object.hasOwn(DECODERS, architecture);
}

/** Given options that the given family does not have. */
function foreignTo(given: TransformerOptions): string[] {
  const foreign = isDecoder(given.architecture ?? 'bert') ? ENCODER_OPTIONS : DECODER_OPTIONS;
  return foreign.filter((key) => given[key] !== undefined);
}

/** Options that may be given beside `from`. */
const FREE: ReadonlySet<string> = new Set<keyof TransformerOptions>([
  'from',
  'hiddenDropoutProb',
  'attentionProbsDropoutProb',
  'classifierDropout',
  'initializerRange',
]);

/** Given options that a checkpoint decides. */
function fixedBy(given: TransformerOptions): string[] {
  return Object.entries(given).flatMap(([key, value]) => (value === undefined || FREE.has(key) ? [] : [key]));
}
