import type { Metric } from '@anneal/core';

import { intervals, type Weighted } from '../metrics/bootstrap.ts';
import {
  demographicParityDifference,
  demographicParityRatio,
  equalizedOddsDifference,
  selectionRates,
} from '../metrics/fairness.ts';
import type { Verdict } from './predict.ts';
import type { Counterfactual, Subject } from './subjects.ts';

/** Rows, their counterfactuals, and what one variant of the model says of both. */
export interface Measured {
  readonly groups: readonly string[];
  readonly positive: number;
  readonly subjects: readonly Subject[];
  /** True class of each subject; `undefined` where it is not known. */
  readonly truth: readonly (number | undefined)[];
  readonly counterfactuals: readonly Counterfactual[];
  readonly base: readonly Verdict[];
  readonly changed: readonly Verdict[];
}

export interface MeasureOptions {
  readonly samples: number;
  readonly seed: number;
}

/** The change of probability that each counterfactual makes. */
export function deltasOf({ counterfactuals, base, changed }: Measured): Float64Array {
  return Float64Array.from(
    counterfactuals,
    ({ subject }, i) => (changed[i] as Verdict).p - (base[subject] as Verdict).p,
  );
}

/** Every quantity that is defined, with its interval. */
export function measure(measured: Measured, options: MeasureOptions): Readonly<Record<string, Metric>> {
  const quantities = quantitiesOf(measured);
  const names = Object.keys(quantities);
  const rows = measured.subjects.length;
  const once = new Float64Array(rows).fill(1);
  const ranges = intervals(Object.values(quantities), rows, options);
  return Object.fromEntries(
    names.flatMap((name, i) => {
      const value = (quantities[name] as Weighted)(once);
      const ci95 = ranges[i];
      return Number.isFinite(value) ? [[name, ci95 === undefined ? { value } : { value, ci95 }]] : [];
    }),
  );
}

function quantitiesOf(measured: Measured): Record<string, Weighted> {
  const { counterfactuals, base, changed, groups } = measured;
  const deltas = deltasOf(measured);
  const flips = counterfactuals.map(({ subject }, i) => Number(changed[i]?.label !== base[subject]?.label));
  const over = (values: ArrayLike<number>, keep: (shift: number) => boolean): Weighted => {
    return (weights) => {
      let [sum, total] = [0, 0];
      counterfactuals.forEach(({ subject, shift }, i) => {
        if (!keep(shift)) return;
        sum += (weights[subject] as number) * (values[i] as number);
        total += weights[subject] as number;
      });
      return sum / total;
    };
  };
  const other = (shift: number): boolean => shift > 0;
  const same = (shift: number): boolean => shift === 0;
  const less =
    (a: Weighted, b: Weighted): Weighted =>
    (weights) =>
      a(weights) - b(weights);
  const sizes = deltas.map(Math.abs);
  const [flipRate, controlFlipRate] = [over(flips, other), over(flips, same)];
  const [meanAbsDelta, controlMeanAbsDelta] = [over(sizes, other), over(sizes, same)];
  return {
    flipRate,
    controlFlipRate,
    excessFlipRate: less(flipRate, controlFlipRate),
    meanAbsDelta,
    controlMeanAbsDelta,
    excessMeanAbsDelta: less(meanAbsDelta, controlMeanAbsDelta),
    unchangedRate: over(
      Float64Array.from(deltas, (delta) => Number(delta === 0)),
      other,
    ),
    ...(groups.length === 2 && { meanDelta: meanDelta(measured) }),
    ...groupQuantities(measured),
  };
}

/** Counterfactuals of subjects whose names are of one group, with the group that the names have now. */
function regrouped({
  subjects,
  counterfactuals,
  groups,
}: Measured): { readonly index: number; readonly group: number }[] {
  return counterfactuals.flatMap(({ subject, shift }, index) => {
    const own = subjects[subject]?.group;
    return own === undefined ? [] : [{ index, group: (own + shift) % groups.length }];
  });
}

/** Mean over rows of p(positive | names of the first group) − p(positive | names of the second). */
function meanDelta(measured: Measured): Weighted {
  const { subjects, counterfactuals, changed } = measured;
  const sums = subjects.map(() => [
    { sum: 0, count: 0 },
    { sum: 0, count: 0 },
  ]);
  for (const { index, group } of regrouped(measured)) {
    const own = sums[counterfactuals[index]?.subject as number]?.[group];
    if (own === undefined) continue;
    own.sum += changed[index]?.p as number;
    own.count++;
  }
  const rows = sums.flatMap(([first, second], subject) =>
    first === undefined || second === undefined || first.count === 0
      ? []
      : [{ subject, delta: first.sum / first.count - second.sum / second.count }],
  );
  return (weights) => {
    let [sum, total] = [0, 0];
    for (const { subject, delta } of rows) {
      sum += (weights[subject] as number) * delta;
      total += weights[subject] as number;
    }
    return sum / total;
  };
}

/** Selection rates of the same texts with names of each group, and how they differ. */
function groupQuantities(measured: Measured): Record<string, Weighted> {
  const { counterfactuals, changed, groups, positive, truth } = measured;
  const entries = regrouped(measured);
  const labelled = entries.filter(({ index }) => truth[counterfactuals[index]?.subject as number] !== undefined);
  const table = (chosen: typeof entries) => {
    const subjects = chosen.map(({ index }) => counterfactuals[index]?.subject as number);
    const columns = {
      predicted: chosen.map(({ index }) => changed[index]?.label === positive),
      groups: chosen.map(({ group }) => group),
      truth: subjects.map((subject) => truth[subject] === positive),
    };
    return (weights: Float64Array) => ({ ...columns, weights: subjects.map((subject) => weights[subject] as number) });
  };
  const [all, known] = [table(entries), table(labelled)];
  return {
    ...Object.fromEntries(
      groups.map((name, group): [string, Weighted] => [
        `selectionRate.${name}`,
        (weights) => selectionRates(all(weights)).get(group) ?? Number.NaN,
      ]),
    ),
    demographicParityDifference: (weights) => demographicParityDifference(all(weights)),
    demographicParityRatio: (weights) => demographicParityRatio(all(weights)),
    equalizedOddsDifference: (weights) => equalizedOddsDifference(known(weights)),
  };
}
