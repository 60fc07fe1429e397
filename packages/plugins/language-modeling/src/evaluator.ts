import { AnnealError, type Evaluator, type Metric, random } from '@anneal/core';
import type { TensorData, Tensors } from '@anneal/graph';

import { IGNORED } from './samples.ts';

export interface EvaluatorOptions {
  /** Bytes of text by token; without them there are no bits per byte. */
  readonly bytes: Uint16Array | undefined;
  /** Resamples behind a confidence interval. */
  readonly samples: number;
  readonly seed: number;
}

/** What is added up over tokens. */
interface Sums {
  /** Of `-ln p`. */
  loss: number;
  tokens: number;
  /** Tokens that were predicted. */
  hits: number;
  /** Of text that the tokens stand for. */
  bytes: number;
}

const METRICS: Readonly<Record<string, { readonly better: Metric['better']; of(sums: Sums): number }>> = {
  loss: { better: 'lower', of: ({ loss, tokens }) => loss / tokens },
  perplexity: { better: 'lower', of: ({ loss, tokens }) => Math.exp(loss / tokens) },
  tokenAccuracy: { better: 'higher', of: ({ hits, tokens }) => hits / tokens },
  bitsPerByte: { better: 'lower', of: ({ loss, bytes }) => loss / Math.LN2 / bytes },
};

/** Collects `losses`, `hits` and `labels`, `[rows, sequence]`. */
export function createEvaluator({ bytes, samples, seed }: EvaluatorOptions): Evaluator {
  const rows: Sums[] = [];
  const names = Object.keys(METRICS).filter((name) => name !== 'bitsPerByte' || bytes !== undefined);
  return {
    update(batch, outputs) {
      const [losses, hits, labels] = ['losses', 'hits', 'labels'].map((name) => outputOf(outputs, name));
      const length = (labels as TensorData).shape[1] as number;
      batch.forEach((_, row) => {
        const sums: Sums = { loss: 0, tokens: 0, hits: 0, bytes: 0 };
        for (let i = row * length; i < (row + 1) * length; i++) {
          const label = Number(labels?.data[i]);
          if (label === IGNORED) continue;
          sums.loss += finite(Number(losses?.data[i]));
          sums.hits += Number(hits?.data[i]);
          sums.bytes += bytes?.[label] ?? 0;
          sums.tokens++;
        }
        rows.push(sums);
      });
    },
    result({ intervals }) {
      const total = added(rows, () => 1);
      if (total.tokens === 0) {
        throw new AnnealError('ANNEAL_E_DATA', `there is nothing to measure: ${rows.length} samples have no label`, {
          fix: 'the split that is evaluated needs texts of at least two tokens, or completions',
        });
      }
      const ranges = intervals && rows.length > 1 ? bootstrap(rows, names, { samples, seed }) : undefined;
      return Object.fromEntries(
        names.map((name) => {
          const { better, of } = METRICS[name] as (typeof METRICS)[string];
          const ci95 = ranges?.get(name);
          return [name, { value: of(total), better, ...(ci95 && { ci95 }) }];
        }),
      );
    },
  };
}

function outputOf(outputs: Tensors, name: string): TensorData {
  const output = outputs[name];
  if (output !== undefined) return output;
  const names = Object.keys(outputs).join(', ') || 'none';
  throw new AnnealError('ANNEAL_E_MODEL', `there is no \`${name}\` to evaluate, received ${names}`);
}

function finite(loss: number): number {
  if (Number.isFinite(loss)) return loss;
  throw new AnnealError('ANNEAL_E_MODEL', `the model gave a token the loss ${loss}`, {
    fix: 'the weights are damaged, or a transformation overflowed: check the stage before',
  });
}

function added(rows: readonly Sums[], times: (row: number) => number): Sums {
  const total: Sums = { loss: 0, tokens: 0, hits: 0, bytes: 0 };
  rows.forEach((row, i) => {
    const count = times(i);
    if (count === 0) return;
    for (const key of Object.keys(total) as (keyof Sums)[]) total[key] += count * row[key];
  });
  return total;
}

/** 95 % intervals by the percentile bootstrap over samples (Efron, 1979): tokens of one text are not independent. */
function bootstrap(
  rows: readonly Sums[],
  names: readonly string[],
  { samples, seed }: Pick<EvaluatorOptions, 'samples' | 'seed'>,
): ReadonlyMap<string, readonly [number, number]> {
  const stream = random(seed, 'bootstrap');
  const values = new Map(names.map((name) => [name, new Float64Array(samples)]));
  const counts = new Float64Array(rows.length);
  for (let sample = 0; sample < samples; sample++) {
    counts.fill(0);
    for (const word of stream.words(rows.length)) {
      const row = Math.floor((word / 2 ** 32) * rows.length);
      counts[row] = (counts[row] as number) + 1;
    }
    const sums = added(rows, (i) => counts[i] as number);
    for (const [name, all] of values) all[sample] = METRICS[name]?.of(sums) ?? Number.NaN;
  }
  return new Map(
    [...values].map(([name, all]) => {
      // A resample may have no label at all.
      const sorted = all.filter((value) => !Number.isNaN(value)).sort();
      const at = (q: number): number => sorted[Math.round(q * (sorted.length - 1))] as number;
      return [name, [at(0.025), at(0.975)] as const];
    }),
  );
}
