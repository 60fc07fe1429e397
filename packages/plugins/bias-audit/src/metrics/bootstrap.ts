import { random } from '@anneal/core';

/** A quantity of rows that each count a number of times. NaN where it is not defined. */
export type Weighted = (weights: Float64Array) => number;

/**
 * 95 % confidence intervals by the percentile bootstrap (Efron, 1979) over rows: all counterfactuals of a row stay
 * together, as they are not independent. A quantity that hardly any resample defines has no interval.
 */
export function intervals(
  quantities: readonly Weighted[],
  rows: number,
  { samples, seed }: { readonly samples: number; readonly seed: number },
): (readonly [low: number, high: number] | undefined)[] {
  const values = quantities.map(() => new Float64Array(samples));
  const stream = random(seed, 'bias-audit', 'bootstrap');
  const weights = new Float64Array(rows);
  for (let sample = 0; sample < samples; sample++) {
    weights.fill(0);
    for (const word of stream.words(rows)) {
      const row = Math.floor((word / 2 ** 32) * rows);
      weights[row] = (weights[row] as number) + 1;
    }
    quantities.forEach((quantity, q) => {
      (values[q] as Float64Array)[sample] = quantity(weights);
    });
  }
  return values.map((all) => {
    const defined = all.filter((value) => Number.isFinite(value)).sort();
    return defined.length < samples / 2 ? undefined : [quantile(defined, 0.025), quantile(defined, 0.975)];
  });
}

/** Of rising values, by linear interpolation between the two nearest. */
function quantile(sorted: Float64Array, q: number): number {
  const at = q * (sorted.length - 1);
  const low = sorted[Math.floor(at)] as number;
  const high = sorted[Math.ceil(at)] as number;
  return low + (at - Math.floor(at)) * (high - low);
}
