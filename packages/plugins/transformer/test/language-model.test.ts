import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { isAnnealError, type Model, type ModelContext, type Task } from '@anneal/core';
import { type Gguf, interpret, loadTensor, tensor, type TensorData } from '@anneal/graph';
import { loadGguf, loadSafetensors, saveSafetensors } from '@anneal/graph/node';
import { type PluginUnderTest, setupPlugin } from '@anneal/testkit';
import { afterAll, describe, expect, it } from 'vitest';

import { decoderConfig, ggufCheckpoint, toDecoderConfig, transformer, type TransformerOptions } from '../src/index.ts';
import { loadHuggingFace } from '../src/node/index.ts';
import { difference } from './fixtures.ts';

const temporary = mkdtempSync(join(tmpdir(), 'anneal-llama-'));
afterAll(() => {
  rmSync(temporary, { recursive: true, force: true });
});

const fixture = (name: string): string => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
const TINY: TransformerOptions = { hiddenSize: 32, numHiddenLayers: 2, numAttentionHeads: 4, maxPositionEmbeddings: 9 };

function tokenizerOf(size: number): string {
  const vocab = Object.fromEntries(Array.from({ length: size }, (_, id) => [`t${id}`, id]));
  return JSON.stringify({ model: { type: 'BPE', vocab, merges: [] }, added_tokens: [{ id: 1, content: '<end>' }] });
}

async function resolved(
  options: TransformerOptions,
  { tokens = 40, kind = 'language-modeling', pad = '<end>' }: { tokens?: number; kind?: string; pad?: string } = {},
): Promise<{ model: Model; plugin: PluginUnderTest }> {
  const plugin = await setupPlugin(transformer(options));
  const { artifacts } = plugin.phase.run;
  if (tokens > 0) {
    artifacts.set('tokenizer.json', tokenizerOf(tokens));
    artifacts.setJson('tokenizer_config.json', { eos_token: { content: '<end>' }, pad_token: pad });
  }
  const ctx: ModelContext = {
    ...plugin.phase,
    dataset: undefined as never,
    task: { kind } as Task,
  };
  return { model: (await plugin.tap('model', 'resolveModel')(ctx)) as Model, plugin };
}

async function failure(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (isAnnealError(error)) return `${error.code} ${error.message}`;
  }
  return 'no error';
}

const ids = (rows: readonly (readonly number[])[]): Record<string, TensorData> => ({
  input_ids: tensor('int64', [rows.length, rows[0]!.length], rows.flat()),
  attention_mask: tensor(
    'int64',
    [rows.length, rows[0]!.length],
    rows.flat().map(() => 1),
  ),
});

describe('a new language model', () => {
  it('is a Llama, with the vocabulary and the tokens of the tokenizer', async () => {
    const { model, plugin } = await resolved({ ...TINY, numKeyValueHeads: 2 });
    expect(model.config).toEqual({
      architectures: ['LlamaForCausalLM'],
      model_type: 'llama',
      vocab_size: 40,
      hidden_size: 32,
      intermediate_size: 128,
      num_hidden_layers: 2,
      num_attention_heads: 4,
      num_key_value_heads: 2,
      head_dim: 8,
      max_position_embeddings: 9,
      hidden_act: 'silu',
      rms_norm_eps: 1e-6,
      rope_theta: 10_000,
      tie_word_embeddings: false,
      attention_bias: false,
      mlp_bias: false,
      eos_token_id: 1,
      pad_token_id: 1,
      torch_dtype: 'float32',
    });
    expect(model.padding).toEqual({ input_ids: 1 });
    expect(model.graph.outputs.get('logits')!.shape).toEqual(['batch', 'sequence', 40]);
    expect([...model.graph.parameters.values()].every((parameter) => parameter.trainable)).toBe(true);
    expect(plugin.logs.map((entry) => entry.message)).toEqual([
      'llama: 2 layers of 32 with 4 heads, vocabulary 40, 33.4K parameters',
    ]);
    expect(toDecoderConfig(decoderConfig(model.config, 'config.json'))).toEqual(model.config);
  });

  it('starts with small numbers, a vector of 0 for padding, and none of 0 for the end of texts', async () => {
    for (const [pad, isZero] of [
      ['t3', true],
      ['<end>', false],
    ] as const) {
      const { model } = await resolved({ ...TINY, tieWordEmbeddings: true }, { pad });
      const { data } = (await loadTensor(model.graph.parameters.get('model.embed_tokens.weight')!.data)) as TensorData;
      const id = pad === 't3' ? 3 : 1;
      const vector = Array.from(data, Number).slice(32 * id, 32 * (id + 1));
      expect(vector.every((value) => value === 0)).toBe(isZero);
      const spread = Math.sqrt(Array.from(data, Number).reduce((sum, value) => sum + value ** 2, 0) / data.length);
      expect(spread).toBeGreaterThan(0.018);
      expect(spread).toBeLessThan(0.022);
      expect(model.graph.parameters.has('lm_head.weight')).toBe(false);
    }
  });

  it('does not see what comes later', async () => {
    const { model } = await resolved({ ...TINY, architecture: 'llama' });
    const [a, b] = [
      await interpret(model.graph, ids([[3, 4, 5, 6]])),
      await interpret(model.graph, ids([[3, 4, 9, 9]])),
    ];
    const firstTwo = ({ data }: TensorData): number[] => Array.from(data, Number).slice(0, 80);
    expect(difference(firstTwo(a['logits']!), firstTwo(b['logits']!))).toBe(0);
    expect(difference(a['logits']!.data, Array.from(b['logits']!.data, Number))).toBeGreaterThan(1e-4);
  });

  it('needs a task and sizes that fit', async () => {
    expect(await failure(resolved({ ...TINY, architecture: 'llama' }, { kind: 'classification' }))).toBe(
      'ANNEAL_E_MODEL llama is a language model, received a task of kind "classification"',
    );
    expect(await failure(resolved({ ...TINY, architecture: 'bert' }))).toBe(
      'ANNEAL_E_MODEL this model classifies, received a task of kind "language-modeling"',
    );
    expect(await failure(resolved({ ...TINY, numKeyValueHeads: 3 }))).toBe(
      'ANNEAL_E_OPTIONS 4 attention heads are not a multiple of 3 key-value heads',
    );
    expect(await failure(resolved(TINY, { tokens: 0 }))).toBe(
      'ANNEAL_E_MODEL `vocabSize` is not given and the build has no `tokenizer.json`',
    );
  });
});

