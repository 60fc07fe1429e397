/** What a classifier said of rows, and the group of each. */
export interface GroupedPredictions {
  /** Whether each row was predicted positive: a boolean, or 1 and 0. */
  readonly predicted: ArrayLike<boolean | number>;
  /** Group of each prediction. */
  readonly groups: ArrayLike<string | number>;
  /** How much each row counts. @defaultValue 1 each */
  readonly weights?: ArrayLike<number> | undefined;
}

/** {@link GroupedPredictions} with what is true. */
export interface LabelledPredictions extends GroupedPredictions {
  /** Whether each row is positive. */
  readonly truth: ArrayLike<boolean | number>;
}

/** How gaps become one number. */
export interface EqualizedOddsOptions {
  /** How the gaps of the true and the false positive rate become one number. @defaultValue `'worst'` */
  readonly aggregate?: 'worst' | 'mean' | undefined;
}

/** The share of rows predicted positive, by group; rows of weight 0 do not make a group. */
export function selectionRates({
  predicted,
  groups,
  weights,
}: GroupedPredictions): ReadonlyMap<string | number, number> {
  return ratesOf(groups, predicted, weights, () => true);
}

/** The share of positive rows predicted positive, by group. A group without positive rows has none. */
export function truePositiveRates(p: LabelledPredictions): ReadonlyMap<string | number, number> {
  return ratesOf(p.groups, p.predicted, p.weights, (i) => Boolean(p.truth[i]));
}

/** The share of negative rows predicted positive, by group. A group without negative rows has none. */
export function falsePositiveRates(p: LabelledPredictions): ReadonlyMap<string | number, number> {
  return ratesOf(p.groups, p.predicted, p.weights, (i) => !p.truth[i]);
}

/**
 * The largest selection rate less the smallest (Fairlearn's `demographic_parity_difference`, never negative; AIF360's
 * `statistical_parity_difference` has a sign). NaN without rows.
 */
export function demographicParityDifference(p: GroupedPredictions): number {
  return gapOf(selectionRates(p));
}

/** The smallest selection rate by the largest (Fairlearn's `demographic_parity_ratio`). NaN when no row is positive. */
export function demographicParityRatio(p: GroupedPredictions): number {
  return ratioOf(selectionRates(p));
}

/**
 * The larger of the gaps of the true and the false positive rate, or their mean (Fairlearn's
 * `equalized_odds_difference`; Hardt et al., 2016). A gap counts where at least two groups have the rate; NaN when none has.
 */
export function equalizedOddsDifference(
  p: LabelledPredictions,
  { aggregate = 'worst' }: EqualizedOddsOptions = {},
): number {
  return aggregated(bothRates(p).map(gapOf), aggregate, Math.max);
}

/** The smaller of the ratios of the true and the false positive rate, or their mean (`equalized_odds_ratio`). */
export function equalizedOddsRatio(p: LabelledPredictions, { aggregate = 'worst' }: EqualizedOddsOptions = {}): number {
  return aggregated(bothRates(p).map(ratioOf), aggregate, Math.min);
}

type Rates = ReadonlyMap<string | number, number>;

function bothRates(p: LabelledPredictions): readonly Rates[] {
  return [truePositiveRates(p), falsePositiveRates(p)].filter((rates) => rates.size >= 2);
}

function aggregated(values: readonly number[], how: 'worst' | 'mean', worst: (...all: number[]) => number): number {
  if (values.length === 0) return Number.NaN;
  return how === 'worst' ? worst(...values) : values.reduce((a, b) => a + b, 0) / values.length;
}

function gapOf(rates: Rates): number {
  return rates.size === 0 ? Number.NaN : Math.max(...rates.values()) - Math.min(...rates.values());
}

function ratioOf(rates: Rates): number {
  return rates.size === 0 ? Number.NaN : Math.min(...rates.values()) / Math.max(...rates.values());
}

function ratesOf(
  groups: ArrayLike<string | number>,
  predicted: ArrayLike<boolean | number>,
  weights: ArrayLike<number> | undefined,
  counts: (index: number) => boolean,
): Rates {
  const sums = new Map<string | number, { positive: number; total: number }>();
  for (let i = 0; i < groups.length; i++) {
    const weight = weights === undefined ? 1 : (weights[i] as number);
    if (weight === 0 || !counts(i)) continue;
    const group = groups[i] as string | number;
    let sum = sums.get(group);
    if (sum === undefined) sums.set(group, (sum = { positive: 0, total: 0 }));
    sum.total += weight;
    if (predicted[i]) sum.positive += weight;
  }
  return new Map([...sums].map(([group, { positive, total }]) => [group, positive / total]));
}
