import {
  type BatchPlan,
  chooseBuckets,
  completeBuckets,
  type FeatureSpec,
  lengthOf,
  planBatches,
} from '../data/batches.ts';
import type { Sample } from '../data/types.ts';
import type { TrainContext } from '../hooks/types.ts';
import { random } from '../random.ts';
import type { BatchShape } from './programs.ts';

/** The micro-batches of one optimizer step; each is one run of a program. */
export type StepPlan = readonly BatchPlan[];

export interface PlannedData {
  readonly ctx: Pick<TrainContext, 'config' | 'seed' | 'stage'>;
  readonly specs: readonly FeatureSpec[];
  readonly samples: readonly Sample[];
  readonly maxLength: number;
  /** Rows that a program takes at once: larger batches are split, which changes nothing but memory and time. */
  readonly microBatchSize?: number | undefined;
}

/** Which rows each step of each epoch takes: a function of the data, the options and the seed. */
export class StepPlans {
  /** Steps may have more than one micro-batch. */
  readonly accumulate: boolean;
  /** The same for every epoch: it depends on how many rows a bucket has, not on which. */
  readonly stepsPerEpoch: number;
  /** Shapes of all batches: every epoch has the same. */
  readonly shapes: readonly BatchShape[];
  readonly #data: PlannedData;
  readonly #lengths: readonly (number | undefined)[];
  readonly #buckets: readonly number[];

  constructor(data: PlannedData) {
    const { ctx, specs, samples, maxLength } = data;
    const { lengthBuckets, gradientAccumulationSteps = 1 } = ctx.config;
    this.#data = data;
    this.#lengths = samples.map((sample) => lengthOf(sample, specs));
    const known = this.#lengths.filter((length) => length !== undefined);
    this.#buckets = lengthBuckets ? completeBuckets(lengthBuckets, known, maxLength) : chooseBuckets(known, maxLength);
    const first = this.epoch(0);
    this.stepsPerEpoch = first.length;
    const shapes = new Map<string, BatchShape>();
    for (const { size, length } of first.flat()) shapes.set(`${size}×${length}`, { size, length });
    this.shapes = [...shapes.values()];
    this.accumulate = gradientAccumulationSteps > 1 || first.some((step) => step.length > 1);
  }

  epoch(epoch: number): readonly StepPlan[] {
    const { ctx, microBatchSize } = this.#data;
    const { maxTokensPerBatch: maxTokens, gradientAccumulationSteps: each = 1 } = ctx.config;
    const { batchSize = maxTokens === undefined ? 32 : undefined } = ctx.config;
    const rng = random(ctx.seed, 'batches', ctx.stage, epoch);
    const batches = planBatches(this.#lengths, { batchSize, maxTokens, buckets: this.#buckets, rng });
    return Array.from({ length: Math.ceil(batches.length / each) }, (_, i) =>
      batches.slice(i * each, (i + 1) * each).flatMap((batch) => splitBatch(batch, microBatchSize ?? batch.size)),
    );
  }
}

function splitBatch({ indices, size, length }: BatchPlan, rows: number): readonly BatchPlan[] {
  if (rows >= size) return [{ indices, size, length }];
  return Array.from({ length: Math.ceil(indices.length / rows) }, (_, i) => ({
    indices: indices.slice(i * rows, (i + 1) * rows),
    size: rows,
    length,
  }));
}
