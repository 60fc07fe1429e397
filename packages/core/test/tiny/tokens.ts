import type { Model, Row, Sample, Task } from '@anneal/core';
import { GraphBuilder, tensor, type Value } from '@anneal/graph';
import { seededRandom } from '@anneal/testkit';

import { CLASSES, task } from './problem.ts';

const VOCABULARY = 12;
const WIDTH = 4;

/** Sentences of very different lengths; a class is told by the tokens that are frequent in it. */
export function sentences(count: number, seed: number, longest: number = 20): readonly Row[] {
  const next = seededRandom(seed);
  return Array.from({ length: count }, (_, i) => {
    const length = 1 + Math.floor(next() * longest);
    const token = (): number => 1 + ((Math.floor(next() * 4) + 4 * (i % CLASSES)) % (VOCABULARY - 1));
    return { tokens: Array.from({ length }, token), label: i % CLASSES };
  });
}

export const encodeSentence = (row: Row): Sample['features'] => {
  const tokens = row['tokens'] as number[];
  return { input_ids: tokens, attention_mask: tokens.map(() => 1) };
};

/** Mean of embeddings over the positions that are no padding, then a linear layer. */
export function bagModel(seed: number = 3): Model {
  const next = seededRandom(seed);
  const g = new GraphBuilder();
  const { ops } = g;
  const draw = (shape: readonly [number, number]) =>
    tensor(
      'float32',
      shape,
      Array.from({ length: shape[0] * shape[1] }, () => next() - 0.5),
    );
  const ids = g.input('input_ids', 'int64', ['batch', 'sequence']);
  const mask = ops.expandDims(ops.cast(g.input('attention_mask', 'int64', ['batch', 'sequence']), 'float32'), [-1]);
  const table = g.parameter('embeddings.weight', draw([VOCABULARY, WIDTH]), { trainable: true });
  const summed = ops.sum(ops.mul(ops.take(table, ids), mask), { axes: [1] });
  // A padding row has no position at all.
  const mean = ops.div(summed, ops.maximum(ops.sum(mask, { axes: [1] }), 1));
  const head = g.parameter('classifier.weight', draw([WIDTH, CLASSES]), { trainable: true });
  g.output('logits', ops.matmul(mean, head));
  return { graph: g.build({ name: 'bag' }), config: {}, padding: {} };
}

export interface TaggerOptions {
  readonly layers?: number | undefined;
  readonly dropout?: number | undefined;
}

/** A class for every token: embeddings, layers with a residual connection, each with the mean of its sentence. */
export function taggerModel({ layers = 2, dropout = 0 }: TaggerOptions = {}): Model {
  const next = seededRandom(8);
  const g = new GraphBuilder();
  const { ops } = g;
  const weight = (name: string, shape: readonly [number, number]): Value => {
    const values = Array.from({ length: shape[0] * shape[1] }, () => next() - 0.5);
    return g.parameter(name, tensor('float32', shape, values), { trainable: true });
  };
  const ids = g.input('input_ids', 'int64', ['batch', 'sequence']);
  const mask = ops.expandDims(ops.cast(g.input('attention_mask', 'int64', ['batch', 'sequence']), 'float32'), [-1]);
  const count = ops.maximum(ops.sum(mask, { axes: [1], keepdims: true }), 1);
  let h = ops.take(weight('embeddings.weight', [VOCABULARY, WIDTH]), ids);
  for (let i = 0; i < layers; i++) {
    h = g.scope(`encoder.layer.${i}`, () => {
      const mean = ops.div(ops.sum(ops.mul(h, mask), { axes: [1], keepdims: true }), count);
      const inner = ops.gelu(ops.matmul(ops.add(h, mean), weight(`encoder.layer.${i}.up.weight`, [WIDTH, 2 * WIDTH])));
      const kept = dropout > 0 ? g.scope('dropout', () => ops.dropout(inner, { rate: dropout })) : inner;
      return ops.add(h, ops.matmul(kept, weight(`encoder.layer.${i}.down.weight`, [2 * WIDTH, WIDTH])));
    });
  }
  g.output('logits', ops.matmul(h, weight('classifier.weight', [WIDTH, CLASSES])));
  return { graph: g.build({ name: 'tagger' }), config: {}, padding: {} };
}

/** Cross-entropy as a mean over tokens, some of which do not count, as in language models. */
export const tagging: Task = {
  ...task,
  kind: 'token-classification',
  targets: {
    labels: { dtype: 'int64', shape: ['sequence'] },
    label_weights: { dtype: 'float32', shape: ['sequence'] },
  },
  encode: (sample) => {
    const tokens = sample.row['tokens'] as number[];
    const counts = tokens.map((token) => Number(token % 4 !== Number(sample.row['ignored'] ?? 0)));
    return {
      ...sample,
      features: { ...sample.features, labels: tokens.map((token) => token % CLASSES), label_weights: counts },
    };
  },
  traceTargets: ({ labels }, { ops }) => ops.oneHot(labels!, CLASSES),
  traceLoss: ({ logits }, targets, { ops, features }) => {
    const weights = features['label_weights']!;
    const each = ops.neg(ops.sum(ops.mul(targets, ops.logSoftmax(logits!)), { axes: [-1] }));
    return ops.div(ops.sum(ops.mul(each, weights)), ops.sum(weights));
  },
  traceWeight: (features, { ops }) => ops.sum(features['label_weights']!),
  evaluator: () => ({ update: () => undefined, result: () => ({ loss: { value: 0 } }) }),
};
