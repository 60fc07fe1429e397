import type { Model, Sample } from '@anneal/core';
import { GraphBuilder } from '@anneal/graph';
import { seededRandom } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';

import {
  chooseBuckets,
  collate,
  completeBuckets,
  type FeatureSpec,
  featureSpecs,
  lengthOf,
  planBatches,
} from '../../src/data/batches.ts';
import { random } from '../../src/random.ts';

const sample = (features: Sample['features']): Sample => ({ row: {}, features });
const ids: FeatureSpec = { name: 'input_ids', dtype: 'int64', shape: ['sequence'], pad: 9 };
const label: FeatureSpec = { name: 'label', dtype: 'int64', shape: [], pad: 0 };
const vector: FeatureSpec = { name: 'x', dtype: 'float32', shape: [2], pad: 0 };

describe('collate', () => {
  it('pads positions and rows, and weighs padding rows with 0', () => {
    const samples = [
      sample({ input_ids: [1, 2, 3], label: 1, x: [0.5, 1] }),
      sample({ input_ids: [4], label: 2, x: [2, 3] }),
    ];
    const batch = collate(samples, [ids, label, vector], { size: 3, length: 4 });
    expect(batch.tensors['input_ids']).toEqual({
      dtype: 'int64',
      shape: [3, 4],
      data: BigInt64Array.from([1n, 2n, 3n, 9n, 4n, 9n, 9n, 9n, 9n, 9n, 9n, 9n]),
    });
    expect(batch.tensors['label']!.data).toEqual(BigInt64Array.from([1n, 2n, 0n]));
    expect(batch.tensors['x']!.data).toEqual(Float32Array.from([0.5, 1, 2, 3, 0, 0]));
    expect(batch.sampleWeights.data).toEqual(Float32Array.from([1, 1, 0]));
    expect(batch).toMatchObject({ size: 3, length: 4, tokens: 4 });
    expect(batch.rows).toHaveLength(2);
  });

  it('cuts what is longer, and counts what is left', () => {
    const batch = collate([sample({ input_ids: [1, 2, 3, 4, 5] })], [ids], { length: 2 });
    expect(batch.tensors['input_ids']!.data).toEqual(BigInt64Array.from([1n, 2n]));
    expect(batch.tokens).toBe(2);
  });

  it('takes the longest row when no length is given', () => {
    expect(collate([sample({ input_ids: [1] }), sample({ input_ids: [1, 2, 3] })], [ids]).length).toBe(3);
  });

  it('counts positions, not elements, of features with more axes', () => {
    const frames: FeatureSpec = { name: 'frames', dtype: 'float32', shape: ['sequence', 2], pad: 0 };
    const wide = sample({ frames: [1, 2, 3, 4, 5, 6] });
    expect(lengthOf(wide, [frames])).toBe(3);
    const { tensors, length } = collate([wide], [frames]);
    expect(length).toBe(3);
    expect(tensors['frames']).toEqual({
      dtype: 'float32',
      shape: [1, 3, 2],
      data: Float32Array.from([1, 2, 3, 4, 5, 6]),
    });
  });

  it('fills what samples may lack', () => {
    const types: FeatureSpec = { name: 'token_type_ids', dtype: 'int64', shape: ['sequence'], pad: 0, fill: 5 };
    const batch = collate([sample({ input_ids: [1, 2] })], [ids, types], { size: 2, length: 3 });
    expect(batch.tensors['token_type_ids']!.data).toEqual(BigInt64Array.from([5n, 5n, 5n, 0n, 0n, 0n]));
  });

  it.each([
    ['a feature that is not there', [label], { x: [1, 2] }, 'ANNEAL_E_DATA', 'has no feature "label", received x'],
    [
      'a vector of the wrong size',
      [vector],
      { x: [1, 2, 3] },
      'ANNEAL_E_SHAPE',
      'must have 2 elements a row, received 3',
    ],
    ['a number for a vector', [vector], { x: 1 }, 'ANNEAL_E_SHAPE', 'must have 2 elements a row, received 1'],
    ['a fraction for a class', [label], { label: 0.5 }, 'ANNEAL_E_DATA', 'must hold integers (int64), received 0.5'],
    ['NaN for a token', [ids], { input_ids: [1, Number.NaN] }, 'ANNEAL_E_DATA', 'received NaN'],
  ] as const)('refuses %s', (_, specs, features, code, message) => {
    expect(() => collate([sample(features)], specs)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    );
  });
});

