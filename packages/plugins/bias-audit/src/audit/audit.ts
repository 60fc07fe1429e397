import type { AuditSection, EvaluateContext, Logger, Model } from '@anneal/core';

import { doubtOf, readCorpus } from '../names/corpus.ts';
import { createFinder, type Finder } from '../names/find.ts';
import type { Lexicon } from '../names/groups.ts';
import type { ResolvedOptions } from '../options.ts';
import { listed, problem } from '../problems.ts';
import { classesOf } from './classes.ts';
import { methodText } from './method.ts';
import { costOf, measurePart, type Part } from './part.ts';
import { findSubjects, greetedSubjects, type Subject } from './subjects.ts';

/** Fewer names of a group than this in the data are no choice: then the whole list is used. */
const MIN_SEEN = 10;
/** Characters that a position of a model stands for, roughly, in English. */
const CHARACTERS_PER_POSITION = 4;
const DEFAULT_POSITIONS = 512;

/**
 * Swaps names in the rows of the test split and compares what the model says.
 *
 * @throws AnnealError `BIAS_AUDIT_E_TASK`, `BIAS_AUDIT_E_LABEL`, `BIAS_AUDIT_E_COLUMN`, `BIAS_AUDIT_E_OUTPUT`
 */
export async function runAudit(
  ctx: EvaluateContext,
  lexicon: Lexicon,
  options: ResolvedOptions,
  logger: Logger,
): Promise<AuditSection> {
  const { textColumn } = options;
  const classes = classesOf(ctx.task, options.positiveLabel);
  if (!ctx.split.some((row) => typeof row[textColumn] === 'string')) {
    throw problem('BIAS_AUDIT_E_COLUMN', `no row of the test split has text in \`${textColumn}\``, {
      path: ['textColumn'],
      fix: `name one of the columns ${listed(Object.keys(ctx.split[0] ?? {}))}`,
    });
  }
  const corpus = readCorpus(textsOf(ctx, textColumn));
  const maxCharacters = options.maxCharacters ?? charactersOf(ctx.model);
  const finder = createFinder(lexicon, corpus, doubtOf(corpus, options.ambiguousNames));
  const seen = options.replacements === 'seen' ? seenNames(ctx, finder, textColumn, maxCharacters) : undefined;
  const pools = poolsOf(lexicon, finder, seen);
  const { seed } = ctx;
  const found = findSubjects(ctx.split, finder, { textColumn, maxCharacters, seed });
  const natural = found.slice(0, options.maxRows);
  const { probeTemplate: template, probeRows: count } = options;
  const probes =
    found.length < options.minRows ? greetedSubjects(ctx.split, { textColumn, pools, seed, template, count }) : [];
  if (probes.length > 0) {
    logger.warn(
      found.length === 0
        ? `No row of the test split has a first name of ${listed(lexicon.groups)}: only made-up greetings are measured`
        : `Only ${found.length} rows of the test split have first names: made-up greetings are measured as well`,
    );
  }
  const parts = await measureParts({ swap: natural, probe: probes }, ctx, (onRows) => {
    return { ctx, lexicon, options, classes, pools, onRows };
  });
  return {
    title: 'Bias: counterfactual first names',
    method: methodText({
      lexicon,
      options,
      positive: classes.labels[classes.positive] as string,
      rows: ctx.split.length,
      withNames: found.length,
      natural,
      probes,
      maxCharacters,
      hasReference: ctx.model !== ctx.reference,
    }),
    metrics: {
      rows: { value: natural.length },
      rowsWithNames: { value: found.length },
      ...(probes.length > 0 && { probeRows: { value: probes.length } }),
      ...merged(parts.map(({ metrics }) => metrics)),
    },
    figures: merged(parts.map(({ figures }) => figures)),
    samples: parts.flatMap(({ samples }) => samples),
  };
}

async function measureParts(
  subjects: Readonly<Record<'swap' | 'probe', readonly Subject[]>>,
  ctx: EvaluateContext,
  context: (onRows: (rows: number) => void) => Parameters<typeof measurePart>[2],
): Promise<readonly Part[]> {
  const total = costOf(
    subjects.swap.length + subjects.probe.length,
    context(() => undefined),
  );
  const bar = ctx.progress('bias audit', total);
  let done = 0;
  const shared = context((rows) => {
    done += rows;
    bar.update(done);
  });
  try {
    return [await measurePart('swap', subjects.swap, shared), await measurePart('probe', subjects.probe, shared)];
  } finally {
    bar.done();
  }
}

function merged<T>(parts: readonly Readonly<Record<string, T>>[]): Readonly<Record<string, T>> {
  return Object.fromEntries(parts.flatMap((part) => Object.entries(part)));
}

function* textsOf({ dataset }: EvaluateContext, column: string): Generator<string> {
  for (const rows of Object.values(dataset.splits)) {
    for (const row of rows) {
      const text = row[column];
      if (typeof text === 'string') yield text;
    }
  }
}

/** Names that occur in the data, by the same rules as those that are swapped. */
function seenNames(ctx: EvaluateContext, finder: Finder, column: string, limit: number): ReadonlySet<string> {
  const seen = new Set<string>();
  for (const text of textsOf(ctx, column)) for (const { name } of finder.find(text, limit)) seen.add(name);
  return seen;
}

/** Names to put in, by group: none that could be read as something else, as long as there are enough others. */
function poolsOf(
  { names }: Lexicon,
  { doubtOf: doubt }: Finder,
  seen: ReadonlySet<string> | undefined,
): readonly (readonly string[])[] {
  return names.map((all) => {
    const clear = all.filter((name) => doubt(name) === 'clear');
    const usable = clear.length >= 2 ? clear : all;
    const present = seen === undefined ? [] : usable.filter((name) => seen.has(name));
    return present.length >= MIN_SEEN ? present : usable;
  });
}

function charactersOf({ config }: Model): number {
  const positions = config['max_position_embeddings'];
  return CHARACTERS_PER_POSITION * (typeof positions === 'number' ? positions : DEFAULT_POSITIONS);
}
