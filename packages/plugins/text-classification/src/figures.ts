import type { Figure } from '@anneal/core';

import { confidencesOf } from './metrics/calibration.ts';
import { confusion } from './metrics/counts.ts';
import type { Predictions } from './metrics/predictions.ts';
import { rankingOf } from './metrics/ranking.ts';

interface FigureOptions {
  readonly labels: readonly string[];
  readonly positive: number;
  readonly bins: number;
}

/** More points than a chart can show are thinned out. */
const MAX_POINTS = 200;
/** Curves that one chart can hold. */
const MAX_CURVES = 8;

export function figuresOf(p: Predictions, options: FigureOptions): Readonly<Record<string, Figure>> {
  return {
    reliability: reliabilityDiagram(p, options),
    confidence: confidenceHistogram(p, options),
    confusion: confusionMatrix(p, options),
    roc: rocCurves(p, options),
  };
}

/** Accuracy against mean confidence, by bin. */
function reliabilityDiagram(p: Predictions, { bins }: FigureOptions): Figure {
  const { confidence, bin } = confidencesOf(p, bins);
  const sums = Array.from({ length: bins }, () => ({ rows: 0, confidence: 0, correct: 0 }));
  confidence.forEach((value, i) => {
    const own = sums[bin[i] as number] as (typeof sums)[number];
    own.rows++;
    own.confidence += value;
    own.correct += Number(p.labels[i] === p.predicted[i]);
  });
  const filled = sums.filter(({ rows }) => rows > 0);
  return {
    kind: 'line',
    title: 'Reliability',
    x: { label: 'confidence', min: 0, max: 1 },
    y: { label: 'accuracy', min: 0, max: 1 },
    series: [
      { name: 'by bin', points: filled.map((own) => [own.confidence / own.rows, own.correct / own.rows] as const) },
    ],
    diagonal: true,
  };
}

/** How many rows the bins of the reliability diagram hold. */
function confidenceHistogram(p: Predictions, { bins }: FigureOptions): Figure {
  const rows = new Float64Array(bins);
  for (const b of confidencesOf(p, bins).bin) rows[b] = (rows[b] as number) + 1;
  return {
    kind: 'bar',
    title: 'Confidence',
    x: { label: 'confidence', min: 0, max: 1 },
    y: { label: 'rows', min: 0 },
    series: [{ name: 'rows', points: Array.from(rows, (count, b) => [(b + 0.5) / bins, count] as const) }],
  };
}

function confusionMatrix(p: Predictions, { labels }: FigureOptions): Figure {
  const matrix = confusion(p, new Float64Array(p.count).fill(1));
  return {
    kind: 'table',
    title: 'Confusion matrix: rows are true classes, columns predicted ones',
    columns: ['', ...labels],
    rows: labels.map((label, k) => [label, ...matrix.subarray(k * p.classes, (k + 1) * p.classes)]),
  };
}

function rocCurves(p: Predictions, { labels, positive }: FigureOptions): Figure {
  const chosen = p.classes === 2 ? [positive] : labels.map((_, k) => k).slice(0, MAX_CURVES);
  return {
    kind: 'line',
    title: 'ROC curve',
    x: { label: 'false positive rate', min: 0, max: 1 },
    y: { label: 'true positive rate', min: 0, max: 1 },
    series: chosen.map((k) => ({ name: labels[k] as string, points: thinned(rocPoints(p, k)) })),
    diagonal: true,
  };
}

/** From (0, 0) to (1, 1), one point for each score. */
function rocPoints(p: Predictions, k: number): (readonly [number, number])[] {
  const { order, positive, tied } = rankingOf(p, k);
  let [hits, alarms] = [0, 0];
  const counts: [number, number][] = [[0, 0]];
  for (let at = order.length - 1; at >= 0; at--) {
    if (positive[at] === 1) hits++;
    else alarms++;
    if (tied[at] === 0) counts.push([alarms, hits]);
  }
  return counts.map(([x, y]) => [alarms === 0 ? 0 : x / alarms, hits === 0 ? 0 : y / hits] as const);
}

function thinned<T>(points: readonly T[]): readonly T[] {
  if (points.length <= MAX_POINTS) return points;
  const step = (points.length - 1) / (MAX_POINTS - 1);
  return Array.from({ length: MAX_POINTS }, (_, i) => points[Math.round(i * step)] as T);
}
