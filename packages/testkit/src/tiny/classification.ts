import { definePlugin, type Evaluator, type Model, type Plugin, type PluginFactory, type Task } from '@anneal/core';
import { type Graph, GraphBuilder } from '@anneal/graph';
import * as v from 'valibot';

import { embedding, linear } from './layers.ts';
import { TINY_LABELS, tinyTexts } from './texts.ts';
import { TINY_VOCABULARY, tinyWords, vocabularyOf } from './words.ts';

const WIDTH = 8;
/** Tokens that the tiny models take. */
const MAX_LENGTH = 16;

/** Embeddings, a layer, their mean, dropout, logits `[batch, 2]`. */
function classifierGraph(vocabulary: number): Graph {
  const g = new GraphBuilder();
  const { ops } = g;
  const ids = g.input('input_ids', 'int64', ['batch', 'sequence']);
  const mask = ops.expandDims(ops.cast(g.input('attention_mask', 'int64', ['batch', 'sequence']), 'float32'), [-1]);
  const embedded = embedding(g, 'embeddings.word_embeddings', ids, [vocabulary, WIDTH]);
  const hidden = ops.tanh(linear(g, 'encoder.layer.0.dense', embedded, WIDTH));
  // A padding row has no token at all.
  const tokens = ops.maximum(ops.sum(mask, { axes: [1] }), 1);
  const pooled = ops.div(ops.sum(ops.mul(hidden, mask), { axes: [1] }), tokens);
  const dropped = g.scope('dropout', () => ops.dropout(pooled, { rate: 0.1 }));
  g.output('logits', linear(g, 'classifier', dropped, TINY_LABELS.length));
  return g.build({ name: 'tiny-classifier' });
}

/**
 * A classifier of texts: `input_ids`, `attention_mask` → `logits`; the same weights every time.
 *
 * @param vocabulary - rows of its table
 */
export function tinyTextModel(vocabulary: number = TINY_VOCABULARY): Model {
  const config = { model_type: 'tiny-classifier', max_position_embeddings: MAX_LENGTH, vocab_size: vocabulary };
  return { graph: classifierGraph(vocabulary), config, padding: {} };
}

function evaluator(): Evaluator {
  let [rows, right, loss] = [0, 0, 0];
  return {
    update: (batch, { logits }) => {
      const scores = Array.from(logits?.data ?? [], Number);
      for (const [i, { label }] of batch.entries()) {
        const own = scores.slice(i * TINY_LABELS.length, (i + 1) * TINY_LABELS.length);
        const wanted = TINY_LABELS.indexOf(label as 'ham' | 'spam');
        const total = own.reduce((sum, score) => sum + Math.exp(score), 0);
        rows++;
        if (own.indexOf(Math.max(...own)) === wanted) right++;
        loss -= Math.log(Math.exp(own[wanted] ?? Number.NaN) / total);
      }
    },
    result: () => ({
      accuracy: { value: right / rows, better: 'higher' },
      loss: { value: loss / rows, better: 'lower' },
    }),
  };
}

/** Cross-entropy over the two classes of the tiny texts. */
export const tinyClassificationTask: Task = {
  kind: 'classification',
  labels: TINY_LABELS,
  targets: { labels: { dtype: 'int64', shape: [] } },
  encode: (sample) => ({
    ...sample,
    features: { ...sample.features, labels: TINY_LABELS.indexOf(sample.row['label'] as 'ham' | 'spam') },
  }),
  traceTargets: ({ labels }, { ops }) => ops.oneHot(labels as NonNullable<typeof labels>, TINY_LABELS.length),
  traceLoss: ({ logits }, targets, { ops, sampleWeights }) => {
    const scores = ops.logSoftmax(logits as NonNullable<typeof logits>);
    const each = ops.neg(ops.sum(ops.mul(targets, scores), { axes: [1] }));
    return ops.div(ops.sum(ops.mul(each, sampleWeights)), ops.sum(sampleWeights));
  },
  evaluator,
  monitor: { metric: 'loss', mode: 'min' },
};

/** The task of the tiny texts. Answers `data.resolveTask`. */
export const tinyClassification: PluginFactory<object> = definePlugin({
  name: 'tiny-classification',
  options: v.strictObject({}),
  setup(api) {
    api.hooks.data.resolveTask.tap(() => tinyClassificationTask);
  },
});

/** {@link tinyTextModel} for the tokenizer of the build, as a plugin. Answers `model.resolveModel`. */
export const tinyClassifier: PluginFactory<object> = definePlugin({
  name: 'tiny-classifier',
  options: v.strictObject({}),
  setup(api) {
    api.hooks.model.resolveModel.tap(({ run }) => tinyTextModel(vocabularyOf(run)));
  },
});

/** A whole text classification: data, tokens, task and model. */
export function tinyTextClassification(): readonly Plugin[] {
  return [tinyTexts(), tinyWords(), tinyClassification(), tinyClassifier()];
}
