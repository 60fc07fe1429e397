import type { OptionSchema } from '@anneal/core';
import * as v from 'valibot';

/** Options of `lora`; names and defaults are those of PEFT's `LoraConfig`, in camelCase. */
export interface LoraOptions {
  /** Rank of the update. @defaultValue `8` */
  r?: number | undefined;
  /** The update is scaled by `loraAlpha / r`. @defaultValue `8` */
  loraAlpha?: number | undefined;
  /** Probability with which an input of an adapter is dropped while training. @defaultValue `0` */
  loraDropout?: number | undefined;
  /**
   * Layers to adapt: ends of module paths (`['query', 'value']`), a regular expression for whole paths, or
   * `'all-linear'` for all but `modulesToSave`. @defaultValue `'all-linear'`
   */
  targetModules?: string | readonly string[] | undefined;
  /** Ends of module paths that are left alone. @defaultValue `[]` */
  excludeModules?: readonly string[] | undefined;
  /** Ends of module paths that are trained in full beside the adapters, e.g. a new head. @defaultValue `['classifier']` */
  modulesToSave?: readonly string[] | undefined;
  /** Other ranks by end of module path. @defaultValue `{}` */
  rankPattern?: Readonly<Record<string, number>> | undefined;
  /** Other alphas by end of module path. @defaultValue `{}` */
  alphaPattern?: Readonly<Record<string, number>> | undefined;
  /** Scale by `loraAlpha / sqrt(r)` (Kalajdzievski, 2023). @defaultValue `false` */
  useRslora?: boolean | undefined;
  /** How `A` starts: `true` as PEFT (Kaiming uniform), or `'gaussian'` with std `1 / r`. `B` is zero. @defaultValue `true` */
  initLoraWeights?: true | 'gaussian' | undefined;
}

export interface ResolvedOptions {
  readonly r: number;
  readonly loraAlpha: number;
  readonly loraDropout: number;
  readonly targetModules: string | readonly string[];
  readonly excludeModules: readonly string[];
  readonly modulesToSave: readonly string[];
  readonly rankPattern: Readonly<Record<string, number>>;
  readonly alphaPattern: Readonly<Record<string, number>>;
  readonly useRslora: boolean;
  readonly initLoraWeights: true | 'gaussian';
}

const rank = v.pipe(v.number(), v.integer(), v.minValue(1));
const positive = v.pipe(v.number(), v.gtValue(0));
const described = <T extends v.GenericSchema>(
  schema: T,
  text: string,
): v.SchemaWithPipe<readonly [T, v.DescriptionAction<v.InferOutput<T>, string>]> => v.pipe(schema, v.description(text));

export const options: OptionSchema<LoraOptions, ResolvedOptions> = v.strictObject({
  r: v.optional(described(rank, 'Rank of the update.'), 8),
  loraAlpha: v.optional(described(positive, 'The update is scaled by loraAlpha / r.'), 8),
  loraDropout: v.optional(
    described(
      v.pipe(v.number(), v.minValue(0), v.ltValue(1)),
      'Probability with which an input of an adapter is dropped.',
    ),
    0,
  ),
  targetModules: v.optional(
    described(
      v.union([v.string(), v.pipe(v.array(v.string()), v.minLength(1))]),
      "Ends of module paths, a regular expression for whole paths, or 'all-linear'.",
    ),
    'all-linear',
  ),
  excludeModules: v.optional(described(v.array(v.string()), 'Ends of module paths that are left alone.'), []),
  modulesToSave: v.optional(described(v.array(v.string()), 'Ends of module paths that are trained in full.'), [
    'classifier',
  ]),
  rankPattern: v.optional(described(v.record(v.string(), rank), 'Other ranks by end of module path.'), {}),
  alphaPattern: v.optional(described(v.record(v.string(), positive), 'Other alphas by end of module path.'), {}),
  useRslora: v.optional(described(v.boolean(), 'Scale by loraAlpha / sqrt(r).'), false),
  initLoraWeights: v.optional(
    described(v.union([v.literal(true), v.literal('gaussian')]), 'How A starts: Kaiming uniform or gaussian.'),
    true,
  ),
});
