import { describe, expect, it } from 'vitest';

import {
  demographicParityDifference,
  demographicParityRatio,
  equalizedOddsDifference,
  equalizedOddsRatio,
  falsePositiveRates,
  selectionRates,
  truePositiveRates,
} from '../src/index.ts';
import fixture from './fixtures/fairness.json' with { type: 'json' };

describe('group metrics', () => {
  it('give what the documentation of Fairlearn prints', () => {
    const [example] = fixture.cases;
    expect(example?.name).toBe('documentation');
    expect(demographicParityDifference(example!)).toBe(0.25);
    expect(demographicParityRatio(example!)).toBeCloseTo(0.6667, 4);
    expect(equalizedOddsDifference(example!)).toBe(1);
    expect(equalizedOddsRatio(example!)).toBe(0);
  });

  it.each(fixture.cases)('agree with Fairlearn: $name', (example) => {
    const { rates } = example;
    const expectRates = (actual: ReadonlyMap<string | number, number>, expected: Readonly<Record<string, number>>) => {
      expect(new Set(actual.keys())).toEqual(new Set(Object.keys(expected)));
      for (const [group, rate] of actual) expect(rate).toBeCloseTo(expected[group]!, 12);
    };
    expectRates(selectionRates(example), rates.selection);
    expectRates(truePositiveRates(example), rates.tpr);
    expectRates(falsePositiveRates(example), rates.fpr);
    expect(demographicParityDifference(example)).toBeCloseTo(example.demographicParityDifference, 12);
    expect(demographicParityRatio(example)).toBeCloseTo(example.demographicParityRatio, 12);
    expect(equalizedOddsDifference(example)).toBeCloseTo(example.equalizedOddsDifference, 12);
    expect(equalizedOddsRatio(example)).toBeCloseTo(example.equalizedOddsRatio, 12);
    const mean = { aggregate: 'mean' } as const;
    expect(equalizedOddsDifference(example, mean)).toBeCloseTo(example.meanOddsDifference, 12);
    expect(equalizedOddsRatio(example, mean)).toBeCloseTo(example.meanOddsRatio, 12);
  });

  it('leave out what is not defined', () => {
    expect(demographicParityDifference({ predicted: [], groups: [] })).toBeNaN();
    expect(demographicParityRatio({ predicted: [], groups: [] })).toBeNaN();
    expect(demographicParityRatio({ predicted: [0, 0], groups: ['a', 'b'] })).toBeNaN();
    const positives = { truth: [1, 1, 1], predicted: [1, 0, 1], groups: ['a', 'a', 'b'] };
    expect(falsePositiveRates(positives).size).toBe(0);
    expect(equalizedOddsDifference(positives)).toBe(0.5);
    expect(equalizedOddsDifference({ truth: [1, 0], predicted: [1, 0], groups: ['a', 'b'] })).toBeNaN();
  });

  it('count a row of weight 2 twice, and one of weight 0 not at all', () => {
    const twice = { predicted: [1, 0, 0, 1], groups: ['a', 'a', 'b', 'c'], weights: [2, 1, 1, 0] };
    const spelled = { predicted: [1, 1, 0, 0], groups: ['a', 'a', 'a', 'b'] };
    expect(selectionRates(twice)).toEqual(selectionRates(spelled));
  });
});
