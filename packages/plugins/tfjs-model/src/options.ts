import type { OptionSchema } from '@anneal/core';
import * as v from 'valibot';

import type { WeightStorage } from './write/files.ts';

/** What is written of a build for TensorFlow.js. */
export interface TfjsExportOptions {
  /** How weights are stored: with fewer bits, and computed with as float32. @defaultValue `'float32'` */
  quantization?: WeightStorage | undefined;
  /** Largest file of weights, in bytes. @defaultValue `4194304`, what browsers cache */
  shardBytes?: number | undefined;
}

/** Options of `tfjsModel`. */
export interface TfjsModelOptions {
  /**
   * A `model.json` of TensorFlow.js, a folder with one, or a package and a path in it
   * (`@vscode/vscode-languagedetection/model`), relative to the config. Without it the model comes from elsewhere, and
   * the plugin only writes.
   */
  from?: string | undefined;
  /** Class names of the model, in order. @defaultValue those that it gives as an output */
  labels?: readonly string[] | undefined;
  /** Numbers for sizes that the file leaves open: `sequence`, `height`, `width`. @defaultValue `{}` */
  dims?: Readonly<Record<string, number>> | undefined;
  /** Outputs to keep. @defaultValue all */
  outputs?: readonly string[] | undefined;
  /** Column of the text that a model of text reads. @defaultValue `'text'` */
  textColumn?: string | undefined;
  /** What is written to `tfjs/`; `false`: nothing. @defaultValue `{}` */
  export?: TfjsExportOptions | false | undefined;
}

export interface ResolvedOptions {
  readonly from?: string | undefined;
  readonly labels?: readonly string[] | undefined;
  readonly dims: Readonly<Record<string, number>>;
  readonly outputs?: readonly string[] | undefined;
  readonly textColumn: string;
  readonly export: false | { readonly quantization: WeightStorage; readonly shardBytes: number };
}

const text = v.pipe(v.string(), v.minLength(1));
const storages = ['float32', 'float16', 'uint16', 'uint8'] as const;

const exported = v.strictObject({
  quantization: v.optional(v.pipe(v.picklist(storages), v.description('How weights are stored.')), 'float32'),
  shardBytes: v.optional(
    v.pipe(v.number(), v.integer(), v.minValue(1024), v.description('Largest file of weights, in bytes.')),
    4 << 20,
  ),
});

export const options: OptionSchema<TfjsModelOptions | undefined, ResolvedOptions> = v.optional(
  v.strictObject({
    from: v.optional(v.pipe(text, v.description('A model.json, a folder with one, or a path in a package.'))),
    labels: v.optional(v.pipe(v.array(text), v.minLength(2), v.description('Class names of the model, in order.'))),
    dims: v.optional(
      v.pipe(
        v.record(text, v.pipe(v.number(), v.integer(), v.minValue(1))),
        v.description('Numbers for sizes that the file leaves open.'),
      ),
      {},
    ),
    outputs: v.optional(v.pipe(v.array(text), v.minLength(1), v.description('Outputs to keep.'))),
    textColumn: v.optional(v.pipe(text, v.description('Column of the text that a model of text reads.')), 'text'),
    export: v.optional(
      v.pipe(v.union([v.literal(false), exported]), v.description('What is written to `tfjs/`; false: nothing.')),
      {},
    ),
  }),
  {},
);
