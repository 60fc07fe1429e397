import { definePlugin, type Evaluator, type Model, type Plugin, type PluginFactory, type Task } from '@anneal/core';
import { crossEntropy, type Graph, GraphBuilder, labelScores, type Value } from '@anneal/graph';
import * as v from 'valibot';

import { embedding, linear } from './layers.ts';
import { tinyTexts } from './texts.ts';
import { TINY_TOKENS, TINY_VOCABULARY, tinyWords, vocabularyOf } from './words.ts';

const WIDTH = 8;
const MAX_LENGTH = 16;
const IGNORED = -100;

/** One head of causal attention over what is no padding, with a residual connection. */
function attention(g: GraphBuilder, x: Value, mask: Value): Value {
  const { ops } = g;
  const path = 'model.layers.0.self_attn';
  const [q, k, value] = ['q_proj', 'k_proj', 'v_proj'].map((name) => linear(g, `${path}.${name}`, x, WIDTH));
  const scores = ops.matmul(q as Value, k as Value, { transposeB: true, alpha: 1 / Math.sqrt(WIDTH) });
  const ones = ops.add(ops.mul(ops.stopGradient(scores), 0), 1);
  const visible = ops.tril(ops.mul(ones, ops.expandDims(mask, [1])));
  const weights = ops.softmax(ops.where(ops.greater(visible, 0), scores, -1e4));
  return ops.add(x, linear(g, `${path}.o_proj`, ops.matmul(weights, value as Value), WIDTH));
}

function languageGraph(vocabulary: number): Graph {
  const g = new GraphBuilder();
  const { ops } = g;
  const ids = g.input('input_ids', 'int64', ['batch', 'sequence']);
  const mask = ops.cast(g.input('attention_mask', 'int64', ['batch', 'sequence']), 'float32');
  const x = embedding(g, 'model.embed_tokens', ids, [vocabulary, WIDTH]);
  g.output('logits', linear(g, 'lm_head', ops.tanh(attention(g, x, mask)), vocabulary));
  return g.build({ name: 'tiny-language-model' });
}

/**
 * A causal language model: `input_ids`, `attention_mask` → `logits` `[batch, sequence, vocabulary]`.
 *
 * @param vocabulary - rows of its table
 */
export function tinyLanguageModel(vocabulary: number = TINY_VOCABULARY): Model {
  const config = { model_type: 'tiny-decoder', max_position_embeddings: MAX_LENGTH, vocab_size: vocabulary };
  return { graph: languageGraph(vocabulary), config, padding: {} };
}

function evaluator(): Evaluator {
  let [tokens, loss] = [0, 0];
  return {
    update: (_, { losses, counted }) => {
      losses?.data.forEach((value) => (loss += Number(value)));
      counted?.data.forEach((value) => (tokens += Number(value)));
    },
    result: () => ({ loss: { value: loss / tokens, better: 'lower' } }),
  };
}

const labelsOf = (features: Readonly<Record<string, Value>>): Value => features['labels'] as Value;
const logitsOf = (outputs: Readonly<Record<string, Value>>): Value => outputs['logits'] as Value;
const countedOf = (features: Readonly<Record<string, Value>>, ops: GraphBuilder['ops']): Value =>
  ops.cast(ops.logicalNot(ops.equal(labelsOf(features), IGNORED)), 'float32');

/** The next token of texts, an end token after the last. */
export const tinyLanguageTask: Task = {
  kind: 'language-modeling',
  targets: { labels: { dtype: 'int64', shape: ['sequence'], pad: IGNORED } },
  encode: (sample) => {
    const ids = Array.from(sample.features['input_ids'] as readonly number[]);
    return { ...sample, features: { ...sample.features, labels: [...ids.slice(1), TINY_TOKENS.eos] } };
  },
  traceTargets: labelsOf,
  traceLoss: (outputs, targets, { ops }) => crossEntropy(ops, logitsOf(outputs), targets),
  traceWeight: (features, { ops }) => ops.sum(countedOf(features, ops)),
  traceEvaluation: (outputs, { ops, features }) => ({
    losses: labelScores(ops, logitsOf(outputs), labelsOf(features)).losses,
    counted: countedOf(features, ops),
  }),
  evaluator,
  monitor: { metric: 'loss', mode: 'min' },
};

/** {@link tinyLanguageTask} as a plugin. Answers `data.resolveTask`. */
export const tinyNextToken: PluginFactory<object> = definePlugin({
  name: 'tiny-next-token',
  options: v.strictObject({}),
  setup(api) {
    api.hooks.data.resolveTask.tap(() => tinyLanguageTask);
  },
});

/** {@link tinyLanguageModel} for the tokenizer of the build, as a plugin. Answers `model.resolveModel`. */
export const tinyDecoder: PluginFactory<object> = definePlugin({
  name: 'tiny-decoder',
  options: v.strictObject({}),
  setup(api) {
    api.hooks.model.resolveModel.tap(({ run }) => tinyLanguageModel(vocabularyOf(run)));
  },
});

/** A whole language modeling: data, tokens, task and model. */
export function tinyLanguageModeling(): readonly Plugin[] {
  return [tinyTexts(), tinyWords(), tinyNextToken(), tinyDecoder()];
}
