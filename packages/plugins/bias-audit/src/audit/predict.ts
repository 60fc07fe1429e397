import type { EvaluateContext, Row } from '@anneal/core';

import { problem } from '../problems.ts';

/** What the model says of a row. */
export interface Verdict {
  /** Probability of the positive class. */
  readonly p: number;
  /** The most probable class. */
  readonly label: number;
}

/** Rows that are predicted between two looks at the abort signal. */
const CHUNK = 512;

/**
 * Predicts rows in order.
 *
 * @throws AnnealError `BIAS_AUDIT_E_OUTPUT` when the model gives no logits, or any that are not finite.
 */
export async function predictRows(
  ctx: EvaluateContext,
  rows: readonly Row[],
  variant: 'model' | 'reference',
  { positive, classes }: { readonly positive: number; readonly classes: number },
  onProgress: (rows: number) => void,
): Promise<readonly Verdict[]> {
  const verdicts: Verdict[] = [];
  for (let at = 0; at < rows.length; at += CHUNK) {
    ctx.signal.throwIfAborted();
    const outputs = await ctx.predict(rows.slice(at, at + CHUNK), variant);
    for (const { logits } of outputs) {
      if (logits === undefined || logits.data.length !== classes) {
        const received = logits === undefined ? 'no such output' : `${logits.data.length} numbers`;
        throw problem(
          'BIAS_AUDIT_E_OUTPUT',
          `expected \`logits\` of ${classes} classes for a row, received ${received}`,
        );
      }
      verdicts.push(verdictOf(Float64Array.from(logits.data as Float32Array, Number), positive));
    }
    onProgress(Math.min(at + CHUNK, rows.length));
  }
  return verdicts;
}

function verdictOf(logits: Float64Array, positive: number): Verdict {
  const bad = logits.find((value) => !Number.isFinite(value));
  if (bad !== undefined) throw problem('BIAS_AUDIT_E_OUTPUT', `the model gave ${bad} as a logit`);
  const top = Math.max(...logits);
  const total = logits.reduce((sum, value) => sum + Math.exp(value - top), 0);
  return { p: Math.exp((logits[positive] as number) - top) / total, label: logits.indexOf(top) };
}
