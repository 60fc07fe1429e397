import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { AnnealError, type JsonObject } from '@anneal/core';
import {
  bind,
  crossEntropy,
  type Graph,
  GraphBuilder,
  gradients,
  inline,
  interpret,
  loadTensor,
  tensor,
  type TensorData,
  type Value,
} from '@anneal/graph';
import { loadSafetensors } from '@anneal/graph/node';
import { describe, expect, it } from 'vitest';

import { buildDecoder, decoderConfig, type DecoderOptions, type WeightSpec } from '../src/index.ts';
import { difference } from './fixtures.ts';

type Rows = readonly (readonly number[])[];

interface Expected {
  readonly feeds: { readonly input_ids: Rows; readonly attention_mask: Rows };
  readonly labels: Rows;
  readonly weights: Rows;
  readonly logits: readonly Rows[];
  readonly loss: number;
  readonly gradients: Readonly<Record<string, readonly number[]>>;
}

const BASE: JsonObject = { model_type: 'llama', hidden_size: 24, num_attention_heads: 6, num_key_value_heads: 2 };

function folderOf(name: string): string {
  return fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
}

const ints = (rows: Rows): TensorData => tensor('int64', [rows.length, rows[0]!.length], rows.flat());

function transposed(data: ArrayLike<number | bigint>, [rows, columns]: readonly number[]): number[] {
  return Array.from({ length: data.length }, (_, i) => Number(data[(i % rows!) * columns! + Math.floor(i / rows!)]));
}

async function golden(name: string): Promise<{
  expected: Expected;
  feeds: Record<string, TensorData>;
  build: (options?: DecoderOptions) => Graph;
  names: readonly string[];
}> {
  const dir = folderOf(name);
  const expected = JSON.parse(readFileSync(`${dir}/expected.json`, 'utf8')) as Expected;
  const config = decoderConfig(JSON.parse(await readFile(`${dir}/config.json`, 'utf8')) as JsonObject, 'config.json');
  const { tensors } = await loadSafetensors(`${dir}/model.safetensors`);
  const loaded = new Map<string, TensorData>();
  for (const [key, value] of tensors) loaded.set(key, await loadTensor(value));
  const { input_ids, attention_mask } = expected.feeds;
  return {
    expected,
    names: [...loaded.keys()],
    feeds: { input_ids: ints(input_ids), attention_mask: ints(attention_mask) },
    build: (options = {}) => {
      const weights = (spec: WeightSpec): TensorData => {
        const { shape, data } = loaded.get(spec.name)!;
        const values = spec.transposed ? transposed(data, shape) : Array.from(data, Number);
        expect(spec.transposed ? shape.toReversed() : shape).toEqual(spec.shape);
        return tensor(options.dtype ?? 'float32', spec.shape, values);
      };
      return buildDecoder(config, weights, options);
    },
  };
}

/** Numbers of `[batch, sequence, width]` at tokens that are not padding. */
function visible(data: ArrayLike<number | bigint>, mask: Rows): number[] {
  const flat = mask.flat();
  const width = data.length / flat.length;
  return Array.from(data, Number).filter((_, i) => flat[Math.floor(i / width)] === 1);
}

describe.each(['llama', 'llama-untied'])('a Hugging Face checkpoint of %s', (name) => {
  it.each([
    ['float32', 2e-5],
    ['float64', 1e-12],
  ] as const)('gives the logits of transformers in %s', async (dtype, tolerance) => {
    const { expected, feeds, build } = await golden(name);
    const { logits } = await interpret(build({ dtype }), feeds);
    const mask = expected.feeds.attention_mask;
    const wanted = visible(expected.logits.flat(2), mask);
    expect(difference(visible(logits!.data, mask), wanted)).toBeLessThan(tolerance);
  });

  it('names its weights as the checkpoint does', async () => {
    const { build, names } = await golden(name);
    expect([...build().parameters.keys()].toSorted()).toEqual(names.toSorted());
  });

  it.each([5, 100])('gives the loss and all gradients of PyTorch with the loss in chunks of %i', async (chunk) => {
    const { expected, feeds, build } = await golden(name);
    const g = new GraphBuilder();
    const graph = bind(build({ dtype: 'float64' }), { batch: 3, sequence: 8 });
    const { logits } = inline(g, graph);
    const labels = g.constant(ints(expected.labels));
    const weights = g.constant(tensor('float64', [3, 8], expected.weights.flat()));
    const loss = crossEntropy(g.ops, logits!, labels, { weights, chunk });
    const values = new Map<string, Value>(
      [...graph.parameters.keys()].map((key) => [key, g.findParameter(key)!.value]),
    );
    const found = gradients(g, loss, [...values.values()]);
    g.output('loss', loss);
    for (const [key, value] of values) g.output(`d ${key}`, found.get(value)!);
    const step = g.build();
    expect(step.nodes.some(({ outputs }) => outputs[0]?.shape.join() === '3,8,29')).toBe(false);
    const results = await interpret(step, feeds);
    expect(Math.abs(Number(results['loss']!.data[0]) - expected.loss)).toBeLessThan(1e-10);
    expect([...values.keys()].toSorted()).toEqual(Object.keys(expected.gradients).toSorted());
    for (const [key, wanted] of Object.entries(expected.gradients)) {
      const { shape, data } = results[`d ${key}`]!;
      const isTransposed = graph.parameters.get(key)?.transposed ?? false;
      const actual = isTransposed ? transposed(data, shape) : Array.from(data, Number);
      expect(difference(actual, wanted), key).toBeLessThan(1e-8);
    }
  });
});

describe('the config of a decoder', () => {
  it('has the defaults of LlamaConfig, and heads that follow from the sizes', () => {
    const { shape } = decoderConfig({ ...BASE, num_key_value_heads: null }, 'config.json');
    expect(shape).toMatchObject({ headDim: 4, numKeyValueHeads: 6, ropeTheta: 10_000, rmsNormEps: 1e-6 });
  });

  it('reads the base of the rotation where older and newer files have it', () => {
    expect(decoderConfig({ ...BASE, rope_theta: 5e5 }, 'config.json').shape.ropeTheta).toBe(5e5);
    const newer = { ...BASE, rope_parameters: { rope_type: 'default', rope_theta: 1e5 } };
    expect(decoderConfig(newer, 'config.json').shape.ropeTheta).toBe(1e5);
  });

  it.each([
    [{ model_type: 'lama' }, /one of "llama" \(did you mean "llama"\?\), received "lama"/],
    [{ hidden_size: '24' }, /`hidden_size` must be a number/],
    [{ vocab_size: 0 }, /`vocab_size` must be an integer of at least 1, received 0/],
    [{ num_key_value_heads: 4 }, /6 attention heads are not a multiple of 4/],
    [{ head_dim: 3 }, /`head_dim` must be even/],
    [{ hidden_act: 'none' }, /the activation must be one of/],
    [{ rope_scaling: { rope_type: 'llama3', factor: 8 } }, /`rope_type` must be "default", received "llama3"/],
  ] as [JsonObject, RegExp][])('refuses %j', (change, message) => {
    const read = (): unknown => decoderConfig({ ...BASE, ...change }, 'config.json');
    expect(read).toThrow(AnnealError);
    expect(read).toThrow(message);
  });
});
