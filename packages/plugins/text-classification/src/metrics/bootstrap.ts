import { random } from '@anneal/core';

import type { Weighted } from './counts.ts';

/**
 * 95 % confidence intervals by the percentile bootstrap over rows (Efron, 1979): the same resamples for every metric.
 * A resample in which a metric is not defined, such as an AUROC of one class, does not count; a metric that hardly
 * any resample defines has no interval.
 */
export function bootstrap(
  metrics: readonly Weighted[],
  count: number,
  options: { readonly samples: number; readonly seed: number },
): (readonly [low: number, high: number] | undefined)[] {
  const { samples, seed } = options;
  const values = metrics.map(() => new Float64Array(samples));
  const stream = random(seed, 'bootstrap');
  const weights = new Float64Array(count);
  for (let sample = 0; sample < samples; sample++) {
    weights.fill(0);
    for (const word of stream.words(count)) {
      const row = Math.floor((word / 2 ** 32) * count);
      weights[row] = (weights[row] as number) + 1;
    }
    metrics.forEach((metric, m) => {
      (values[m] as Float64Array)[sample] = metric(weights);
    });
  }
  return values.map((all) => {
    const defined = all.filter((value) => !Number.isNaN(value)).sort();
    if (defined.length < samples / 2) return undefined;
    return [quantile(defined, 0.025), quantile(defined, 0.975)] as const;
  });
}

/** Of rising values, by linear interpolation between the two nearest. */
export function quantile(sorted: ArrayLike<number>, q: number): number {
  const at = q * (sorted.length - 1);
  const below = Math.floor(at);
  const low = sorted[below] as number;
  const high = sorted[Math.min(below + 1, sorted.length - 1)] as number;
  return low + (at - below) * (high - low);
}
