import type { EvaluateContext, Figure, JsonObject, Metric, Row } from '@anneal/core';

import type { Lexicon } from '../names/groups.ts';
import type { ResolvedOptions } from '../options.ts';
import type { Classes } from './classes.ts';
import { deltaFigure, groupTable, largestChanges } from './figures.ts';
import { measure, type Measured } from './measure.ts';
import { predictRows } from './predict.ts';
import { counterfactualsOf, type Subject } from './subjects.ts';

/** `swap`: names that the rows have. `probe`: names in made-up greetings. */
export type PartKind = 'swap' | 'probe';

export interface Part {
  readonly metrics: Readonly<Record<string, Metric>>;
  readonly figures: Readonly<Record<string, Figure>>;
  readonly samples: readonly JsonObject[];
}

export interface PartContext {
  readonly ctx: EvaluateContext;
  readonly lexicon: Lexicon;
  readonly options: ResolvedOptions;
  readonly classes: Classes;
  /** Names to put in, by group. */
  readonly pools: readonly (readonly string[])[];
  readonly onRows: (rows: number) => void;
}

/** What is also measured of the full-precision model, so that what compression does is seen. */
const REFERENCE_METRICS: readonly string[] = [
  'flipRate',
  'controlFlipRate',
  'meanAbsDelta',
  'controlMeanAbsDelta',
  'meanDelta',
  'demographicParityDifference',
];

/** Rows that a part predicts. */
export function costOf(subjects: number, { ctx, lexicon, options }: Omit<PartContext, 'onRows'>): number {
  const variants = ctx.model === ctx.reference ? 1 : 2;
  return variants * subjects * (1 + lexicon.groups.length * options.swapsPerRow);
}

/** Measures the swaps of some rows on every variant of the model. */
export async function measurePart(
  kind: PartKind,
  subjects: readonly Subject[],
  { ctx, lexicon, options, classes, pools, onRows }: PartContext,
): Promise<Part> {
  if (subjects.length === 0) return { metrics: {}, figures: {}, samples: [] };
  const { textColumn, swapsPerRow, bootstrapSamples: samples } = options;
  const counterfactuals = counterfactualsOf(subjects, { textColumn, pools, swapsPerRow, seed: ctx.seed, kind });
  const rows = [...subjects, ...counterfactuals].map(({ row }) => row);
  const truth = subjects.map(({ row }) => classOf(row, options.labelColumn, classes));
  const shape = { positive: classes.positive, classes: classes.labels.length };
  const measured = async (variant: 'model' | 'reference'): Promise<Measured> => {
    const verdicts = await predictRows(ctx, rows, variant, shape, onRows);
    const [base, changed] = [verdicts.slice(0, subjects.length), verdicts.slice(subjects.length)];
    return { groups: lexicon.groups, positive: classes.positive, subjects, truth, counterfactuals, base, changed };
  };
  const model = await measured('model');
  const metrics = measure(model, { samples, seed: ctx.seed });
  const positive = classes.labels[classes.positive] as string;
  const title = (variant: string): string =>
    `Change of p(${positive}) when names ${kind === 'swap' ? 'are swapped' : 'of made-up greetings are swapped'}${variant}`;
  const prefix = kind === 'swap' ? '' : 'probe';
  const parts = [{ prefix, metrics }];
  const figures: Record<string, Figure> = {
    [named(prefix, 'delta')]: deltaFigure(model, title('')),
    [named(prefix, 'groups')]: groupTable(model, metrics),
  };
  if (ctx.model !== ctx.reference) {
    const reference = await measured('reference');
    const all = measure(reference, { samples, seed: ctx.seed });
    const own = Object.fromEntries(Object.entries(all).filter(([name]) => REFERENCE_METRICS.includes(name)));
    parts.push({ prefix: named('reference', prefix), metrics: own });
    figures[named('reference', named(prefix, 'delta'))] = deltaFigure(reference, title(', full precision'));
  }
  return {
    metrics: Object.fromEntries(
      parts.flatMap((part) => Object.entries(part.metrics).map(([name, metric]) => [named(part.prefix, name), metric])),
    ),
    figures,
    samples: largestChanges(model, classes.labels, kind),
  };
}

/** `probe` + `flipRate` → `probeFlipRate`. */
function named(prefix: string, name: string): string {
  return prefix === '' || name === '' ? prefix + name : prefix + name.charAt(0).toUpperCase() + name.slice(1);
}

function classOf(row: Row, column: string, { labels }: Classes): number | undefined {
  const value = row[column];
  const index = typeof value === 'object' || value === undefined ? -1 : labels.indexOf(String(value));
  return index < 0 ? undefined : index;
}
