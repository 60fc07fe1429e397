import type { Metric } from '../task.ts';
import {
  bytes,
  isMeasured,
  mebibytes,
  milliseconds,
  number,
  quality,
  signedDifference,
  signedPercent,
} from './format.ts';
import type { FlatMetrics } from './types.ts';

/** How a measured quantity is named and shown, and which way is better. */
export interface Quantity {
  readonly label: string;
  /** `1`: more is better, `-1`: less is better, `0`: not known. */
  readonly better: 1 | -1 | 0;
  readonly text: (value: number) => string;
  /** What it is, for a reader who has not met it; absent where it is not known. */
  readonly meaning?: string | undefined;
  /** Costs are compared by ratio, qualities by difference. */
  readonly cost: boolean;
}

interface Known {
  readonly label: string;
  readonly better: 1 | -1;
  readonly meaning: string;
  readonly cost?: (value: number) => string;
}

/** By name in lower case. */
const KNOWN: Readonly<Record<string, Known>> = {
  accuracy: { label: 'Accuracy', better: 1, meaning: 'share of rows whose class is right' },
  precision: { label: 'Precision', better: 1, meaning: 'share of the rows called positive that are' },
  recall: { label: 'Recall', better: 1, meaning: 'share of the positive rows that are called so' },
  f1: { label: 'F1', better: 1, meaning: 'harmonic mean of precision and recall' },
  macrof1: { label: 'Macro F1', better: 1, meaning: 'mean of the F1 of each class' },
  auroc: { label: 'AUROC', better: 1, meaning: 'chance that a positive row is ranked above a negative one' },
  auprc: { label: 'AUPRC', better: 1, meaning: 'area under the precision–recall curve' },
  mcc: { label: 'MCC', better: 1, meaning: 'correlation of true and predicted classes' },
  r2: { label: 'R²', better: 1, meaning: 'share of the variance that is explained' },
  mrr: { label: 'MRR', better: 1, meaning: 'mean of 1/rank of the right answer' },
  ece: { label: 'Calibration error', better: -1, meaning: 'mean gap between confidence and accuracy (ECE)' },
  logloss: { label: 'Log loss', better: -1, meaning: 'mean negative log of the probability of the true class' },
  loss: { label: 'Loss', better: -1, meaning: 'what training minimises' },
  brier: { label: 'Brier score', better: -1, meaning: 'mean squared error of the probabilities' },
  perplexity: { label: 'Perplexity', better: -1, meaning: 'exponential of the loss per token' },
  mse: { label: 'MSE', better: -1, meaning: 'mean squared error' },
  rmse: { label: 'RMSE', better: -1, meaning: 'root of the mean squared error' },
  mae: { label: 'MAE', better: -1, meaning: 'mean absolute error' },
  meanrank: { label: 'Mean rank', better: -1, meaning: 'mean rank of the right answer' },
  latencymsp50: {
    label: 'Latency, median',
    better: -1,
    meaning: 'time for one row at its own length',
    cost: milliseconds,
  },
  latencymsp95: {
    label: 'Latency, 95th percentile',
    better: -1,
    meaning: 'one row in twenty takes longer',
    cost: milliseconds,
  },
  throughput: {
    label: 'Throughput',
    better: 1,
    meaning: 'rows per second at the evaluation batch size',
    cost: (value) => `${number(value)}${isMeasured(value) ? '/s' : ''}`,
  },
  bytes: { label: 'Size', better: -1, meaning: 'the ONNX file, weights included', cost: bytes },
  peakrssmb: {
    label: 'Peak memory',
    better: -1,
    meaning: 'of a fresh process that loads the model and runs it',
    cost: mebibytes,
  },
};

/** `hits@10`, `ndcg@5`: ranking measures of which more is better. */
const AT_K = /^(?:hits|ndcg|precision|recall|map)@\d+$/;

type Variant = FlatMetrics | Readonly<Record<string, Metric>> | undefined;

