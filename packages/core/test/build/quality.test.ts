import { describe, expect, it } from 'vitest';

import { qualityCheck } from '../../src/build/evaluate.ts';
import type { VariantMetrics } from '../../src/report/types.ts';

const variant = (name: string, value: number, better: 'higher' | 'lower' | undefined): VariantMetrics => ({
  metrics: { [name]: { value, better } },
  figures: {},
  bytes: 1,
  peakRssMb: 1,
  latencyMsP50: 1,
  latencyMsP95: 1,
  throughput: 1,
});

describe('a compressed model is as good', () => {
  it.each<[name: string, better: 'higher' | 'lower' | undefined, before: number, after: number, passed: boolean]>([
    // A share: points.
    ['accuracy', 'higher', 0.98, 0.9771, true],
    ['accuracy', 'higher', 0.98, 0.9769, false],
    ['ece', 'lower', 0.01, 0.0129, true],
    ['ece', 'lower', 0.01, 0.0131, false],
    // Without a bound: in proportion.
    ['perplexity', 'lower', 12, 12.035, true],
    ['perplexity', 'lower', 12, 12.037, false],
    ['perplexity', 'lower', 4000, 4011, true],
    ['loss', 'lower', 3.2, 3.209, true],
    ['loss', 'lower', 3.2, 3.21, false],
    ['bleu', 'higher', 30, 29.92, true],
    ['bleu', 'higher', 30, 29.9, false],
    ['logLikelihood', 'higher', -30, -30.08, true],
    ['logLikelihood', 'higher', -30, -30.1, false],
    // Better, and without a direction.
    ['perplexity', 'lower', 12, 1, true],
    ['accuracy', 'higher', 0.9, 1, true],
    ['rows', undefined, 10, 1, true],
    // Not a number is worse, on either side.
    ['accuracy', 'higher', 0.9, Number.NaN, false],
    ['perplexity', 'lower', 12, Number.POSITIVE_INFINITY, false],
    ['loss', 'lower', Number.NaN, 1, false],
  ])('%s (%s) from %d to %d: %s', (name, better, before, after, passed) => {
    const check = qualityCheck(variant(name, before, better), variant(name, after, better));
    expect(check.passed).toBe(passed);
    expect(check.message).toContain(passed ? 'no metric is worse by more than 0.003, or 0.3 %' : `${name} `);
  });

  it('not without the metric', () => {
    expect(qualityCheck(variant('a', 1, 'higher'), variant('b', 1, 'higher')).passed).toBe(false);
  });
});
