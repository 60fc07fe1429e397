import { type LbfgsOptions, minimize, type Objective } from './lbfgs.ts';
import type { SparseMatrix } from './tfidf.ts';

export interface LogisticOptions extends LbfgsOptions {
  /** Inverse of the strength of regularisation, scikit-learn's `C`. @defaultValue `1` */
  readonly c?: number | undefined;
  /** Where to start: the result for another `c` is near. @defaultValue all zero */
  readonly start?: LinearClassifier | undefined;
}

/** A linear classifier: one column of weights with two classes (of the second), otherwise one per class. */
export interface LinearClassifier {
  readonly outputs: number;
  /** `[features, outputs]`. */
  readonly weights: Float64Array;
  readonly intercepts: Float64Array;
}

/**
 * Logistic regression with L2 regularisation of the weights, not of the intercepts: minimises
 * `C · Σ -ln p(class) + ½‖w‖²`, multinomial with more than two classes, as scikit-learn's `LogisticRegression` does.
 */
export async function trainLogistic(
  x: SparseMatrix,
  labels: Int32Array,
  classes: number,
  { c = 1, start, ...options }: LogisticOptions = {},
): Promise<LinearClassifier> {
  const outputs = classes === 2 ? 1 : classes;
  const parameters = new Float64Array((x.columns + 1) * outputs);
  if (start !== undefined) {
    parameters.set(start.weights);
    parameters.set(start.intercepts, start.weights.length);
  }
  // Scaled by the number of rows, so that the tolerance means the same for every size.
  await minimize(objective(x, labels, outputs, c), parameters, { tolerance: 1e-6, ...options });
  return {
    outputs,
    weights: parameters.subarray(0, x.columns * outputs),
    intercepts: parameters.subarray(x.columns * outputs),
  };
}

function objective(x: SparseMatrix, labels: Int32Array, outputs: number, c: number): Objective {
  const { rows, columns } = x;
  const scores = new Float64Array(outputs);
  const penalty = 1 / (c * rows);
  const loss = outputs === 1 ? binaryLoss : multinomialLoss;
  return (parameters, gradient) => {
    const weights = columns * outputs;
    let norm = 0;
    gradient.fill(0);
    for (let i = 0; i < weights; i++) {
      const w = parameters[i] as number;
      norm += w * w;
      gradient[i] = penalty * w;
    }
    let total = 0;
    for (let row = 0; row < rows; row++) {
      score(x, row, parameters, outputs, scores);
      total += loss(scores, labels[row] as number);
      const end = x.start[row + 1] as number;
      for (let k = 0; k < outputs; k++) {
        const error = (scores[k] as number) / rows;
        for (let at = x.start[row] as number; at < end; at++) {
          const j = (x.column[at] as number) * outputs + k;
          gradient[j] = (gradient[j] as number) + error * (x.value[at] as number);
        }
        gradient[weights + k] = (gradient[weights + k] as number) + error;
      }
    }
    return total / rows + (penalty / 2) * norm;
  };
}

/** `w·x + b` of one row, by output. */
function score(x: SparseMatrix, row: number, parameters: Float64Array, outputs: number, out: Float64Array): void {
  const end = x.start[row + 1] as number;
  for (let k = 0; k < outputs; k++) {
    let sum = parameters[x.columns * outputs + k] as number;
    for (let at = x.start[row] as number; at < end; at++) {
      sum += (x.value[at] as number) * (parameters[(x.column[at] as number) * outputs + k] as number);
    }
    out[k] = sum;
  }
}

/** `-ln p` of a class; replaces the scores by its derivative. */
type RowLoss = (scores: Float64Array, label: number) => number;

const binaryLoss: RowLoss = (scores, label) => {
  const z = scores[0] as number;
  scores[0] = 1 / (1 + Math.exp(-z)) - label;
  return Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))) - label * z;
};

const multinomialLoss: RowLoss = (scores, label) => {
  const top = scores.reduce((a, b) => Math.max(a, b));
  const own = (scores[label] as number) - top;
  let total = 0;
  for (const z of scores) total += Math.exp(z - top);
  for (let k = 0; k < scores.length; k++) {
    scores[k] = Math.exp((scores[k] as number) - top) / total - Number(k === label);
  }
  return Math.log(total) - own;
};

/** Logits `[rows, classes]`, so that softmax gives the probabilities. */
export function logitsOf({ outputs, weights, intercepts }: LinearClassifier, x: SparseMatrix): Float64Array {
  const parameters = new Float64Array(weights.length + outputs);
  parameters.set(weights);
  parameters.set(intercepts, weights.length);
  const classes = outputs === 1 ? 2 : outputs;
  const out = new Float64Array(x.rows * classes);
  const scores = new Float64Array(outputs);
  for (let row = 0; row < x.rows; row++) {
    score(x, row, parameters, outputs, scores);
    out.set(scores, row * classes + classes - outputs);
  }
  return out;
}
