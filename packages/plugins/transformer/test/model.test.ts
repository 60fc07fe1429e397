import { readFileSync } from 'node:fs';

import type { JsonObject } from '@anneal/core';
import { interpret, tensor, type TensorData, type Tensors } from '@anneal/graph';
import { describe, expect, it } from 'vitest';

import {
  ARCHITECTURES,
  buildClassifier,
  fromConfig,
  initialWeights,
  type Pooling,
  toConfig,
  type TransformerShape,
  vocabularyOf,
} from '../src/index.ts';
import { difference, goldenOf } from './fixtures.ts';

const SHAPE: TransformerShape = {
  vocabSize: 50,
  hiddenSize: 8,
  numHiddenLayers: 2,
  numAttentionHeads: 2,
  intermediateSize: 12,
  maxPositionEmbeddings: 6,
  typeVocabSize: 2,
  hiddenAct: 'gelu',
  hiddenDropoutProb: 0.1,
  attentionProbsDropoutProb: 0.2,
  classifierDropout: 0.3,
  layerNormEps: 1e-12,
  initializerRange: 0.5,
  padTokenId: 3,
};
const WORDS = ARCHITECTURES.bert.embeddings.word;

function build(shape: Partial<TransformerShape> = {}, pooling: Pooling = 'cls'): ReturnType<typeof buildClassifier> {
  const full = { ...SHAPE, ...shape };
  const weights = initialWeights(full, 1, WORDS);
  return buildClassifier({ architecture: ARCHITECTURES.bert, shape: full, pooling, labels: 3, weights });
}

function feeds(rows: readonly (readonly number[])[], length: number): Tensors {
  const of = (value: (id: number | undefined) => number): TensorData =>
    tensor(
      'int64',
      [rows.length, length],
      rows.flatMap((row) => Array.from({ length }, (_, i) => value(row[i]))),
    );
  return {
    input_ids: of((id) => id ?? SHAPE.padTokenId),
    attention_mask: of((id) => Number(id !== undefined)),
    token_type_ids: of(() => 0),
  };
}

describe('the graph', () => {
  it('has the inputs and the output of the Hugging Face export', () => {
    const { inputs, outputs } = build();
    expect([...inputs].map(([name, { dtype, shape }]) => [name, dtype, shape])).toEqual([
      ['input_ids', 'int64', ['batch', 'sequence']],
      ['attention_mask', 'int64', ['batch', 'sequence']],
      ['token_type_ids', 'int64', ['batch', 'sequence']],
    ]);
    expect([...outputs].map(([name, { dtype, shape }]) => [name, dtype, shape])).toEqual([
      ['logits', 'float32', ['batch', 3]],
    ]);
  });

  it('attributes every node to a module, and linear layers to the one of their weight', () => {
    const graph = build();
    const modules = [...graph.parameters.keys()].map((name) => name.replace(/\.(weight|bias)$/, ''));
    for (const node of graph.nodes) {
      expect(modules.some((path) => path === node.scope || path.startsWith(`${node.scope}.`))).toBe(true);
    }
    for (const [name, { value, transposed }] of graph.parameters) {
      const users = graph.nodes.filter((node) => node.inputs.includes(value));
      expect(users).toHaveLength(1);
      expect(name.startsWith(users[0]!.scope)).toBe(true);
      expect(transposed).toBe(users[0]!.op === 'MatMul');
    }
  });

  it('is nothing but matrix products, additions and what attention needs', () => {
    const ops = [...new Set(build().nodes.map((node) => node.op))].sort();
    expect(ops.join(' ')).toBe(
      'Add Cast Dropout Gather Gelu LayerNormalization MatMul Mul Reshape Shape Slice Softmax Sub Tanh Transpose Unsqueeze',
    );
  });

  it('has dropout where BERT has it, and none at rate 0', () => {
    const dropouts = build().nodes.filter((node) => node.op === 'Dropout');
    expect(dropouts.map((node) => node.scope)).toEqual([
      'bert.embeddings',
      'bert.encoder.layer.0.attention.self',
      'bert.encoder.layer.0.attention.output',
      'bert.encoder.layer.0.output',
      'bert.encoder.layer.1.attention.self',
      'bert.encoder.layer.1.attention.output',
      'bert.encoder.layer.1.output',
      'classifier',
    ]);
    const none = build({ hiddenDropoutProb: 0, attentionProbsDropoutProb: 0, classifierDropout: 0 });
    expect(none.nodes.filter((node) => node.op === 'Dropout')).toHaveLength(0);
  });
});

