import type { Predictions } from './predictions.ts';

/** A metric of weighted rows. Weights are how often a row is in a resample, so they are integers of at least 0. */
export type Weighted = (weights: Float64Array) => number;

/** How many rows of which class were given which class: `[true · classes + predicted]`. */
export function confusion({ count, classes, labels, predicted }: Predictions, weights: Float64Array): Float64Array {
  const matrix = new Float64Array(classes * classes);
  for (let i = 0; i < count; i++) {
    const cell = (labels[i] as number) * classes + (predicted[i] as number);
    matrix[cell] = (matrix[cell] as number) + (weights[i] as number);
  }
  return matrix;
}

/** Rows of a class: found, missed, and others taken for it. */
interface Counts {
  readonly hits: number;
  readonly misses: number;
  readonly falseAlarms: number;
}

function countsOf(matrix: Float64Array, classes: number, k: number): Counts {
  let [row, column] = [0, 0];
  for (let j = 0; j < classes; j++) {
    row += matrix[k * classes + j] as number;
    column += matrix[j * classes + k] as number;
  }
  const hits = matrix[k * classes + k] as number;
  return { hits, misses: row - hits, falseAlarms: column - hits };
}

/** 0 where nothing is divided by nothing, as scikit-learn's `zero_division=0`. */
const ratio = (a: number, b: number): number => (b === 0 ? 0 : a / b);

const precisionOf = ({ hits, falseAlarms }: Counts): number => ratio(hits, hits + falseAlarms);
const recallOf = ({ hits, misses }: Counts): number => ratio(hits, hits + misses);
const f1Of = ({ hits, misses, falseAlarms }: Counts): number => ratio(2 * hits, 2 * hits + misses + falseAlarms);

/** Of the positive class with two classes, otherwise the plain mean over classes (macro). */
function perClass(of: (counts: Counts) => number): (p: Predictions, positive: number) => Weighted {
  return (p, positive) => (weights) => {
    const matrix = confusion(p, weights);
    if (p.classes === 2) return of(countsOf(matrix, 2, positive));
    let sum = 0;
    for (let k = 0; k < p.classes; k++) sum += of(countsOf(matrix, p.classes, k));
    return sum / p.classes;
  };
}

export const precision: (p: Predictions, positive: number) => Weighted = perClass(precisionOf);
export const recall: (p: Predictions, positive: number) => Weighted = perClass(recallOf);
export const f1: (p: Predictions, positive: number) => Weighted = perClass(f1Of);

/** Mean of a quantity of each row. */
export function meanOf(values: Float64Array): Weighted {
  return (weights) => {
    let [sum, total] = [0, 0];
    for (let i = 0; i < values.length; i++) {
      sum += (values[i] as number) * (weights[i] as number);
      total += weights[i] as number;
    }
    return sum / total;
  };
}

export function accuracy({ labels, predicted }: Predictions): Weighted {
  return meanOf(Float64Array.from(labels, (label, i) => Number(label === predicted[i])));
}
