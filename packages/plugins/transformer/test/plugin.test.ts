import { isAnnealError, type Model, type ModelContext, type Task } from '@anneal/core';
import { interpret } from '@anneal/graph';
import { type PluginUnderTest, setupPlugin } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';

import { transformer, type TransformerOptions } from '../src/index.ts';
import { BERT_DIR, difference, expected, feedsOf } from './fixtures.ts';

const TINY: TransformerOptions = { hiddenSize: 16, numHiddenLayers: 1, numAttentionHeads: 4, maxPositionEmbeddings: 9 };

function tokenizerOf(size: number): string {
  const vocab = Object.fromEntries(Array.from({ length: size }, (_, id) => [id === 2 ? '[PAD]' : `t${id}`, id]));
  return JSON.stringify({ model: { type: 'BPE', vocab, merges: [] }, added_tokens: [] });
}

interface Given {
  readonly tokenizer?: string | undefined;
  readonly labels?: readonly string[] | undefined;
  readonly kind?: string | undefined;
  readonly seed?: number | undefined;
  readonly root?: string | undefined;
}

async function resolved(
  options: TransformerOptions,
  { tokenizer = tokenizerOf(40), labels = ['ham', 'spam'], kind = 'classification', seed, root }: Given = {},
): Promise<{ model: Model; plugin: PluginUnderTest }> {
  const plugin = await setupPlugin(transformer(options), { seed, root });
  if (tokenizer !== '') plugin.phase.run.artifacts.set('tokenizer.json', tokenizer);
  const ctx: ModelContext = { ...plugin.phase, dataset: undefined as never, task: { kind, labels } as Task };
  const model = await plugin.tap('model', 'resolveModel')(ctx);
  return { model: model as Model, plugin };
}

async function failure(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (isAnnealError(error))
      return [error.code, error.message, ...(error.fix === undefined ? [] : [error.fix])].join('\n');
  }
  return 'no error';
}

describe('a new model', () => {
  it('has the vocabulary of the tokenizer and the classes of the task', async () => {
    const { model, plugin } = await resolved(TINY);
    expect(model.config).toEqual({
      architectures: ['BertForSequenceClassification'],
      model_type: 'bert',
      problem_type: 'single_label_classification',
      id2label: { 0: 'ham', 1: 'spam' },
      label2id: { ham: 0, spam: 1 },
      vocab_size: 40,
      hidden_size: 16,
      num_hidden_layers: 1,
      num_attention_heads: 4,
      intermediate_size: 64,
      max_position_embeddings: 9,
      type_vocab_size: 2,
      hidden_act: 'gelu',
      hidden_dropout_prob: 0.1,
      attention_probs_dropout_prob: 0.1,
      classifier_dropout: 0.1,
      layer_norm_eps: 1e-12,
      initializer_range: 0.02,
      pad_token_id: 2,
      torch_dtype: 'float32',
    });
    expect(model.padding).toEqual({ input_ids: 2 });
    expect(model.defaults).toEqual({ token_type_ids: 0 });
    expect(model.graph.outputs.get('logits')!.shape).toEqual(['batch', 2]);
    expect([...model.graph.parameters.values()].every((parameter) => parameter.trainable)).toBe(true);
    expect(plugin.logs.map((entry) => entry.message)).toEqual([
      'bert: 1 layers of 16 with 4 heads, vocabulary 40, 4.4K parameters',
    ]);
  });

  it('of another family has its names and no segments', async () => {
    const { model } = await resolved({ ...TINY, architecture: 'distilbert' });
    expect(model.config).toMatchObject({ model_type: 'distilbert', dim: 16, n_layers: 1, seq_classif_dropout: 0.2 });
    expect(model.defaults).toEqual({});
    expect([...model.graph.inputs.keys()]).toEqual(['input_ids', 'attention_mask']);
    expect(model.graph.nodes.filter((node) => node.op === 'Dropout').map((node) => node.scope)).toEqual([
      'distilbert.embeddings',
      'distilbert.transformer.layer.0.attention',
      'distilbert.transformer.layer.0',
      'classifier',
    ]);
  });

  it('runs', async () => {
    const { model } = await resolved({ ...TINY, pooling: 'mean' });
    const { logits } = await interpret(model.graph, feedsOf());
    expect(logits!.shape).toEqual([3, 2]);
    expect(Array.from(logits!.data, Number).every(Number.isFinite)).toBe(true);
    expect(model.config['pooling']).toBe('mean');
  });

  it('may have a larger vocabulary, and needs no tokenizer when it is given', async () => {
    expect((await resolved({ ...TINY, vocabSize: 64 })).model.config['vocab_size']).toBe(64);
    const { model } = await resolved({ ...TINY, vocabSize: 8 }, { tokenizer: '' });
    expect(model.config).toMatchObject({ vocab_size: 8, pad_token_id: 0 });
  });

  it.each([
    [16, 1],
    [64, 1],
    [96, 2],
    [100, 2],
    [256, 4],
  ])('of width %i has %i heads unless told otherwise', async (hiddenSize, heads) => {
    const { model } = await resolved({ ...TINY, hiddenSize, numAttentionHeads: undefined });
    expect(model.config['num_attention_heads']).toBe(heads);
  });
});

