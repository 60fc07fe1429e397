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
   * Layers to adapt: ends of module paths (`['query', 'value']`), a regular expression (RE2 syntax) for whole paths, or
   * `'all-linear'` for all linear layers but output heads. Never those of `modulesToSave`. @defaultValue `'all-linear'`
   */
  targetModules?: string | readonly string[] | undefined;
  /** Layers that are left alone: ends of module paths, or a regular expression for whole paths. @defaultValue `[]` */
  excludeModules?: string | readonly string[] | undefined;
  /**
   * Ends of paths of modules that are trained in full beside the adapters, with everything below them, e.g. a new head.
   * @defaultValue `['classifier']`
   */
  modulesToSave?: readonly string[] | undefined;
  /** Other ranks by end of module path, a name or a regular expression. @defaultValue `{}` */
  rankPattern?: Readonly<Record<string, number>> | undefined;
  /** Other alphas by end of module path, a name or a regular expression. @defaultValue `{}` */
  alphaPattern?: Readonly<Record<string, number>> | undefined;
  /** Scale by `loraAlpha / sqrt(r)` (Kalajdzievski, 2023). @defaultValue `false` */
  useRslora?: boolean | undefined;
  /** Learn the length of the columns of each weight apart from their direction (Liu et al., 2024). @defaultValue `false` */
  useDora?: boolean | undefined;
  /** How `A` starts: `true` as PEFT (Kaiming uniform), or `'gaussian'` with std `1 / r`. `B` is zero. @defaultValue `true` */
  initLoraWeights?: true | 'gaussian' | undefined;
  /**
   * Folder of a PEFT adapter (`adapter_config.json`, `adapter_model.safetensors`) to start from. Targets, ranks, scales
   * and modules to save are then the adapter's, whatever the other options say. @defaultValue a new adapter
   */
  from?: string | undefined;
}

/** The options with their defaults. */
export interface ResolvedOptions {
  readonly r: number;
  readonly loraAlpha: number;
  readonly loraDropout: number;
  readonly targetModules: string | readonly string[];
  readonly excludeModules: string | readonly string[];
  readonly modulesToSave: readonly string[];
  readonly rankPattern: Readonly<Record<string, number>>;
  readonly alphaPattern: Readonly<Record<string, number>>;
  readonly useRslora: boolean;
  readonly useDora: boolean;
  readonly initLoraWeights: true | 'gaussian';
  readonly from?: string | undefined;
}

/** The default of `modulesToSave`: a model without a classifier is no mistake. */
export const DEFAULT_MODULES_TO_SAVE: readonly string[] = ['classifier'];

const rank = v.pipe(v.number(), v.integer(), v.minValue(1));
const positive = v.pipe(v.number(), v.gtValue(0));
const name = v.pipe(v.string(), v.minLength(1));
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
      v.union([name, v.pipe(v.array(name), v.minLength(1))]),
      "Ends of module paths, a regular expression for whole paths, or 'all-linear'.",
    ),
    'all-linear',
  ),
  excludeModules: v.optional(
    described(v.union([name, v.array(name)]), 'Layers that are left alone: ends of paths, or a regular expression.'),
    [],
  ),
  modulesToSave: v.optional(
    described(v.array(name), 'Ends of paths of modules that are trained in full.'),
    DEFAULT_MODULES_TO_SAVE,
  ),
  rankPattern: v.optional(described(v.record(name, rank), 'Other ranks by end of module path.'), {}),
  alphaPattern: v.optional(described(v.record(name, positive), 'Other alphas by end of module path.'), {}),
  useRslora: v.optional(described(v.boolean(), 'Scale by loraAlpha / sqrt(r).'), false),
  useDora: v.optional(described(v.boolean(), 'Learn the length of weight columns apart from their direction.'), false),
  initLoraWeights: v.optional(
    described(v.union([v.literal(true), v.literal('gaussian')]), 'How A starts: Kaiming uniform or gaussian.'),
    true,
  ),
  from: v.optional(described(name, 'Folder of a PEFT adapter to start from.')),
});
