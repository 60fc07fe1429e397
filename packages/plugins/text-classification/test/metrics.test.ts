import { isAnnealError, type Evaluator } from '@anneal/core';
import { tensor } from '@anneal/graph';
import { describe, expect, it } from 'vitest';

import { createEvaluator, type EvaluatorOptions } from '../src/evaluator.ts';
import { quantile } from '../src/metrics/bootstrap.ts';
import { classNames, fixture, type MetricFixture, type PredictionCase, predictionsOf } from './fixtures.ts';

const goldens = fixture<MetricFixture>('metrics.json');

function evaluator(classes: number, options: Partial<EvaluatorOptions> = {}): Evaluator {
  const labels = classNames(classes);
  return createEvaluator({ labels, labelColumn: 'label', positive: 1, bins: 15, samples: 1000, seed: 3, ...options });
}

/** Fed in pieces, as batches come. */
function evaluated(golden: PredictionCase, options: Partial<EvaluatorOptions> = {}): Evaluator {
  const classes = golden.logits[0]!.length;
  const own = evaluator(classes, options);
  for (let at = 0; at < golden.labels.length; at += 32) {
    const part = { labels: golden.labels.slice(at, at + 32), logits: golden.logits.slice(at, at + 32) };
    const { rows, outputs } = predictionsOf(part);
    own.update(rows, outputs);
  }
  return own;
}

describe.each(goldens.cases.map((golden) => [golden.logits[0]!.length, golden] as const))(
  'with %i classes',
  (_, golden) => {
    it.each(Object.entries(golden.metrics))('%s is what scikit-learn says', (name, value) => {
      const result = evaluated(golden).result({ intervals: false });
      expect(result[name]?.value).toBeCloseTo(value, 12);
      expect(result[name]).not.toHaveProperty('ci95');
    });

    it('the confusion matrix is what scikit-learn says', () => {
      const figure = evaluated(golden).figures!()['confusion']!;
      const rows = figure.kind === 'table' ? figure.rows : [];
      expect(rows.map((row) => row.slice(1))).toEqual(golden.confusion);
    });
  },
);

describe('figures', () => {
  it('the ROC curve is what scikit-learn says', () => {
    const [golden] = goldens.cases;
    const figure = evaluated(golden!).figures!()['roc']!;
    const points = figure.kind === 'table' ? [] : figure.series[0]!.points;
    expect(points).toHaveLength(golden!.roc!.length);
    points.forEach(([x, y], i) => {
      expect(x).toBeCloseTo(golden!.roc![i]![0], 12);
      expect(y).toBeCloseTo(golden!.roc![i]![1], 12);
    });
  });

  it('the reliability diagram gives the calibration error back', () => {
    const [golden] = goldens.cases;
    const { reliability, confidence } = evaluated(golden!).figures!();
    const points = reliability?.kind === 'line' ? reliability.series[0]!.points : [];
    const counts = confidence?.kind === 'bar' ? confidence.series[0]!.points.map(([, rows]) => rows) : [];
    const filled = counts.filter((rows) => rows > 0);
    const total = golden!.labels.length;
    const ece = points.reduce((sum, [conf, acc], i) => sum + (filled[i]! / total) * Math.abs(acc - conf), 0);
    expect(filled.reduce((a, b) => a + b)).toBe(total);
    expect(ece).toBeCloseTo(golden!.metrics['ece']!, 12);
  });

  it('a curve of many rows is thinned and keeps its ends', () => {
    const labels = Array.from({ length: 3000 }, (_, i) => (i * 7) % 2);
    const logits = labels.map((label, i) => [0, Math.sin(i) + label]);
    const figure = evaluated({ labels, logits }).figures!()['roc']!;
    const points = figure.kind === 'line' ? figure.series[0]!.points : [];
    expect(points).toHaveLength(200);
    expect(points[0]).toEqual([0, 0]);
    expect(points.at(-1)).toEqual([1, 1]);
  });
});

describe('confidence intervals', () => {
  const golden = goldens.bootstrap;

  it.each(Object.entries(golden.ci95))('of %s are near those of scipy', (name, [low, high]) => {
    const { ci95 } = evaluated(golden, { samples: 4000 }).result({ intervals: true })[name]!;
    // Two sets of resamples: the ends differ by a small part of the width.
    const tolerance = 0.08 * (high - low);
    expect(Math.abs(ci95![0] - low)).toBeLessThan(tolerance);
    expect(Math.abs(ci95![1] - high)).toBeLessThan(tolerance);
  });

  it('are the same for the same seed and others for another', () => {
    const measure = (seed: number): unknown => evaluated(golden, { seed }).result({ intervals: true });
    expect(measure(1)).toEqual(measure(1));
    expect(measure(1)).not.toEqual(measure(2));
  });

  it('take no time to speak of for 2,000 rows', () => {
    const labels = Array.from({ length: 2000 }, (_, i) => i % 2);
    const own = evaluated({ labels, logits: labels.map((label, i) => [0, Math.sin(i) + label]) });
    const start = performance.now();
    own.result({ intervals: true });
    expect(performance.now() - start).toBeLessThan(3000);
  });

  it('are left out where hardly any resample defines the metric', () => {
    const result = evaluated({
      labels: [1, 1, 1],
      logits: [
        [0, 1],
        [0, 2],
        [0, 3],
      ],
    }).result({ intervals: true });
    expect(result['auroc']).toEqual({ value: NaN, better: 'higher' });
    expect(result['accuracy']).toEqual({ value: 1, better: 'higher', ci95: [1, 1] });
  });

  it('interpolate between neighbours', () => {
    expect(quantile([1, 2, 4], 0.25)).toBe(1.5);
    expect(quantile([1, 2, 4], 1)).toBe(4);
  });
});

