import { readFileSync } from 'node:fs';

import type { Model, Task } from '@anneal/core';
import { GraphBuilder, tensor } from '@anneal/graph';
import { describe, expect, it } from 'vitest';

import { failure } from '../tiny/build.ts';
import { distance, type Trained, trainTiny, weightsOf } from '../tiny/engine.ts';
import { mlpModel, points } from '../tiny/problem.ts';
import { bagModel, encodeSentence, sentences, taggerModel, tagging } from '../tiny/tokens.ts';

const initial = weightsOf(mlpModel());
const plain = { optimizer: 'sgd', learningRate: 0.5, lrScheduler: 'constant', maxGradNorm: 0, weightDecay: 0 } as const;
interface Golden {
  readonly maxGradNorm: number;
  readonly sentences: readonly (readonly number[])[];
  readonly losses: readonly number[];
  readonly norms: readonly number[];
  readonly final: Trained['weights'];
}
const { accumulated: goldens } = JSON.parse(
  readFileSync(new URL('./fixtures/torch.json', import.meta.url), 'utf8'),
) as { readonly accumulated: readonly Golden[] };

/** The formulas of the script that made the fixture. */
function goldenModel(): Model {
  const g = new GraphBuilder();
  const { ops } = g;
  const weight = (name: string, shape: readonly [number, number], at: (i: number) => number) =>
    g.parameter(
      name,
      tensor(
        'float32',
        shape,
        Array.from({ length: shape[0] * shape[1] }, (_, i) => at(i)),
      ),
      {
        trainable: true,
      },
    );
  const table = weight('embeddings.weight', [6, 4], (i) => Math.cos(1.3 * i));
  const head = weight('classifier.weight', [4, 3], (i) => Math.sin(0.7 * i));
  g.output('logits', ops.matmul(ops.take(table, g.input('input_ids', 'int64', ['batch', 'sequence'])), head));
  return { graph: g.build(), config: {}, padding: {} };
}

/** A class for every token; from one to all tokens of a sentence count. */
const tokens = { rows: sentences(21, 2), model: taggerModel(), task: tagging, encode: encodeSentence } as const;