describe('pooling', () => {
  it.each(['cls', 'mean'] as const)('%s does not see padding', async (pooling) => {
    const graph = build({}, pooling);
    const rows = [[5, 6, 7], [8]];
    const { logits } = await interpret(graph, feeds(rows, 6), { precision: 'float64' });
    for (const [r, row] of rows.entries()) {
      const alone = await interpret(graph, feeds([row], row.length), { precision: 'float64' });
      const wanted = Array.from(alone['logits']!.data, Number);
      expect(difference(logits!.data.slice(r * 3, (r + 1) * 3), wanted)).toBeLessThan(1e-12);
    }
  });

  it('the mean of one token is that token, of several it is not the first', async () => {
    const run = async (pooling: Pooling, row: readonly number[]): Promise<number[]> => {
      const { logits } = await interpret(build({}, pooling), feeds([row], row.length), { precision: 'float64' });
      return Array.from(logits!.data, Number);
    };
    expect(difference(await run('mean', [9]), await run('cls', [9]))).toBeLessThan(1e-12);
    expect(difference(await run('mean', [9, 4, 7]), await run('cls', [9, 4, 7]))).toBeGreaterThan(1e-3);
  });

  it('the mean of padding alone is finite', async () => {
    const { logits } = await interpret(build({}, 'mean'), feeds([[]], 4));
    expect(Array.from(logits!.data, Number).every(Number.isFinite)).toBe(true);
  });
});

describe('initial weights', () => {
  const of = (graph: ReturnType<typeof build>, name: string): Float32Array => {
    const { data } = graph.parameters.get(name)!;
    return (data as TensorData).data as Float32Array;
  };

  it('are normal with the given deviation, biases 0, normalisations 1 and 0', () => {
    const graph = build({ hiddenSize: 64, vocabSize: 500 });
    const words = of(graph, `${WORDS}.weight`);
    const spread = Math.sqrt(words.reduce((sum, x) => sum + x * x, 0) / (words.length - 64));
    expect(spread).toBeGreaterThan(0.49);
    expect(spread).toBeLessThan(0.51);
    expect(new Set(of(graph, 'bert.encoder.layer.0.attention.self.query.bias'))).toEqual(new Set([0]));
    expect(new Set(of(graph, 'bert.embeddings.LayerNorm.weight'))).toEqual(new Set([1]));
    expect(new Set(of(graph, 'bert.embeddings.LayerNorm.bias'))).toEqual(new Set([0]));
  });

  it('are 0 for the padding token', () => {
    const words = of(build(), `${WORDS}.weight`);
    expect(new Set(words.subarray(3 * 8, 4 * 8))).toEqual(new Set([0]));
    expect(words.subarray(2 * 8, 3 * 8).every((x) => x !== 0)).toBe(true);
    expect(words.subarray(4 * 8, 5 * 8).every((x) => x !== 0)).toBe(true);
  });

  it('are the same for the same seed, others for another, and do not change with more layers', () => {
    const name = 'bert.encoder.layer.1.output.dense.weight';
    expect(of(build(), name)).toEqual(of(build({ numHiddenLayers: 5 }), name));
    const other = buildClassifier({
      architecture: ARCHITECTURES.bert,
      shape: SHAPE,
      pooling: 'cls',
      labels: 3,
      weights: initialWeights(SHAPE, 2, WORDS),
    });
    expect(of(other, name)).not.toEqual(of(build(), name));
  });
});

