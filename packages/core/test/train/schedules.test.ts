import { readFileSync } from 'node:fs';

import type { TrainConfig } from '@anneal/core';
import { describe, expect, it } from 'vitest';

import { learningRate } from '../../src/train/schedules.ts';

const { oneCycle } = JSON.parse(readFileSync(new URL('./fixtures/torch.json', import.meta.url), 'utf8')) as {
  readonly oneCycle: readonly { totalSteps: number; rise: number; rates: readonly number[] }[];
};

function rates(config: TrainConfig, totalSteps: number): number[] {
  const rate = learningRate({ learningRate: 1, ...config });
  return Array.from({ length: totalSteps }, (_, step) => rate({ step, totalSteps, epoch: 0 }));
}
const near = (found: readonly number[], wanted: readonly number[]): void => {
  expect(found).toHaveLength(wanted.length);
  wanted.forEach((value, i) => expect(found[i]).toBeCloseTo(value, 12));
};

describe('learning rate', () => {
  it('falls linearly by default, and would be 0 after the last step', () => {
    near(rates({}, 4), [1, 0.75, 0.5, 0.25]);
  });

  it('stays where it is', () => {
    near(rates({ lrScheduler: 'constant' }, 3), [1, 1, 1]);
  });

  it('falls along half a cosine', () => {
    near(rates({ lrScheduler: 'cosine' }, 4), [1, 0.5 + Math.SQRT1_2 / 2, 0.5, 0.5 - Math.SQRT1_2 / 2]);
  });

  it('rises first, and its first step is not wasted', () => {
    near(rates({ warmupRatio: 0.5 }, 8), [0.25, 0.5, 0.75, 1, 1, 0.75, 0.5, 0.25]);
    near(rates({ warmupRatio: 1 }, 4), [0.25, 0.5, 0.75, 1]);
    near(rates({ warmupRatio: 0.5, lrScheduler: 'constant' }, 1), [1]);
  });

  it('stays up until the last fifth, then goes down steeply at first (wsd)', () => {
    const found = rates({ lrScheduler: 'wsd', warmupRatio: 0.2 }, 125);
    near(
      found.slice(0, 25),
      Array.from({ length: 25 }, (_, i) => (i + 1) / 25),
    );
    near(
      found.slice(25, 106),
      Array.from({ length: 81 }, () => 1),
    );
    near(
      found.slice(105),
      Array.from({ length: 20 }, (_, i) => 1 - Math.sqrt(i / 20)),
    );
  });

  it.each(oneCycle)(
    'goes up and down as in PyTorch: $totalSteps steps, $rise rising',
    ({ totalSteps, rise, rates: wanted }) => {
      near(rates({ lrScheduler: 'one-cycle', ...(rise !== 0.3 && { warmupRatio: rise }) }, totalSteps), wanted);
    },
  );

  it.each(['constant', 'linear', 'cosine', 'wsd', 'one-cycle'] as const)(
    '%s is in (0, 1] at every step',
    (lrScheduler) => {
      for (const totalSteps of [1, 2, 3, 10, 97]) {
        for (const warmupRatio of [0, 0.01, 0.3, 1]) {
          for (const rate of rates({ lrScheduler, warmupRatio }, totalSteps)) {
            expect(rate).toBeGreaterThan(0);
            expect(rate).toBeLessThanOrEqual(1);
          }
        }
      }
    },
  );

  it.each(['exponential', 'constructor'])('refuses %s', (name) => {
    expect(() => learningRate({ lrScheduler: name as 'linear' })).toThrow(
      expect.objectContaining({ code: 'ANNEAL_E_CONFIG', fix: expect.stringContaining('wsd, one-cycle') }),
    );
  });
});