/** What is known of a quantity; which way is better is the word of those who measured it, where they say. */
export function quantityOf(name: string, ...measuredBy: readonly Variant[]): Quantity {
  const key = name.toLowerCase();
  const known = Object.hasOwn(KNOWN, key) ? KNOWN[key] : undefined;
  const said = measuredBy.map((variant) => betterOf(variant, name)).find((own) => own !== undefined);
  const better = said ?? known?.better ?? (AT_K.test(key) ? 1 : 0);
  if (known === undefined) return { label: name, better, text: quality, cost: false };
  const { label, meaning, cost } = known;
  return { label, better, meaning, text: cost ?? quality, cost: cost !== undefined };
}

function betterOf(variant: Variant, name: string): 1 | -1 | undefined {
  const found: unknown = variant !== undefined && Object.hasOwn(variant, name) ? variant[name] : undefined;
  if (typeof found !== 'object' || found === null) return undefined;
  const { better } = found as Metric;
  return better === 'higher' ? 1 : better === 'lower' ? -1 : undefined;
}

/** A value and its interval; `undefined` for what was not measured: NaN, which `report.json` holds as `null`. */
export interface Reading {
  readonly value: number | undefined;
  readonly ci95: readonly [number, number] | undefined;
}

/** What `metrics` says of `name`; `undefined` when it has no such quantity. */
export function readingOf(metrics: Variant, name: string): Reading | undefined {
  if (metrics === undefined || !Object.hasOwn(metrics, name)) return undefined;
  const found: unknown = metrics[name];
  const own: { value?: unknown; ci95?: unknown } =
    typeof found === 'object' && found !== null ? found : { value: found };
  const [low, high] = Array.isArray(own.ci95) ? (own.ci95 as readonly unknown[]) : [];
  return {
    value: isMeasured(own.value) ? own.value : undefined,
    ci95: isMeasured(low) && isMeasured(high) ? [low, high] : undefined,
  };
}

/** How a quantity changed from one variant to another. */
export interface Change {
  /** `−0.0040` for a quality, `−72 %` for a cost. */
  readonly text: string;
  /** `undefined` where it is not known which way is better. */
  readonly verdict: 'better' | 'worse' | 'same' | undefined;
  /** The new value lies in the old one's 95 % interval. */
  readonly within: boolean;
}

/** Timings that differ by less are the same: two runs of one model differ by as much. */
const SAME_COST = 0.02;

/** `undefined` when either was not measured. */
export function changeOf(
  quantity: Quantity,
  before: Reading | undefined,
  after: Reading | undefined,
): Change | undefined {
  const [from, to] = [before?.value, after?.value];
  if (from === undefined || to === undefined || (quantity.cost && from === 0)) return undefined;
  const difference = quantity.cost ? to / from - 1 : to - from;
  const text = quantity.cost ? signedPercent(difference) : signedDifference(from, to);
  const same = quantity.cost ? Math.abs(difference) < SAME_COST : text === '0';
  const gain = difference * quantity.better;
  const verdict = same ? 'same' : quantity.better === 0 ? undefined : gain > 0 ? 'better' : 'worse';
  const [low, high] = before?.ci95 ?? [Number.NaN, Number.NaN];
  return { text, verdict, within: to >= low && to <= high };
}

/** A gate's measured value in the unit of its quantity: `latency.p95` in milliseconds, `size.bytes` in MB. */
export function gateText(metric: string, value: number): string {
  const unit = GATE_UNITS.find(([pattern]) => pattern.test(metric));
  return (unit?.[1] ?? quality)(value);
}
const GATE_UNITS: readonly (readonly [RegExp, (value: number) => string])[] = [
  [/(?:^|\.)latency\.p\d+$/, milliseconds],
  [/(?:^|\.)size\.bytes$/, bytes],
  [/(?:^|\.)memory\.peakRssMb$/, mebibytes],
  [/(?:^|\.)throughput$/, (value) => `${number(value)}${isMeasured(value) ? '/s' : ''}`],
];

/** Names of all quantities of the variants: qualities as they come, costs last. */
export function quantityNames(variants: readonly (FlatMetrics | undefined)[]): readonly string[] {
  const names = [...new Set(variants.flatMap((variant) => Object.keys(variant ?? {})))];
  const isCost = (name: string): boolean => quantityOf(name).cost;
  return [...names.filter((name) => !isCost(name)), ...names.filter(isCost)];
}
