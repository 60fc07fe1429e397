import { meanOf, type Weighted } from './counts.ts';
import type { Predictions } from './predictions.ts';

/** The probability of the predicted class of each row, and the bin `(b/bins, (b+1)/bins]` that it falls in. */
export interface Confidences {
  readonly confidence: Float64Array;
  readonly bin: Int32Array;
}

export function confidencesOf({ count, classes, predicted, probabilities }: Predictions, bins: number): Confidences {
  const confidence = new Float64Array(count);
  const bin = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const value = probabilities[i * classes + (predicted[i] as number)] as number;
    confidence[i] = value;
    bin[i] = Math.min(bins - 1, Math.max(0, Math.ceil(value * bins) - 1));
  }
  return { confidence, bin };
}

/**
 * Expected calibration error of the predicted class (Guo et al., "On Calibration of Modern Neural Networks", 2017): the
 * mean over rows of |accuracy − confidence| of their bin.
 */
export function expectedCalibrationError(p: Predictions, bins: number): Weighted {
  const { confidence, bin } = confidencesOf(p, bins);
  const gap = Float64Array.from(confidence, (value, i) => Number(p.labels[i] === p.predicted[i]) - value);
  return (weights) => {
    const gaps = new Float64Array(bins);
    let total = 0;
    for (let i = 0; i < gap.length; i++) {
      const b = bin[i] as number;
      gaps[b] = (gaps[b] as number) + (gap[i] as number) * (weights[i] as number);
      total += weights[i] as number;
    }
    return gaps.reduce((sum, value) => sum + Math.abs(value), 0) / total;
  };
}

/** `-ln p(true class)`. */
export function logLoss({ logLosses }: Predictions): Weighted {
  return meanOf(logLosses);
}

/**
 * Squared distance between probabilities and truth (Brier, 1950): from 0 to 1 with two classes, where it is the error
 * of the positive class alone, and from 0 to 2 with more.
 */
export function brier({ count, classes, labels, probabilities }: Predictions): Weighted {
  const errors = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    let sum = 0;
    for (let k = 0; k < classes; k++) {
      sum += ((probabilities[i * classes + k] as number) - Number(labels[i] === k)) ** 2;
    }
    errors[i] = classes === 2 ? sum / 2 : sum;
  }
  return meanOf(errors);
}