describe('features of a model', () => {
  const model = (shape: readonly (string | number)[]): Model => {
    const g = new GraphBuilder();
    g.output('y', g.input('x', 'int64', shape));
    return { graph: g.build(), config: {}, padding: { x: 7 } };
  };

  it('are its inputs and the targets of its task', () => {
    const task = { targets: { y: { dtype: 'float32', shape: [3] } } } as never;
    expect(featureSpecs(model(['batch', 'sequence']), task)).toEqual([
      { name: 'x', dtype: 'int64', shape: ['sequence'], pad: 7, fill: undefined },
      { name: 'y', dtype: 'float32', shape: [3], pad: 0 },
    ]);
  });

  it('begin with the batch', () => {
    expect(() => featureSpecs(model(['sequence', 'batch']), undefined)).toThrow(
      expect.objectContaining({ code: 'ANNEAL_E_MODEL', message: expect.stringContaining('[sequence, batch]') }),
    );
  });
});

describe('buckets', () => {
  it('are few, multiples of 8, and cover every length up to the maximum', () => {
    const next = seededRandom(3);
    for (let round = 0; round < 50; round++) {
      const maxLength = 8 + Math.floor(next() * 200);
      const lengths = Array.from({ length: 1 + Math.floor(next() * 100) }, () => 1 + Math.floor(next() ** 3 * 400));
      const buckets = chooseBuckets(lengths, maxLength);
      expect(buckets.length).toBeLessThanOrEqual(4);
      expect(buckets).toEqual([...new Set(buckets)].toSorted((a, b) => a - b));
      for (const bucket of buckets) expect(bucket === maxLength || bucket % 8 === 0).toBe(true);
      expect(buckets.at(-1)).toBeGreaterThanOrEqual(Math.min(maxLength, Math.max(...lengths)));
      expect(buckets.at(-1)).toBeLessThanOrEqual(maxLength);
    }
  });

  it('that a config gives cut no row that `maxLength` would keep', () => {
    expect(completeBuckets([16, 8], [3, 40, 90], 64)).toEqual([8, 16, 64]);
    expect(completeBuckets([16, 128], [3, 40], 64)).toEqual([16, 40]);
    expect(completeBuckets([16, 64], [3, 40], 64)).toEqual([16, 64]);
    expect(completeBuckets([16], [], 64)).toEqual([16]);
  });
});

describe('the plan of an epoch', () => {
  it('has every row once, in batches of one bucket that fits', () => {
    const next = seededRandom(4);
    for (let round = 0; round < 50; round++) {
      const lengths = Array.from({ length: Math.floor(next() * 60) }, () => 1 + Math.floor(next() * 64));
      const batchSize = 1 + Math.floor(next() * 9);
      const buckets = [8, 24, 64];
      const plan = planBatches(lengths, { batchSize, buckets, rng: random(round, 'plan') });
      expect(plan.flatMap(({ indices }) => indices).toSorted((a, b) => a - b)).toEqual(lengths.map((_, i) => i));
      for (const { indices, length } of plan) {
        expect(indices.length).toBeGreaterThan(0);
        expect(indices.length).toBeLessThanOrEqual(batchSize);
        for (const i of indices) expect(buckets.find((bucket) => bucket >= lengths[i]!)).toBe(length);
      }
      // At most one batch of a bucket is not full.
      for (const bucket of buckets) {
        const sizes = plan.filter(({ length }) => length === bucket).map(({ indices }) => indices.length);
        expect(sizes.filter((size) => size < batchSize).length).toBeLessThanOrEqual(1);
      }
    }
  });

  it('is another for every epoch, and the same for the same seed', () => {
    const lengths = Array.from({ length: 20 }, (_, i) => i + 1);
    const plan = (seed: number): unknown => planBatches(lengths, { batchSize: 4, buckets: [32], rng: random(seed, 0) });
    expect(plan(1)).toEqual(plan(1));
    expect(plan(1)).not.toEqual(plan(2));
  });

  it('keeps the order of rows without a generator', () => {
    const plan = planBatches([undefined, undefined, undefined], { batchSize: 2, buckets: [], rng: undefined });
    expect(plan).toEqual([
      { indices: [0, 1], size: 2, length: undefined },
      { indices: [2], size: 2, length: undefined },
    ]);
  });
});
