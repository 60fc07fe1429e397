import type { Weighted } from './counts.ts';
import type { Predictions } from './predictions.ts';

/** Rows by rising score, and which of them are positive. Rows of one score share a rank. */
export interface Ranking {
  readonly order: Int32Array;
  readonly positive: Uint8Array;
  /** Whether the row at this place has the same score as the one before. */
  readonly tied: Uint8Array;
}

/** Ranks the rows by the probability of class `k`. */
export function rankingOf({ count, classes, labels, probabilities }: Predictions, k: number): Ranking {
  const score = (row: number): number => probabilities[row * classes + k] as number;
  const order = Int32Array.from({ length: count }, (_, i) => i).sort((a, b) => score(a) - score(b));
  return {
    order,
    positive: Uint8Array.from(order, (row) => Number(labels[row] === k)),
    tied: Uint8Array.from(order, (row, at) => Number(at > 0 && score(row) === score(order[at - 1] as number))),
  };
}

/**
 * Area under the ROC curve: the probability that a positive row scores above a negative one, ties counting half (Hanley
 * and McNeil, 1982). NaN when a side is empty.
 */
export function areaUnder({ order, positive, tied }: Ranking, weights: Float64Array): number {
  let [wins, below, positives] = [0, 0, 0];
  let [groupPositive, groupNegative] = [0, 0];
  for (let at = 0; at <= order.length; at++) {
    if (at === order.length || tied[at] === 0) {
      wins += groupPositive * (below + groupNegative / 2);
      below += groupNegative;
      positives += groupPositive;
      groupPositive = 0;
      groupNegative = 0;
      if (at === order.length) break;
    }
    const weight = weights[order[at] as number] as number;
    if (positive[at] === 1) groupPositive += weight;
    else groupNegative += weight;
  }
  return wins / (positives * below);
}

/** Of the positive class with two classes, otherwise the mean over classes of each against the rest. */
export function auroc(p: Predictions, positive: number): Weighted {
  const chosen = p.classes === 2 ? [positive] : Array.from({ length: p.classes }, (_, k) => k);
  const rankings = chosen.map((k) => rankingOf(p, k));
  return (weights) => {
    let [sum, defined] = [0, 0];
    for (const ranking of rankings) {
      const area = areaUnder(ranking, weights);
      // A class that is not among the rows, or all of them, has no curve.
      if (Number.isNaN(area)) continue;
      sum += area;
      defined++;
    }
    return sum / defined;
  };
}
