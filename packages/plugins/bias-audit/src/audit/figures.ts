import type { Figure, JsonObject, Metric } from '@anneal/core';

import { deltasOf, type Measured } from './measure.ts';
import type { Verdict } from './predict.ts';

const BINS = 41;

/** How the probability changes: swaps with another group beside those within the group. */
export function deltaFigure(measured: Measured, title: string): Figure {
  const deltas = deltasOf(measured);
  const limit = deltas.reduce((max, delta) => Math.max(max, Math.abs(delta)), 1e-3);
  const series = [
    { name: 'names of another group', keep: (shift: number) => shift > 0 },
    { name: 'names of the same group', keep: (shift: number) => shift === 0 },
  ].map(({ name, keep }) => {
    const counts = new Float64Array(BINS);
    let total = 0;
    measured.counterfactuals.forEach(({ shift }, i) => {
      if (!keep(shift)) return;
      const at = Math.round((((deltas[i] as number) / limit + 1) / 2) * (BINS - 1));
      counts[at] = (counts[at] as number) + 1;
      total++;
    });
    const points = Array.from(counts, (count, b) => [limit * ((2 * b) / (BINS - 1) - 1), count / total] as const);
    return { name, points };
  });
  return {
    kind: 'bar',
    title,
    x: { label: 'change of the probability', min: -limit, max: limit },
    y: { label: 'share of swaps', min: 0 },
    series,
  };
}

/** Rows by group, and how often the same texts are selected with names of each. */
export function groupTable(measured: Measured, metrics: Readonly<Record<string, Metric>>): Figure {
  const { groups, subjects } = measured;
  return {
    kind: 'table',
    title: 'Groups: the same texts with names of each',
    columns: ['names', 'rows that have them', 'selected', '95 % interval'],
    rows: groups.map((name, group) => {
      const rate = metrics[`selectionRate.${name}`];
      const interval = rate?.ci95?.map((bound) => bound.toFixed(4)).join(' – ') ?? '';
      const rows = subjects.filter(({ occurrences }) => occurrences.some((found) => found.group === group)).length;
      return [name, rows, rate === undefined ? '' : rate.value.toFixed(4), interval];
    }),
  };
}

const SAMPLES = 10;
/** Characters of a text on either side of its first name. */
const AROUND = 60;

/** The swaps with another group that change the probability most, one for each row. */
export function largestChanges(measured: Measured, labels: readonly string[], kind: string): JsonObject[] {
  const { counterfactuals, subjects, base, changed } = measured;
  const deltas = deltasOf(measured);
  const largest = new Map<number, number>();
  counterfactuals.forEach(({ subject, shift }, i) => {
    const best = largest.get(subject);
    const size = Math.abs(deltas[i] as number);
    if (shift > 0 && (best === undefined || size > Math.abs(deltas[best] as number))) largest.set(subject, i);
  });
  return [...largest.values()]
    .sort((a, b) => Math.abs(deltas[b] as number) - Math.abs(deltas[a] as number))
    .slice(0, SAMPLES)
    .map((i) => {
      const { subject, names } = counterfactuals[i] as (typeof counterfactuals)[number];
      const { row, text, occurrences } = subjects[subject] as (typeof subjects)[number];
      const [before, after] = [base[subject] as Verdict, changed[i] as Verdict];
      const at = occurrences[0]?.start ?? 0;
      const id = row['id'];
      return {
        kind,
        ...(id !== undefined && { id }),
        names: [...names].map(([from, to]) => `${from} → ${to}`).join(', '),
        before: before.p,
        after: after.p,
        classBefore: labels[before.label] ?? String(before.label),
        classAfter: labels[after.label] ?? String(after.label),
        excerpt: text
          .slice(Math.max(0, at - AROUND), at + AROUND)
          .replaceAll(/\s+/g, ' ')
          .trim(),
      };
    });
}
