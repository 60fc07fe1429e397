import { DTYPES, type DType, tensor, type TensorData } from '@anneal/graph';

import { AnnealError } from '../errors/error.ts';
import type { Model } from '../model.ts';
import type { Random } from '../random.ts';
import type { Task } from '../task.ts';
import type { Batch, Sample } from './types.ts';

/** A tensor that batches must have. The first axis is the batch; `'sequence'` axes are padded. */
export interface FeatureSpec {
  readonly name: string;
  readonly dtype: DType;
  /** Without the batch axis. */
  readonly shape: readonly (number | 'sequence')[];
  readonly pad: number;
  /** Fills the whole row when a sample lacks the feature; it must have it when this is absent. */
  readonly fill?: number | undefined;
}

/**
 * The features that a model's inputs and a task's targets ask for.
 *
 * @throws AnnealError `ANNEAL_E_MODEL` for an input whose first axis is not the batch.
 */
export function featureSpecs({ graph, padding, defaults = {} }: Model, task: Task | undefined): readonly FeatureSpec[] {
  const inputs = [...graph.inputs].map(([name, value]): FeatureSpec => {
    if (value.shape[0] !== 'batch') {
      throw new AnnealError(
        'ANNEAL_E_MODEL',
        `the first axis of the input "${name}" must be \`batch\`, received [${value.shape.join(', ')}]`,
      );
    }
    const shape = value.shape.slice(1).map((dim) => (typeof dim === 'string' ? 'sequence' : dim));
    return { name, dtype: value.dtype, shape, pad: padding[name] ?? 0, fill: defaults[name] };
  });
  const targets = Object.entries(task?.targets ?? {}).map(([name, { dtype, shape, pad = 0 }]): FeatureSpec => ({
    name,
    dtype,
    shape,
    pad,
  }));
  return [...inputs, ...targets];
}

/** Positions on the sequence axis of a sample; `undefined` when no feature has one. */
export function lengthOf(sample: Sample, specs: readonly FeatureSpec[]): number | undefined {
  let length: number | undefined;
  for (const { name, shape } of specs) {
    if (shape[0] !== 'sequence') continue;
    const feature = sample.features[name];
    const each = shape.slice(1).reduce<number>((a, b) => a * (typeof b === 'number' ? b : 1), 1);
    if (typeof feature === 'object') length = Math.max(length ?? 0, Math.ceil(feature.length / each));
  }
  return length;
}

/**
 * Pads samples into tensors: `size` rows (missing ones get weight 0), `length` elements on sequence axes.
 *
 * @throws AnnealError `ANNEAL_E_DATA` when a sample lacks a feature or has a fraction where integers belong,
 * `ANNEAL_E_SHAPE` when one has the wrong size.
 */
export function collate(
  samples: readonly Sample[],
  specs: readonly FeatureSpec[],
  { size = samples.length, length }: { size?: number | undefined; length?: number | undefined } = {},
): Batch {
  const padded = length ?? Math.max(0, ...samples.map((sample) => lengthOf(sample, specs) ?? 0));
  const tensors: Record<string, TensorData> = {};
  for (const spec of specs) tensors[spec.name] = stack(samples, spec, size, padded);
  const weights = new Float32Array(size);
  weights.fill(1, 0, samples.length);
  return {
    tensors,
    rows: samples.map((sample) => sample.row),
    size,
    sampleWeights: tensor('float32', [size], weights),
    tokens: samples.reduce((sum, sample) => sum + Math.min(lengthOf(sample, specs) ?? 1, padded || 1), 0),
    length: specs.some((spec) => spec.shape.includes('sequence')) ? padded : undefined,
  };
}

function stack(samples: readonly Sample[], spec: FeatureSpec, size: number, length: number): TensorData {
  const shape = spec.shape.map((dim) => (dim === 'sequence' ? length : dim));
  const row = shape.reduce((a, b) => a * b, 1);
  const { array } = DTYPES[spec.dtype];
  const data = new array(size * row);
  const wide = data instanceof BigInt64Array || data instanceof BigUint64Array;
  const put = data as { [index: number]: number | bigint };
  const set = (at: number, value: number): void => {
    // Half a token, a label that is not there: whoever made the feature should hear of it by name.
    if (wide && !Number.isSafeInteger(value)) throw notInteger(spec, value);
    put[at] = wide ? BigInt(value) : value;
  };
  if (spec.pad !== 0) for (let i = 0; i < data.length; i++) set(i, spec.pad);
  samples.forEach((sample, n) => {
    const feature = sample.features[spec.name] ?? spec.fill;
    if (feature === undefined) throw missing(sample, spec);
    if (spec.fill !== undefined && typeof feature === 'number') {
      for (let i = 0; i < row; i++) set(n * row + i, feature);
      return;
    }
    if (typeof feature === 'number') {
      if (row !== 1) throw wrongSize(spec, 1, row);
      set(n * row, feature);
      return;
    }
    const variable = spec.shape[0] === 'sequence';
    if (!variable && feature.length !== row) throw wrongSize(spec, feature.length, row);
    const count = Math.min(feature.length, row);
    for (let i = 0; i < count; i++) set(n * row + i, feature[i] as number);
  });
  return { dtype: spec.dtype, shape: [size, ...shape], data };
}

