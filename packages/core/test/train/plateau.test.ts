import { readFileSync } from 'node:fs';

import type { Task, TrainConfig } from '@anneal/core';
import { describe, expect, it } from 'vitest';

import { newPlateau, notePlateau, type PlateauOptions } from '../../src/train/plateau.ts';
import { failure } from '../tiny/build.ts';
import { type Trained, trainTiny } from '../tiny/engine.ts';
import { points, task } from '../tiny/problem.ts';

const { metrics, plateau } = JSON.parse(readFileSync(new URL('./fixtures/torch.json', import.meta.url), 'utf8')) as {
  /** `null` where it is not a number. */
  readonly metrics: readonly (number | null)[];
  readonly plateau: readonly {
    readonly mode: 'min' | 'max';
    readonly options: PlateauOptions;
    readonly rates: readonly number[];
  }[];
};
const valueOf = (metric: number | null, mode: 'min' | 'max'): number => {
  const value = metric ?? Number.NaN;
  return mode === 'min' ? value : 1 - value;
};

/** Evaluations that give what PyTorch was given. */
function scripted(mode: 'min' | 'max'): Task {
  let at = 0;
  return {
    ...task,
    monitor: { metric: 'score', mode },
    evaluator: () => ({
      update: () => undefined,
      result: () => ({ score: { value: valueOf(metrics[at++] ?? null, mode) } }),
    }),
  };
}

function run(mode: 'min' | 'max', config: TrainConfig): Promise<Trained> {
  return trainTiny({
    task: scripted(mode),
    validation: points(3, 5),
    config: { learningRate: 1, optimizer: 'sgd', loadBestModel: false, ...config },
  });
}

describe('the plateau schedule', () => {
  it.each(plateau)('reduces as PyTorch does: $mode $options', ({ mode, options, rates }) => {
    let state = newPlateau(1);
    const found = metrics.map((metric) => {
      state = notePlateau(state, valueOf(metric, mode), mode, options);
      return state.rate;
    });
    found.forEach((rate, i) => expect(rate).toBeCloseTo(rates[i]!, 12));
  });

  // Otherwise the goldens would show little.
  it('reduces in the goldens, and is stopped by each of its options', () => {
    const reductions = plateau.map(({ rates }) => new Set(rates).size - 1);
    expect(Math.max(...reductions)).toBeGreaterThan(4);
    expect(new Set(reductions).size).toBeGreaterThan(3);
  });

  it('makes no reduction that is too small to matter', () => {
    const rateAfter = (factor: number): number => {
      const first = notePlateau(newPlateau(0.5), 1, 'min', { factor, patience: 0 });
      return notePlateau(first, 1, 'min', { factor, patience: 0 }).rate;
    };
    expect(rateAfter(1 - 1e-9)).toBe(0.5);
    expect(rateAfter(0.5)).toBe(0.25);
  });

  it.each(plateau.filter(({ options }) => options.factor !== undefined))(
    'gives the rates of the steps between evaluations: $mode $options',
    async ({ mode, options, rates }) => {
      // Two steps between evaluations; the one at the end of the only epoch is the last.
      const config = { epochs: 1, batchSize: 1, evalSteps: 2, lrScheduler: { name: 'plateau', ...options } } as const;
      const { report } = await run(mode, config);
      expect(report.validation.map(({ step }) => step)).toEqual([2, 4, 6, 8, 10, 12, 14, 16, 18]);
      report.curve.forEach(({ learningRate, step }) => {
        expect(learningRate).toBeCloseTo(step < 2 ? 1 : rates[Math.floor(step / 2) - 1]!, 12);
      });
    },
  );

  it('warms up like the others, and works by name', async () => {
    const { report } = await run('min', { epochs: 2, batchSize: 9, warmupRatio: 0.5, lrScheduler: 'plateau' });
    expect(report.curve.map(({ learningRate }) => learningRate)).toEqual([0.5, 1, 1, 1]);
  });

  it('needs evaluations', async () => {
    expect(await failure(trainTiny({ config: { lrScheduler: 'plateau' } }))).toMatchObject({
      code: 'ANNEAL_E_CONFIG',
      message: 'the schedule `plateau` looks at evaluations, and the dataset has no split "validation"',
      path: ['stages', 'main', 'train', 'lrScheduler'],
    });
  });
});

describe('evaluations between epochs', () => {
  const steps = async (config: TrainConfig): Promise<readonly number[]> => {
    const { report } = await trainTiny({ validation: points(3, 5), config: { batchSize: 3, ...config } });
    return report.validation.map(({ step }) => step);
  };

  it.each([
    [{ epochs: 2, evalSteps: 4 }, [4, 6, 8, 12]],
    [{ epochs: 2, evalSteps: 3 }, [3, 6, 9, 12]],
    [{ epochs: 2, evalSteps: 100 }, [6, 12]],
    [{ epochs: 2, evalSteps: 2, maxSteps: 5 }, [2, 4, 5]],
    [{ epochs: 1 }, [6]],
  ])('%o come after steps %j', async (config, wanted) => {
    expect(await steps(config)).toEqual(wanted);
  });

  it('stop early in the middle of an epoch, with the best weights', async () => {
    const { report, weights } = await run('min', {
      epochs: 1,
      batchSize: 1,
      evalSteps: 2,
      earlyStopping: { patience: 3 },
      loadBestModel: true,
    });
    // 0.9, 0.8, 0.85, 0.8 and 0.79999, which is a gain; then 0.81, nothing and 0.7.
    expect(report).toMatchObject({ steps: 18, stoppedEarly: false });
    const short = await run('min', {
      epochs: 1,
      batchSize: 1,
      evalSteps: 2,
      earlyStopping: { patience: 2 },
      loadBestModel: true,
    });
    expect(short.report).toMatchObject({ steps: 8, stoppedEarly: true, best: { step: 4, value: 0.8 } });
    expect(short.weights).not.toEqual(weights);
  });

  it('say when they have no effect', async () => {
    const { logs } = await trainTiny({ config: { epochs: 1, evalSteps: 2 } });
    expect(logs.filter(({ level }) => level === 'warn').map(({ message }) => message)).toEqual([
      '`evalSteps` of stage main has no effect: the dataset has no split "validation"',
    ]);
  });
});