describe('gradient accumulation', () => {
  const rows = points(19, 3);
  const configs = [
    ['plain', plain],
    ['clipped', { ...plain, maxGradNorm: 0.05 }],
    ['AdamW', { ...plain, optimizer: 'adamw', learningRate: 0.01, weightDecay: 0.1 }],
  ] as const;

  it.each(configs)('of uneven batches is the large batch: %s', async (_, config) => {
    const large = await trainTiny({ rows, config: { ...config, epochs: 4, batchSize: 19 } });
    // 6, 6, 6 and 1 rows: a mean of means would weigh the last one six times.
    const small = await trainTiny({
      rows,
      config: { ...config, epochs: 4, batchSize: 6, gradientAccumulationSteps: 4 },
    });
    expect(small.report.steps).toBe(4);
    expect(distance(large.weights, small.weights)).toBeLessThan(1e-6);
    expect(distance(large.weights, initial)).toBeGreaterThan(1e-3);
    large.report.curve.forEach(({ loss, gradNorm }, i) => {
      expect(small.report.curve[i]!.loss).toBeCloseTo(loss, 6);
      expect(small.report.curve[i]!.gradNorm).toBeCloseTo(gradNorm, 6);
    });
  });

  it('of batches of different lengths is the large batch', async () => {
    const common = { rows: sentences(21, 2), model: bagModel(), encode: encodeSentence };
    const large = await trainTiny({ ...common, config: { ...plain, epochs: 3, batchSize: 21, lengthBuckets: [20] } });
    const small = await trainTiny({
      ...common,
      config: { ...plain, epochs: 3, batchSize: 4, lengthBuckets: [4, 8, 20], gradientAccumulationSteps: 10 },
    });
    expect(small.report.steps).toBe(3);
    expect(small.report.tokens).toBe(large.report.tokens);
    expect(distance(large.weights, small.weights)).toBeLessThan(1e-6);
  });

  it.each([
    ['plain', plain],
    ['clipped', { ...plain, maxGradNorm: 0.05 }],
    ['AdamW and an average of weights', { ...plain, optimizer: 'adamw', learningRate: 0.01, emaDecay: 0.5 }],
  ] as const)('of a mean over tokens is the large batch: %s', async (_, more) => {
    const config = { ...more, epochs: 4 };
    const large = await trainTiny({ ...tokens, config: { ...config, batchSize: 21, lengthBuckets: [20] } });
    // Rows of 4, 8 and 20 tokens in batches of up to 4, the last ones with padding rows.
    const accumulated = { ...config, batchSize: 4, lengthBuckets: [4, 8, 20], gradientAccumulationSteps: 10 };
    const small = await trainTiny({ ...tokens, config: accumulated });
    expect(small.report.steps).toBe(4);
    expect(distance(large.weights, small.weights)).toBeLessThan(1e-6);
    expect(distance(large.weights, weightsOf(tokens.model))).toBeGreaterThan(1e-3);
    large.report.curve.forEach(({ loss, gradNorm }, i) => {
      expect(small.report.curve[i]!.loss).toBeCloseTo(loss, 6);
      expect(small.report.curve[i]!.gradNorm).toBeCloseTo(gradNorm, 6);
    });
    // Weighted by rows it would be something else.
    const { traceWeight: _weight, ...byRows } = tagging;
    const wrong = await trainTiny({ ...tokens, task: byRows, config: accumulated });
    expect(distance(large.weights, wrong.weights)).toBeGreaterThan(1e-4);
  });

  it.each([1, 2, 5, 6, 7])('in micro-batches of %i rows changes nothing', async (microBatchSize) => {
    const config = { ...plain, epochs: 2, batchSize: 6, lengthBuckets: [8, 20] };
    const whole = await trainTiny({ ...tokens, config });
    const split = await trainTiny({ ...tokens, config, microBatchSize });
    expect(split.report.steps).toBe(whole.report.steps);
    expect(split.report.tokens).toBe(whole.report.tokens);
    expect(distance(whole.weights, split.weights)).toBeLessThan(1e-6);
    whole.report.curve.forEach(({ loss }, i) => expect(split.report.curve[i]!.loss).toBeCloseTo(loss, 6));
  });

  it('leaves out batches in which nothing counts', async () => {
    // Every token of one class is ignored.
    const silent = { tokens: [4, 4, 4], ignored: 0 };
    const config = { ...plain, epochs: 2, batchSize: 1, gradientAccumulationSteps: 30, lengthBuckets: [20] };
    const with_ = await trainTiny({ ...tokens, rows: [...tokens.rows, silent], config });
    const without = await trainTiny({ ...tokens, config });
    expect(with_.report).toMatchObject({ steps: 2, skippedSteps: 0 });
    expect(distance(with_.weights, without.weights)).toBeLessThan(1e-6);
    // A step in which nothing counts at all is skipped.
    const { report } = await trainTiny({ ...tokens, rows: [silent], config });
    expect(report).toMatchObject({ steps: 2, skippedSteps: 2 });
  });

  it('needs a weight that is a number', async () => {
    const wrong: Task = { ...tagging, traceWeight: ({ label_weights }) => label_weights! };
    const config = { batchSize: 4, gradientAccumulationSteps: 2, lengthBuckets: [20] };
    expect(await failure(trainTiny({ ...tokens, task: wrong, config }))).toMatchObject({
      code: 'ANNEAL_E_SHAPE',
      message: 'the weight of a batch must be a float32 scalar, received float32[4, 20]',
    });
  });

  it.each(goldens)('is clipped as PyTorch clips, to $maxGradNorm', async (golden) => {
    const { report, weights } = await trainTiny({
      model: goldenModel(),
      task: tagging,
      rows: golden.sentences.map((sentence) => ({ tokens: sentence })),
      encode: encodeSentence,
      config: { ...plain, ...golden, epochs: 4, batchSize: 2, gradientAccumulationSteps: 3, lengthBuckets: [5] },
    });
    report.curve.forEach(({ loss, gradNorm }, i) => {
      expect(loss).toBeCloseTo(golden.losses[i]!, 6);
      expect(gradNorm).toBeCloseTo(golden.norms[i]!, 6);
    });
    expect(distance(weights, golden.final)).toBeLessThan(2e-6);
  });

  it('takes what is left at the end of an epoch', async () => {
    const { report } = await trainTiny({ rows, config: { batchSize: 4, gradientAccumulationSteps: 2, epochs: 2 } });
    expect(report.steps).toBe(6);
    expect(report.tokens).toBe(38);
  });
});
