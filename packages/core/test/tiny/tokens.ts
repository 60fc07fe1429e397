import type { Model, Row, Sample } from '@anneal/core';
import { GraphBuilder, tensor } from '@anneal/graph';
import { seededRandom } from '@anneal/testkit';

import { CLASSES } from './problem.ts';

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
