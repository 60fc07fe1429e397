import type { OptionSchema } from '@anneal/core';
import * as v from 'valibot';

/** The vector of a sequence that a new head classifies: the first token's, or the mean of all that are no padding. */
export type Pooling = 'cls' | 'mean';

/** Options of `onnxModel`. */
export interface OnnxModelOptions {
  /**
   * An `.onnx` file, or a folder as optimum and transformers.js have it (`config.json`, and `onnx/model.onnx` or
   * `model.onnx`), relative to the config.
   */
  from: string;
  /** Name of the file in the folder, or in its folder `onnx`. @defaultValue `'model.onnx'` */
  file?: string | undefined;
  /** Outputs to keep. @defaultValue `logits` where there is one, else all but a cache's */
  outputs?: readonly string[] | undefined;
  /**
   * Numbers for sizes that the file leaves open beside batch and sequence, by its names for them.
   * @defaultValue of config.json: `num_channels`, and `height` and `width` from `image_size`
   */
  dims?: Readonly<Record<string, number>> | undefined;
  /** `'classification'`: a new linear layer over the pooled `last_hidden_state` of an encoder that has no head. */
  head?: 'classification' | undefined;
  /** What the new head looks at. @defaultValue `'cls'` */
  pooling?: Pooling | undefined;
}

export interface ResolvedOptions {
  readonly from: string;
  readonly file: string;
  readonly outputs?: readonly string[] | undefined;
  readonly dims: Readonly<Record<string, number>>;
  readonly head?: 'classification' | undefined;
  readonly pooling: Pooling;
}

const text = v.pipe(v.string(), v.minLength(1));

export const options: OptionSchema<OnnxModelOptions, ResolvedOptions> = v.strictObject({
  from: v.pipe(text, v.description('An .onnx file, or a folder with config.json and onnx/model.onnx.')),
  file: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^[\w][\w.-]*\.onnx$/, 'must be the name of an .onnx file, without a folder'),
      v.description('Name of the file in the folder.'),
    ),
    'model.onnx',
  ),
  outputs: v.optional(v.pipe(v.array(text), v.minLength(1), v.description('Outputs to keep.'))),
  dims: v.optional(
    v.pipe(
      v.record(text, v.pipe(v.number(), v.integer(), v.minValue(1))),
      v.description('Numbers for sizes that the file leaves open.'),
    ),
    {},
  ),
  head: v.optional(v.pipe(v.picklist(['classification']), v.description('A new head for an encoder without one.'))),
  pooling: v.optional(v.pipe(v.picklist(['cls', 'mean']), v.description('What the new head looks at.')), 'cls'),
});
