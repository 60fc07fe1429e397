import type { OptionSchema } from '@anneal/core';
import * as v from 'valibot';
import { CLEAN_RULES } from './clean.ts';
import type { TextDataOptions } from './options.ts';
import { FORMATS } from './sources/formats.ts';

const names = v.union([v.string(), v.array(v.string())]);
const share = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
const count = v.pipe(v.number(), v.integer(), v.minValue(1));

const columns = v.strictObject({
  text: v.optional(v.pipe(names, v.description('Column of the text; several are joined by an empty line.'))),
  label: v.optional(v.pipe(v.nullable(v.string()), v.description('Column of the label; null: the data has none.'))),
  group: v.optional(v.pipe(v.nullable(names), v.description('Column of the group; null: the data has none.'))),
  id: v.optional(v.pipe(names, v.description('Column of the id; several are joined by `/`.'))),
});

const source = v.pipe(
  v.strictObject({
    module: v.optional(
      v.pipe(v.string(), v.minLength(1), v.description('npm package or path of a module that gives records.')),
    ),
    files: v.optional(v.pipe(names, v.description('Glob patterns, relative to the config or to the package.'))),
    rows: v.optional(v.pipe(v.array(v.record(v.string(), v.unknown())), v.description('Records.'))),
    name: v.optional(v.pipe(v.string(), v.description('Name in messages and ids.'))),
    format: v.optional(v.pipe(v.picklist(FORMATS), v.description('How files, or the text column, are read.'))),
    columns: v.optional(v.pipe(columns, v.description('Overrides the columns of all sources.'))),
  }),
  v.check(
    ({ module, files, rows }) =>
      rows === undefined ? module !== undefined || files !== undefined : !(module ?? files),
    'a source has either `module`, `files` or both, or `rows`',
  ),
);

const mail = v.strictObject({
  headers: v.optional(v.pipe(v.array(v.string()), v.description('Header fields to keep.'))),
  addresses: v.optional(v.pipe(v.boolean(), v.description('Keep addresses in header fields, not only display names.'))),
  maxBytes: v.optional(v.pipe(count, v.description('Largest mail that is parsed.'))),
  maxNesting: v.optional(v.pipe(count, v.description('Deepest nesting of MIME parts.'))),
});

const clean = v.strictObject({
  rules: v.optional(v.pipe(v.array(v.picklist(CLEAN_RULES.map((rule) => rule.name))), v.description('Rules to run.'))),
  minLength: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.description('Shorter texts are dropped.'))),
  maxLength: v.optional(v.pipe(count, v.description('Longer texts are cut.'))),
});

const dedup = v.strictObject({
  exact: v.optional(v.pipe(v.boolean(), v.description('Drop exact duplicates.'))),
  near: v.optional(v.pipe(v.boolean(), v.description('Drop near-duplicates.'))),
  cluster: v.optional(v.pipe(v.boolean(), v.description('Keep similar rows in one split.'))),
  threshold: v.optional(v.pipe(share, v.description('Similarity from which a text is a near-duplicate.'))),
  clusterThreshold: v.optional(v.pipe(share, v.description('Similarity from which texts are one cluster.'))),
  ngram: v.optional(v.pipe(count, v.description('Words per n-gram.'))),
  permutations: v.optional(v.pipe(count, v.maxValue(1024), v.description('Places of a MinHash signature.'))),
});

const shorten = v.strictObject({
  maxLength: v.pipe(count, v.description('Longer texts are cut.')),
  keep: v.optional(v.pipe(v.picklist(['start', 'ends']), v.description('What stays of longer texts.'))),
});

const split = v.strictObject({
  ratios: v.optional(
    v.pipe(
      v.record(v.string(), v.pipe(v.number(), v.minValue(0))),
      v.check((ratios) => Object.values(ratios).some((ratio) => ratio > 0), 'at least one ratio must be above 0'),
      v.description('Share of each split by name.'),
    ),
  ),
  method: v.optional(
    v.pipe(v.picklist(['balanced', 'stable']), v.description('What is exact: the ratios or the places of rows.')),
  ),
  stratify: v.optional(v.pipe(v.array(v.picklist(['label', 'group'])), v.description('What the ratios hold within.'))),
});

const schema = v.strictObject({
  sources: v.pipe(v.array(source), v.minLength(1), v.description('Where rows come from.')),
  columns: v.optional(v.pipe(columns, v.description('Which columns hold what.'))),
  labels: v.optional(
    v.pipe(v.record(v.string(), v.nullable(v.string())), v.description('Classes by raw label; null leaves rows out.')),
  ),
  keep: v.optional(v.pipe(v.array(v.string()), v.description('Further columns to carry along.'))),
  mail: v.optional(v.pipe(mail, v.description('How mails become text.'))),
  clean: v.optional(v.pipe(clean, v.description('What is repaired and removed in texts.'))),
  dedup: v.optional(v.pipe(dedup, v.description('Which texts count as repeated.'))),
  shorten: v.optional(v.pipe(shorten, v.description('What rows keep of long texts.'))),
  split: v.optional(v.pipe(split, v.description('How rows are divided.'))),
});

/** Schema of the options. Which of `module`, `files` and `rows` go together is checked, not typed: hence the cast. */
export const textDataSchema: OptionSchema<TextDataOptions> = schema as unknown as OptionSchema<TextDataOptions>;