describe('config.json', () => {
  const storedOf = (architecture: string): JsonObject =>
    JSON.parse(readFileSync(`${goldenOf(architecture).dir}/config.json`, 'utf8')) as JsonObject;
  const stored = storedOf('bert');

  it.each([
    // transformers writes `null` for the same as the other dropout.
    ['bert', 'classifier_dropout', 0.1, null],
    ['distilbert', 'seq_classif_dropout', 0.2, 0.2],
  ])('of %s says what transformers wrote', (architecture, dropout, ours, theirs) => {
    const written = storedOf(architecture);
    const { torch_dtype: dtype, ...rest } = toConfig(fromConfig(written, 'config.json'));
    expect(dtype).toBe(written['dtype']);
    expect(rest[dropout]).toBe(ours);
    expect(written).toMatchObject({ ...rest, [dropout]: theirs });
  });

  it('comes back as it was written', () => {
    const config = { architecture: ARCHITECTURES.bert, shape: SHAPE, pooling: 'mean', labels: ['a', 'b'] } as const;
    expect(fromConfig(JSON.parse(JSON.stringify(toConfig(config))) as JsonObject, 'config.json')).toEqual(config);
    expect(toConfig({ ...config, pooling: 'cls' })).not.toHaveProperty('pooling');
  });

  it('may leave out what has a default', () => {
    const { shape, labels } = fromConfig(
      { model_type: 'bert', num_labels: 3, hidden_dropout_prob: 0.25 },
      'config.json',
    );
    expect(shape).toMatchObject({ hiddenSize: 768, numHiddenLayers: 12, vocabSize: 30_522, classifierDropout: 0.25 });
    expect(labels).toEqual(['LABEL_0', 'LABEL_1', 'LABEL_2']);
  });

  it('of DistilBERT has its own defaults', () => {
    const { shape } = fromConfig({ model_type: 'distilbert' }, 'config.json');
    expect(shape).toMatchObject({ numHiddenLayers: 6, hiddenSize: 768, classifierDropout: 0.2 });
  });

  const broken: readonly JsonObject[] = [
    { model_type: 'brt' },
    { model_type: 'gpt2' },
    { hidden_size: 15 },
    { hidden_size: '16' },
    { num_hidden_layers: 1.5 },
    { hidden_act: 'geul' },
    { pad_token_id: 99 },
    { pooling: 'max' },
    { position_embedding_type: 'relative_key' },
    { id2label: { 0: 'a', 2: 'b' } },
    { id2label: undefined, num_labels: 1e9 },
  ];

  it('is refused with a reason when it is something else', () => {
    const messages = broken.map((change) => {
      try {
        fromConfig({ ...stored, ...change }, 'config.json');
      } catch (error) {
        const { code, message, fix } = error as { code: string; message: string; fix?: string };
        return [code, message, ...(fix === undefined ? [] : [fix])].join(' | ');
      }
      return 'accepted';
    });
    expect(messages).toMatchInlineSnapshot(`
      [
        "ANNEAL_E_MODEL | \`model_type\` must be one of "bert", "distilbert" (did you mean "bert"?), received "brt"",
        "ANNEAL_E_MODEL | \`model_type\` must be one of "bert", "distilbert", received "gpt2"",
        "ANNEAL_E_MODEL | hidden size 15 is not divisible by 4 attention heads | use 3 heads",
        "ANNEAL_E_MODEL | \`hidden_size\` must be a number, received "16"",
        "ANNEAL_E_MODEL | \`num_hidden_layers\` must be an integer of at least 1, received 1.5",
        "ANNEAL_E_MODEL | the activation must be one of "gelu", "gelu_new", "gelu_pytorch_tanh", "quick_gelu", "relu", "silu", "swish", "tanh" (did you mean "gelu"?), received "geul"",
        "ANNEAL_E_MODEL | the padding token 99 is not in a vocabulary of 32",
        "ANNEAL_E_MODEL | \`pooling\` must be "cls" or "mean", received "max"",
        "ANNEAL_E_MODEL | \`position_embedding_type\` must be "absolute", received "relative_key"",
        "ANNEAL_E_MODEL | \`id2label\` must map "0", "1", … to names | number the classes from 0 without a gap",
        "ANNEAL_E_MODEL | \`num_labels\` must be an integer of at least 1, received 1000000000",
      ]
    `);
  });
});

describe('the vocabulary', () => {
  it('is counted over the model and the added tokens', () => {
    const added = [{ id: 9, content: '[PAD]', special: true }];
    const model = { type: 'BPE', vocab: { a: 0, b: 1, ab: 2 } };
    expect(vocabularyOf({ model, added_tokens: added })).toEqual({ size: 10, padTokenId: 9 });
    expect(vocabularyOf({ model, added_tokens: added, padding: { pad_id: 1 } })).toEqual({ size: 10, padTokenId: 1 });
    expect(vocabularyOf({ model })).toEqual({ size: 3, padTokenId: undefined });
  });

  it('of a unigram model is a list', () => {
    const vocab = [
      ['<s>', 0],
      ['<pad>', 0],
      ['a', -1.5],
    ] as const;
    expect(vocabularyOf({ model: { type: 'Unigram', vocab } })).toEqual({ size: 3, padTokenId: 1 });
  });

  it('is unknown where there is none', () => {
    expect(vocabularyOf({})).toBeUndefined();
    expect(vocabularyOf({ model: null, added_tokens: [null, 3, {}] })).toBeUndefined();
  });
});
