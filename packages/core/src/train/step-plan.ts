import { type BatchOptions, type BatchPlan, planBatches } from '../data/batches.ts';

/** The micro-batches of one optimizer step; each is one run of a program. */
export type StepPlan = readonly BatchPlan[];

export interface StepPlanOptions extends BatchOptions {
  /** Batches per step. */
  readonly accumulation: number;
  /** Rows that a program takes at once: larger batches are split, which changes nothing but memory and time. */
  readonly microBatchSize: number | undefined;
}

/** The steps of one epoch. */
export function planSteps(
  lengths: readonly (number | undefined)[],
  { accumulation, microBatchSize, ...options }: StepPlanOptions,
): readonly StepPlan[] {
  const batches = planBatches(lengths, options);
  return Array.from({ length: Math.ceil(batches.length / accumulation) }, (_, i) =>
    batches
      .slice(i * accumulation, (i + 1) * accumulation)
      .flatMap((batch) => splitBatch(batch, microBatchSize ?? batch.size)),
  );
}

function splitBatch({ indices, size, length }: BatchPlan, rows: number): readonly BatchPlan[] {
  if (rows >= size) return [{ indices, size, length }];
  return Array.from({ length: Math.ceil(indices.length / rows) }, (_, i) => ({
    indices: indices.slice(i * rows, (i + 1) * rows),
    size: rows,
    length,
  }));
}
