import type { OptionSchema } from '@anneal/core';
import * as v from 'valibot';

import { type ArchitectureName, ARCHITECTURES } from './architectures.ts';
import { oneOf } from './config.ts';
import { ACTIVATIONS } from './layers/basic.ts';
import type { Pooling } from './layers/heads.ts';

/** Options of {@link transformer}: the names of Hugging Face's configs in camelCase. */
export interface TransformerOptions {
  /** Family of the model. @defaultValue `'bert'` */
  architecture?: ArchitectureName | undefined;
  /**
   * Folder with `config.json` and `model.safetensors`, relative to the config: start from this checkpoint. Its sizes
   * are the checkpoint's; only dropout rates may be set beside it. The classifier starts anew when the classes differ.
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
  /** Width of the MLP. @defaultValue `4 * hiddenSize` */
  intermediateSize?: number | undefined;
  /** Longest sequence. @defaultValue `512` */
  maxPositionEmbeddings?: number | undefined;
  /** Number of segments, where the family has them. @defaultValue `2` */
  typeVocabSize?: number | undefined;
  /** `gelu`, `gelu_new`, `relu`, `silu` … @defaultValue `'gelu'` */
  hiddenAct?: string | undefined;
  /** Dropout after embeddings and in front of residual connections. @defaultValue `0.1` */
  hiddenDropoutProb?: number | undefined;
  /** Dropout of attention probabilities. @defaultValue `0.1` */
  attentionProbsDropoutProb?: number | undefined;
  /** Dropout in front of the classifier. @defaultValue `hiddenDropoutProb`, of DistilBERT `0.2` */
  classifierDropout?: number | undefined;
  /** @defaultValue `1e-12` */
  layerNormEps?: number | undefined;
  /** Standard deviation of initial weights. @defaultValue `0.02` */
  initializerRange?: number | undefined;
  /** The vector that is classified: the first token's, as BERT does, or the mean of all. @defaultValue `'cls'` */
  pooling?: Pooling | undefined;
}

const size = v.pipe(v.number(), v.integer(), v.minValue(1));
const rate = v.pipe(v.number(), v.minValue(0), v.ltValue(1));
const positive = v.pipe(v.number(), v.gtValue(0));
const architectures = Object.keys(ARCHITECTURES) as ArchitectureName[];
const activations = Object.keys(ACTIVATIONS);

const unknownName = (known: readonly string[]) => (issue: { readonly input: unknown }) =>
  `must be ${oneOf(known, issue.input)}`;

export const options: OptionSchema<TransformerOptions, TransformerOptions> = v.pipe(
  v.strictObject({
    architecture: v.optional(
      v.pipe(v.picklist(architectures, unknownName(architectures)), v.description('Family of the model.')),
    ),
    from: v.optional(v.pipe(v.string(), v.minLength(1), v.description('Folder of a checkpoint to start from.'))),
    vocabSize: v.optional(v.pipe(size, v.description('Entries of the vocabulary.'))),
    hiddenSize: v.optional(v.pipe(size, v.description('Width of the model.'))),
    numHiddenLayers: v.optional(v.pipe(size, v.description('Number of blocks.'))),
    numAttentionHeads: v.optional(v.pipe(size, v.description('Attention heads; divides `hiddenSize`.'))),
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
      (given) => given.from === undefined || fixedBy(given).length === 0,
      ({ input }) =>
        `must be alone: the checkpoint decides ${fixedBy(input)
          .map((key) => `\`${key}\``)
          .join(', ')}`,
    ),
    ['from'],
  ),
);

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