describe('a checkpoint', () => {
  const labels = ['ham', 'spam', 'other'];

  it('is opened below the root, with all of its weights', async () => {
    const { model, plugin } = await resolved(
      { from: 'bert' },
      { labels, tokenizer: tokenizerOf(32), root: BERT_DIR.replace(/bert$/, '') },
    );
    const { logits } = await interpret(model.graph, feedsOf(), { precision: 'float64' });
    expect(difference(logits!.data, expected.logits['gelu']!.flat())).toBeLessThan(1e-10);
    expect(plugin.dependencies).toEqual(
      ['config.json', 'model.safetensors', 'model.safetensors.index.json'].map((name) => `${BERT_DIR}/${name}`),
    );
  });

  it('gets a new classifier for other classes', async () => {
    const { model, plugin } = await resolved({ from: BERT_DIR }, { labels: ['no', 'yes'], tokenizer: '' });
    expect(model.graph.outputs.get('logits')!.shape).toEqual(['batch', 2]);
    expect(plugin.logs[0]!.message).toBe('starts anew: classifier.weight, classifier.bias');
  });

  it('takes dropout rates beside it', async () => {
    const { model } = await resolved(
      { from: BERT_DIR, hiddenDropoutProb: 0, attentionProbsDropoutProb: 0, classifierDropout: 0.5 },
      { labels, tokenizer: '' },
    );
    expect(model.graph.nodes.filter((node) => node.op === 'Dropout').map((node) => node.scope)).toEqual(['classifier']);
  });

  it('is refused when the tokenizer has more tokens', async () => {
    expect(await failure(resolved({ from: BERT_DIR }, { labels }))).toMatchInlineSnapshot(`
      "ANNEAL_E_MODEL
      the checkpoint has 32 word embeddings, received a tokenizer of 40
      use the checkpoint's own tokenizer.json"
    `);
  });
});

describe('errors', () => {
  it('no tokenizer, an unusable one, one that is larger', async () => {
    expect(await failure(resolved(TINY, { tokenizer: '' }))).toMatchInlineSnapshot(`
      "ANNEAL_E_MODEL
      \`vocabSize\` is not given and the build has no \`tokenizer.json\`
      add a tokenizer plugin, or set \`vocabSize\`"
    `);
    expect(await failure(resolved(TINY, { tokenizer: '{}' }))).toMatchInlineSnapshot(`
      "ANNEAL_E_MODEL
      the \`tokenizer.json\` of this build has no vocabulary"
    `);
    expect(await failure(resolved({ ...TINY, vocabSize: 10 }))).toMatchInlineSnapshot(`
      "ANNEAL_E_OPTIONS
      \`vocabSize\` must be at least the tokenizer's 40, received 10
      leave it out: the tokenizer decides"
    `);
  });

  it('a task without classes', async () => {
    expect(await failure(resolved(TINY, { kind: 'regression' }))).toMatchInlineSnapshot(`
      "ANNEAL_E_MODEL
      this model classifies, received a task of kind "regression"
      add a classification task, e.g. text-classification"
    `);
  });

  it('options that are wrong', async () => {
    const wrong: readonly unknown[] = [
      { hiddenSize: 100, numAttentionHeads: 3 },
      { numAttentionHeads: 7 },
      { architecture: 'brt' },
      { hiddenAct: 'gleu' },
      { hiddenSzie: 16 },
      { hiddenSize: 0 },
      { hiddenDropoutProb: 1 },
      { pooling: 'max' },
      { from: 'bert', hiddenSize: 16, hiddenDropoutProb: 0 },
      { architecture: 'llama', pooling: 'mean', hiddenDropoutProb: 0 },
      { architecture: 'bert', tieWordEmbeddings: true },
    ];
    const messages = await Promise.all(
      wrong.map((given) => failure(setupPlugin(transformer(given as TransformerOptions)))),
    );
    expect(messages).toMatchInlineSnapshot(`
      [
        "ANNEAL_E_OPTIONS
      option \`numAttentionHeads\` must divide \`hiddenSize\`, which is 100, received 3",
        "ANNEAL_E_OPTIONS
      option \`numAttentionHeads\` must divide \`hiddenSize\`, which is 768, received 7",
        "ANNEAL_E_OPTIONS
      option \`architecture\` must be one of "bert", "distilbert", "llama" (did you mean "bert"?), received "brt"",
        "ANNEAL_E_OPTIONS
      option \`hiddenAct\` must be one of "gelu", "gelu_new", "gelu_pytorch_tanh", "quick_gelu", "relu", "silu", "swish", "tanh" (did you mean "gelu"?), received "gleu"",
        "ANNEAL_E_OPTIONS
      unknown option \`hiddenSzie\`, did you mean \`hiddenSize\`?
      use \`hiddenSize\`",
        "ANNEAL_E_OPTIONS
      option \`hiddenSize\` must be >=1, received 0",
        "ANNEAL_E_OPTIONS
      option \`hiddenDropoutProb\` must be <1, received 1",
        "ANNEAL_E_OPTIONS
      option \`pooling\` must be ("cls" | "mean"), received "max"",
        "ANNEAL_E_OPTIONS
      option \`from\` must be alone: the checkpoint decides \`hiddenSize\`, received "bert"",
        "ANNEAL_E_OPTIONS
      option \`architecture\` must be a family that has \`hiddenDropoutProb\`, \`pooling\`, received "llama"",
        "ANNEAL_E_OPTIONS
      option \`architecture\` must be a family that has \`tieWordEmbeddings\`, received "bert"",
      ]
    `);
  });
});
