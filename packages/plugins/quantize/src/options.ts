import type { OptionSchema } from '@anneal/core';
import * as v from 'valibot';

import { SCHEMES, type SchemeName } from './schemes.ts';

/** Options of `quantize`. */
export interface QuantizeOptions {
  /**
   * `int8-dynamic`: int8 weights, inputs quantized as they come; fast. `int4`: 4-bit weights in blocks; small. `fp16`:
   * half-precision weights in the file alone; nearly exact. @defaultValue `'int8-dynamic'`
   */
  scheme?: SchemeName | undefined;
  /** Also quantize embedding tables: to int8 with one scale a row, or to float16. @defaultValue `true` */
  embeddings?: boolean | undefined;
  /** Modules that stay at full precision with all below them, by path or a part of it. @defaultValue `[]` */
  exclude?: readonly string[] | undefined;
  /**
   * `int8-dynamic` with 7 bits for weights: x86 processors without VNNI add pairs of products in 16 bits, which
   * saturates with 8. @defaultValue `false`
   */
  reduceRange?: boolean | undefined;
  /** Smaller weights stay as they are, in elements: they cost more to quantize than they save. @defaultValue `1024` */
  minElements?: number | undefined;
}

/** The options with their defaults. */
export interface ResolvedOptions {
  /** As in {@link QuantizeOptions}. */
  readonly scheme: SchemeName;
  /** As in {@link QuantizeOptions}. */
  readonly embeddings: boolean;
  /** As in {@link QuantizeOptions}. */
  readonly exclude: readonly string[];
  /** As in {@link QuantizeOptions}. */
  readonly reduceRange: boolean;
  /** As in {@link QuantizeOptions}. */
  readonly minElements: number;
}

export const options: OptionSchema<QuantizeOptions, ResolvedOptions> = v.strictObject({
  scheme: v.optional(
    v.pipe(
      v.picklist(Object.keys(SCHEMES) as SchemeName[]),
      v.description('How weights and activations are quantized.'),
    ),
    'int8-dynamic',
  ),
  embeddings: v.optional(v.pipe(v.boolean(), v.description('Also quantize embedding tables.')), true),
  exclude: v.optional(
    v.pipe(v.array(v.string()), v.description('Modules that stay at full precision, by path or a part of it.')),
    [],
  ),
  reduceRange: v.optional(v.pipe(v.boolean(), v.description('Use 7 bits for weights.')), false),
  minElements: v.optional(
    v.pipe(v.number(), v.integer(), v.minValue(0), v.description('Smaller weights stay as they are.')),
    1024,
  ),
});