interface Expected {
  readonly feeds: {
    readonly input_ids: readonly (readonly number[])[];
    readonly attention_mask: readonly (readonly number[])[];
  };
  readonly logits: readonly (readonly (readonly number[])[])[];
}

describe.each(['llama', 'llama-untied'])('a checkpoint of %s', (name) => {
  const expected = JSON.parse(readFileSync(join(fixture(name), 'expected.json'), 'utf8')) as Expected;
  const [rows, mask] = [expected.feeds.input_ids, expected.feeds.attention_mask];
  const feeds = { ...ids(rows), attention_mask: tensor('int64', [rows.length, rows[0]!.length], mask.flat()) };

  async function far({ graph }: Model): Promise<number> {
    const { logits } = await interpret(graph, feeds);
    const seen = (values: readonly number[]): number[] =>
      values.filter((_, i) => mask.flat()[Math.floor(i / 29)] === 1);
    return difference(seen(Array.from(logits!.data, Number)), seen(expected.logits.flat(2)));
  }

  it('gives the logits of transformers', async () => {
    const { model } = await resolved({ from: fixture(name) }, { tokens: 29 });
    expect(await far(model)).toBeLessThan(2e-5);
  });

  it('may be in several files', async () => {
    const folder = join(temporary, name);
    mkdirSync(folder);
    copyFileSync(join(fixture(name), 'config.json'), join(folder, 'config.json'));
    const { tensors } = await loadSafetensors(join(fixture(name), 'model.safetensors'));
    const parts = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
    const map = Object.fromEntries([...tensors.keys()].map((key, i) => [key, parts[i % 2]!]));
    for (const part of parts)
      await saveSafetensors(join(folder, part), new Map([...tensors].filter(([key]) => map[key] === part)));
    writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }));
    expect(await far(await loadHuggingFace(folder))).toBeLessThan(2e-5);
  });

  it('is refused when the tokenizer has more tokens', async () => {
    expect(await failure(resolved({ from: fixture(name) }))).toBe(
      'ANNEAL_E_MODEL the checkpoint has 29 word embeddings, received a tokenizer of 40',
    );
  });
});

/** Written by tools/goldens/transformer/make_gguf.py with the Python package of llama.cpp. */
describe('a GGUF file', () => {
  const file = fixture('llama.gguf');

  it('has the weights that it was made of, under their names and in their order', async () => {
    const { tensors: wanted } = await loadSafetensors(join(fixture('llama'), 'model.safetensors'));
    const { tensors } = ggufCheckpoint(await loadGguf(file), file);
    expect([...tensors.keys()].toSorted()).toEqual([...wanted.keys()].toSorted());
    for (const [key, tensor] of tensors) {
      const [actual, original] = [await loadTensor(tensor), await loadTensor(wanted.get(key)!)];
      expect(actual.shape, key).toEqual(original.shape);
      expect(actual.data, key).toEqual(original.data);
    }
  });

  it('has the config that it was made of', async () => {
    const { model, plugin } = await resolved({ from: file }, { tokens: 29 });
    const original = JSON.parse(readFileSync(join(fixture('llama'), 'config.json'), 'utf8')) as Record<string, unknown>;
    const { rope_parameters: rope, ...same } = original as { rope_parameters: { rope_theta: number } };
    const wanted: Record<string, unknown> = { ...same, rope_theta: rope.rope_theta };
    for (const [key, value] of Object.entries(model.config))
      if (!/token_id|dtype/.test(key)) expect([key, value]).toEqual([key, wanted[key]]);
    expect(plugin.dependencies).toEqual([file]);
    expect(model.config).toMatchObject({ bos_token_id: 0, eos_token_id: 0 });
  });

  it('is refused when it is of another kind, or damaged', async () => {
    const gguf = await loadGguf(file);
    const withMetadata = (key: string, value: string): Gguf => ({
      ...gguf,
      metadata: new Map([...gguf.metadata, [key, value]]),
    });
    const renamed = new Map([...gguf.tensors].map(([key, value]) => [key.replace('ffn_up', 'ffn_side'), value]));
    for (const [given, message] of [
      [
        withMetadata('general.architecture', 'gpt2'),
        'the architecture of a GGUF file must be "llama", received "gpt2"',
      ],
      [withMetadata('llama.rope.scaling.type', 'yarn'), 'scaled rotary positions are not built'],
      [
        { ...gguf, tensors: renamed },
        'the tensor "blk.0.ffn_side.weight" belongs to no layer of the llama architecture',
      ],
    ] as const)
      expect(() => ggufCheckpoint(given, 'x.gguf')).toThrow(
        expect.objectContaining({ code: 'ANNEAL_E_MODEL', message }),
      );
    const broken = join(temporary, 'broken.gguf');
    writeFileSync(broken, readFileSync(file).subarray(0, 500));
    for (const path of [broken, join(temporary, 'missing.gguf')])
      expect(await failure(loadHuggingFace(path))).toMatch(/^ANNEAL_E_MODEL the GGUF file cannot be read: /);
  });
});
