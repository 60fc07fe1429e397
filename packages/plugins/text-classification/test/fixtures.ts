import { readFileSync } from 'node:fs';

import type { Row } from '@anneal/core';
import { tensor, type TensorData } from '@anneal/graph';

/** Reads a file of test/fixtures; see tools/goldens/classification. */
export function fixture<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`./fixtures/${name}`, import.meta.url), 'utf8')) as T;
}

export interface PredictionCase {
  readonly labels: readonly number[];
  readonly logits: readonly (readonly number[])[];
}

export interface MetricFixture {
  readonly cases: readonly (PredictionCase & {
    readonly metrics: Readonly<Record<string, number>>;
    /** With two classes. */
    readonly roc?: readonly (readonly [number, number])[];
    readonly confusion: readonly (readonly number[])[];
  })[];
  readonly bootstrap: PredictionCase & { readonly ci95: Readonly<Record<string, readonly [number, number]>> };
}

/** `class 0`, `class 1` … */
export function classNames(count: number): string[] {
  return Array.from({ length: count }, (_, k) => `class ${k}`);
}

/** Rows and the outputs of a model for them, in the precision of the golden. */
export function predictionsOf({ labels, logits }: PredictionCase): { rows: Row[]; outputs: { logits: TensorData } } {
  const classes = logits[0]!.length;
  return {
    rows: labels.map((label) => ({ label: `class ${label}` })),
    outputs: { logits: tensor('float64', [labels.length, classes], logits.flat()) },
  };
}
