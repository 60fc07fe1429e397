import type { OptionSchema } from '@anneal/core';
import * as v from 'valibot';

import type { DefineOptions } from './define.ts';

/** Options of {@link tokenizer}. */
export interface TokenizerOptions extends DefineOptions {
  /**
   * Folder, `tokenizer.json` or `.gguf` file of a tokenizer to use as it is, relative to the config: nothing is trained then.
   * @defaultValue a vocabulary is trained
   */
  from?: string | undefined;
  /** Column of the text. @defaultValue `'text'` */
  text?: string | undefined;
  /** Column of the second text, for tasks on pairs. @defaultValue none */
  pair?: string | undefined;
  /** Most tokens of the vocabulary, special tokens and the 256 bytes included. @defaultValue `8192` */
  vocabSize?: number | undefined;
  /** Lowest number of times a pair must occur to be merged. @defaultValue `2` */
  minFrequency?: number | undefined;
  /** Tokens stay shorter than this many bytes. @defaultValue no limit */
  maxTokenLength?: number | undefined;
  /** Adds `token_type_ids` to the samples. @defaultValue `true` when there is a second text */
  typeIds?: boolean | undefined;
}

type Defaulted = 'text' | 'vocabSize' | 'minFrequency' | 'typeIds';
/** Options with their defaults. */
export type ResolvedOptions = TokenizerOptions & Required<{ [K in Defaulted]: NonNullable<TokenizerOptions[K]> }>;

const count = v.pipe(v.number(), v.integer(), v.minValue(1));
const token = v.pipe(v.string(), v.nonEmpty());
const column = v.pipe(v.string(), v.nonEmpty());

const roles = v.strictObject({
  pad: v.optional(v.pipe(token, v.description('Pads short sequences.'))),
  unk: v.optional(v.pipe(token, v.description('Stands for what has no token.'))),
  cls: v.optional(v.pipe(token, v.description('Starts a sequence.'))),
  sep: v.optional(v.pipe(token, v.description('Separates texts.'))),
  mask: v.optional(v.pipe(token, v.description('Hides a token in masked language modelling.'))),
  bos: v.optional(v.pipe(token, v.description('Begins a text.'))),
  eos: v.optional(v.pipe(token, v.description('Ends a text.'))),
});

/** Options that a tokenizer which already exists has answered. */
const TRAINING_OPTIONS = [
  'vocabSize',
  'minFrequency',
  'maxTokenLength',
  'roles',
  'extraTokens',
  'template',
  'pairTemplate',
  'normalization',
  'lowercase',
  'addPrefixSpace',
  'individualDigits',
] as const satisfies readonly (keyof TokenizerOptions)[];

/** Checks the options and fills in defaults. */
export const tokenizerSchema: OptionSchema<TokenizerOptions, ResolvedOptions> = v.pipe(
  v.strictObject({
    from: v.optional(v.pipe(v.string(), v.nonEmpty(), v.description('Tokenizer to use instead of training one.'))),
    text: v.optional(v.pipe(column, v.description('Column of the text.')), 'text'),
    pair: v.optional(v.pipe(column, v.description('Column of the second text.'))),
    vocabSize: v.optional(v.pipe(count, v.maxValue(1 << 22), v.description('Most tokens of the vocabulary.'))),
    minFrequency: v.optional(v.pipe(count, v.description('Lowest number of times a pair must occur.'))),
    maxTokenLength: v.optional(v.pipe(count, v.description('Tokens stay shorter than this many bytes.'))),
    typeIds: v.optional(v.pipe(v.boolean(), v.description('Adds token_type_ids to the samples.'))),
    roles: v.optional(v.pipe(roles, v.description('Special tokens by role.'))),
    extraTokens: v.optional(v.pipe(v.array(token), v.description('More special tokens, without a role.'))),
    template: v.optional(v.pipe(v.string(), v.description('How a text becomes a sequence.'))),
    pairTemplate: v.optional(v.pipe(v.string(), v.description('How two texts become a sequence.'))),
    maxLength: v.optional(v.pipe(count, v.description('Most tokens of a sequence.'))),
    normalization: v.optional(
      v.pipe(v.picklist(['NFC', 'NFD', 'NFKC', 'NFKD']), v.description('Unicode normalisation form.')),
    ),
    lowercase: v.optional(v.pipe(v.boolean(), v.description('Lower-cases the text.'))),
    addPrefixSpace: v.optional(v.pipe(v.boolean(), v.description('Puts a space before a text that starts with none.'))),
    individualDigits: v.optional(
      v.pipe(v.boolean(), v.description('Makes every numeric character a token of its own.')),
    ),
  }),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed || dataset.value.from === undefined) return;
    const idle = TRAINING_OPTIONS.filter((name) => dataset.value[name] !== undefined);
    if (idle.length === 0) return;
    const names = idle.map((name) => `\`${name}\``).join(', ');
    addIssue({ message: `Expected no option that describes a new tokenizer beside \`from\` but received ${names}` });
  }),
  v.transform((options) => ({
    ...options,
    vocabSize: options.vocabSize ?? 8192,
    minFrequency: options.minFrequency ?? 2,
    typeIds: options.typeIds ?? options.pair !== undefined,
  })),
);
