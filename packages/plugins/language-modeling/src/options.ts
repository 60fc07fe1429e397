import type { OptionSchema } from '@anneal/core';
import * as v from 'valibot';

/** Options of {@link languageModeling}. */
export interface LanguageModelingOptions {
  /**
   * Join all documents of a split, an end token between them, and cut the result into blocks. Without it every row is a
   * sample of its own, cut where it is too long. @defaultValue `true`
   */
  packing?: boolean | undefined;
  /** Tokens of a block. @defaultValue `1024`, or what the model and `train.maxLength` allow when that is less */
  blockSize?: number | undefined;
  /**
   * Only completions count in the loss, not prompts: with a tokenizer of two texts, those of the second. @defaultValue
   * `true` where rows have two texts
   */
  completionOnlyLoss?: boolean | undefined;
  /** Resamples behind a confidence interval. @defaultValue `1000` */
  bootstrapSamples?: number | undefined;
}

/** The options with their defaults. */
export interface ResolvedOptions {
  readonly packing: boolean;
  readonly blockSize?: number | undefined;
  readonly completionOnlyLoss?: boolean | undefined;
  readonly bootstrapSamples: number;
}

export const options: OptionSchema<LanguageModelingOptions, ResolvedOptions> = v.strictObject({
  packing: v.optional(v.pipe(v.boolean(), v.description('Join documents and cut them into blocks.')), true),
  blockSize: v.optional(v.pipe(v.number(), v.integer(), v.minValue(2), v.description('Tokens of a block.'))),
  completionOnlyLoss: v.optional(v.pipe(v.boolean(), v.description('Only completions count in the loss.'))),
  bootstrapSamples: v.optional(
    v.pipe(
      v.number(),
      v.integer(),
      v.minValue(100),
      v.maxValue(100_000),
      v.description('Resamples behind a confidence interval.'),
    ),
    1000,
  ),
});