function missing(sample: Sample, spec: FeatureSpec): AnnealError {
  return new AnnealError(
    'ANNEAL_E_DATA',
    `a sample has no feature "${spec.name}", received ${Object.keys(sample.features).join(', ') || 'none'}`,
    { fix: `add a plugin that makes it in \`data.transformSample\`, e.g. a tokenizer` },
  );
}

function notInteger({ name, dtype }: FeatureSpec, value: number): AnnealError {
  return new AnnealError('ANNEAL_E_DATA', `feature "${name}" must hold integers (${dtype}), received ${value}`);
}

function wrongSize(spec: FeatureSpec, received: number, expected: number): AnnealError {
  return new AnnealError(
    'ANNEAL_E_SHAPE',
    `feature "${spec.name}" must have ${expected} elements a row, received ${received}`,
  );
}

/** Rows of one batch by index, and the shape of the program that takes them. */
export interface BatchPlan {
  readonly indices: readonly number[];
  /** Rows with padding rows. */
  readonly size: number;
  /** What the rows are padded to. */
  readonly length: number | undefined;
}

/**
 * Up to `count` padded lengths that waste little: quantiles of the lengths, rounded up to multiples of 8, the largest
 * covering everything up to `maxLength`.
 */
export function chooseBuckets(lengths: readonly number[], maxLength: number, count: number = 4): readonly number[] {
  const sorted = lengths.map((length) => Math.min(length, maxLength)).toSorted((a, b) => a - b);
  if (sorted.length === 0) return [maxLength];
  const buckets = new Set<number>();
  for (let i = 1; i <= count; i++) {
    const at = sorted[Math.min(sorted.length - 1, Math.ceil((sorted.length * i) / count) - 1)] as number;
    buckets.add(Math.min(maxLength, Math.max(8, Math.ceil(at / 8) * 8)));
  }
  return [...buckets].toSorted((a, b) => a - b);
}

/** Buckets as given, and one more when rows would be cut for want of a longer one: that is `maxLength`'s to say. */
export function completeBuckets(
  given: readonly number[],
  lengths: readonly number[],
  maxLength: number,
): readonly number[] {
  const longest = lengths.reduce((a, b) => Math.max(a, Math.min(b, maxLength)), 0);
  const within = given.filter((bucket) => bucket <= maxLength);
  if (!within.some((bucket) => bucket >= longest)) within.push(longest);
  return [...new Set(within)].toSorted((a, b) => a - b);
}

export interface BatchOptions {
  /** Rows of a batch. @defaultValue all rows */
  readonly batchSize?: number | undefined;
  /** Rows times padded length of a batch, which has at least one row. @defaultValue no limit */
  readonly maxTokens?: number | undefined;
  readonly buckets: readonly number[];
  /** Rows stay in their order without it. */
  readonly rng: Random | undefined;
}

/** Batches of one epoch: rows shuffled, grouped by bucket, batches shuffled. The order depends on `rng` alone. */
export function planBatches(
  lengths: readonly (number | undefined)[],
  { batchSize = lengths.length, maxTokens = Number.POSITIVE_INFINITY, buckets, rng }: BatchOptions,
): readonly BatchPlan[] {
  const order = rng ? [...rng.permutation(lengths.length)] : lengths.map((_, i) => i);
  const sizeOf = (length: number = 1): number => Math.max(1, Math.min(batchSize, Math.floor(maxTokens / length)));
  const open = new Map<number | undefined, number[]>();
  const plans: BatchPlan[] = [];
  for (const index of order) {
    const rowLength = lengths[index];
    const length =
      rowLength === undefined ? undefined : (buckets.find((bucket) => bucket >= rowLength) ?? buckets.at(-1));
    const indices = open.get(length) ?? [];
    indices.push(index);
    open.set(length, indices);
    if (indices.length === sizeOf(length)) {
      plans.push({ indices, size: indices.length, length });
      open.delete(length);
    }
  }
  for (const [length, indices] of open) plans.push({ indices, size: sizeOf(length), length });
  if (!rng) return plans;
  return [...rng.permutation(plans.length)].map((i) => plans[i] as BatchPlan);
}