describe('edges', () => {
  it('the positive class decides precision and recall', () => {
    const golden = {
      labels: [0, 0, 0, 1],
      logits: [
        [2, 0],
        [2, 0],
        [0, 2],
        [0, 2],
      ],
    };
    const of = (positive: number): (number | undefined)[] => {
      const { precision, recall } = evaluated(golden, { positive }).result({ intervals: false });
      return [precision?.value, recall?.value];
    };
    expect(of(0)).toEqual([1, 2 / 3]);
    expect(of(1)).toEqual([1 / 2, 1]);
  });

  it('precision is 0 where nothing was predicted, and equal scores give an AUROC of one half', () => {
    const result = evaluated({
      labels: [0, 1, 1],
      logits: [
        [1, 0],
        [1, 0],
        [1, 0],
      ],
    }).result({ intervals: false });
    expect(result['precision']?.value).toBe(0);
    expect(result['f1']?.value).toBe(0);
    expect(result['auroc']?.value).toBe(0.5);
  });

  it('the log loss stays finite where the probability rounds to 0', () => {
    const result = evaluated({ labels: [0], logits: [[0, 2000]] }).result({ intervals: false });
    expect(result['logLoss']?.value).toBe(2000);
    expect(result['ece']?.value).toBe(1);
  });

  it('classes that are not among the rows do not count in the AUROC', () => {
    const result = evaluated({
      labels: [0, 1],
      logits: [
        [3, 1, 0],
        [1, 3, 0],
      ],
    }).result({ intervals: false });
    expect(result['auroc']?.value).toBe(1);
  });
});

describe('what cannot be measured', () => {
  const rows = [{ label: 'class 0' }, { label: 'class 1' }];
  const logits = tensor('float32', [2, 2], [0, 1, 1, 0]);

  function codeOf(fn: () => unknown): [string, string] {
    try {
      fn();
    } catch (error) {
      if (isAnnealError(error)) return [error.code, error.message];
    }
    return ['none', ''];
  }

  it('names a row without a class, or with an unknown one', () => {
    expect(codeOf(() => evaluator(2).update([rows[0]!, { id: 'm7' }], { logits }))).toMatchInlineSnapshot(`
      [
        "ANNEAL_E_DATA",
        "a row to evaluate (id "m7") has no class in \`label\`, received undefined",
      ]
    `);
    expect(codeOf(() => evaluator(2).update([rows[0]!, { label: 'eggs' }], { logits }))).toMatchInlineSnapshot(`
      [
        "ANNEAL_E_DATA",
        "a row to evaluate has an unknown class, received "eggs"",
      ]
    `);
  });

  it('wants finite logits of the right shape', () => {
    expect(codeOf(() => evaluator(2).update(rows, {}))).toMatchInlineSnapshot(`
      [
        "ANNEAL_E_MODEL",
        "the model has no output \`logits\`, received none",
      ]
    `);
    expect(codeOf(() => evaluator(3).update(rows, { logits }))).toMatchInlineSnapshot(`
      [
        "ANNEAL_E_SHAPE",
        "\`logits\` must be [2, 3], received [2,2]",
      ]
    `);
    const broken = tensor('float32', [2, 2], [0, NaN, 1, 0]);
    expect(codeOf(() => evaluator(2).update(rows, { logits: broken }))).toMatchInlineSnapshot(`
      [
        "ANNEAL_E_MODEL",
        "the model gave NaN as a logit",
      ]
    `);
    const whole = tensor('int64', [2, 2], [0, 1, 1, 0]);
    expect(codeOf(() => evaluator(2).update(rows, { logits: whole }))).toMatchInlineSnapshot(`
      [
        "ANNEAL_E_MODEL",
        "\`logits\` must be float32, received int64",
      ]
    `);
  });

  it('wants at least one row', () => {
    expect(codeOf(() => evaluator(2).result({ intervals: true }))).toMatchInlineSnapshot(`
      [
        "ANNEAL_E_DATA",
        "there is nothing to measure, received 0 rows",
      ]
    `);
  });
});
