import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { isAnnealError, type JsonObject, type Model } from '@anneal/core';
import {
  encodeFloat,
  interpret,
  loadTensor,
  roundFloat,
  tensor,
  type TensorData,
  type TensorSource,
} from '@anneal/graph';
import { saveSafetensors } from '@anneal/graph/node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { type Checkpoint, checkpointTensors, fromCheckpoint } from '../src/index.ts';
import { loadHuggingFace, openCheckpoint } from '../src/node/index.ts';
import { BERT_DIR, difference, expected, feedsOf } from './fixtures.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'anneal-checkpoint-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const WANTED = expected.logits['gelu']!.flat();

async function error(model: Model): Promise<number> {
  const { logits } = await interpret(model.graph, feedsOf(), { precision: 'float64' });
  return difference(logits!.data, WANTED);
}

/** The golden checkpoint with other tensors or config. */
async function changed(
  change: (name: string, value: TensorData) => readonly [string, TensorSource] | undefined,
  config: JsonObject = {},
): Promise<Checkpoint> {
  const checkpoint = await openCheckpoint(BERT_DIR);
  const tensors = new Map<string, TensorSource>();
  for (const [name, value] of checkpoint.tensors) {
    const entry = change(name, await loadTensor(value));
    if (entry !== undefined) tensors.set(...entry);
  }
  return { ...checkpoint, tensors, config: { ...checkpoint.config, ...config } };
}

/** Code and message of the error, without the folder. */
async function failure(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (caught) {
    if (isAnnealError(caught)) return `${caught.code}: ${caught.message}`.replaceAll(dir, '<dir>');
  }
  return 'no error';
}

describe('weights', () => {
  it('may have the names of the original BERT, and no prefix', async () => {
    const checkpoint = await changed((name, value) => [
      name
        .replace('bert.', '')
        .replace('LayerNorm.weight', 'LayerNorm.gamma')
        .replace('LayerNorm.bias', 'LayerNorm.beta'),
      value,
    ]);
    expect(checkpoint.tensors.has('embeddings.LayerNorm.gamma')).toBe(true);
    expect(await error(await fromCheckpoint(checkpoint))).toBeLessThan(1e-10);
  });

  it.each(['float16', 'bfloat16'] as const)('may be %s, and are read exactly', async (dtype) => {
    const half = await changed((name, { shape, data }) => [
      name,
      tensor(
        dtype,
        shape,
        Uint16Array.from(data as Float32Array, (x) => encodeFloat(x, dtype)),
      ),
    ]);
    const found = await checkpointTensors(await fromCheckpoint(half));
    for (const [name, value] of (await openCheckpoint(BERT_DIR)).tensors) {
      const [wanted, own] = await Promise.all([value, found.get(name)!].map(loadTensor));
      expect(own!.dtype).toBe('float32');
      expect(own!.data).toEqual((wanted!.data as Float32Array).map((x) => roundFloat(x, dtype)));
    }
  });

  it('may be float64', async () => {
    const wide = await changed((name, { shape, data }) => [
      name,
      tensor('float64', shape, Float64Array.from(data as Float32Array)),
    ]);
    expect(await error(await fromCheckpoint(wide))).toBeLessThan(1e-10);
  });

  it('of a pooler and classifier may be missing: they start anew, from the seed', async () => {
    const encoder = await changed((name, value) => (/pooler|classifier/.test(name) ? undefined : [name, value]));
    const missing: string[] = [];
    const model = await fromCheckpoint(encoder, { seed: 5, onMissing: (names) => missing.push(...names) });
    expect(missing).toEqual([
      'bert.pooler.dense.weight',
      'bert.pooler.dense.bias',
      'classifier.weight',
      'classifier.bias',
    ]);
    const again = await fromCheckpoint(encoder, { seed: 5 });
    const weights = [model, again].map(
      ({ graph }) => (graph.parameters.get('classifier.weight')!.data as TensorData).data,
    );
    expect(weights[0]).toEqual(weights[1]);
    expect(weights[0]!.some((x) => x !== 0)).toBe(true);
  });

  it('of the classifier start anew when told to', async () => {
    const missing: string[] = [];
    const model = await fromCheckpoint(await openCheckpoint(BERT_DIR), {
      newClassifier: true,
      override: (config) => ({ ...config, labels: ['a', 'b', 'c', 'd', 'e'] }),
      onMissing: (names) => missing.push(...names),
    });
    expect(missing).toEqual(['classifier.weight', 'classifier.bias']);
    expect(model.graph.outputs.get('logits')!.shape).toEqual(['batch', 5]);
    expect(model.config['label2id']).toEqual({ a: 0, b: 1, c: 2, d: 3, e: 4 });
  });

  it('come back as they were', async () => {
    const tensors = await checkpointTensors(await loadHuggingFace(BERT_DIR));
    const stored = (await openCheckpoint(BERT_DIR)).tensors;
    expect(new Set(tensors.keys())).toEqual(new Set(stored.keys()));
    for (const [name, value] of tensors) expect(await loadTensor(value)).toEqual(await loadTensor(stored.get(name)!));
  });

  it('that do not fit are refused by name', async () => {
    const weight = 'bert.encoder.layer.1.output.dense.weight';
    const without = changed((name, value) => (name === weight ? undefined : [name, value]));
    expect(await failure(without.then((c) => fromCheckpoint(c)))).toMatchInlineSnapshot(
      `"ANNEAL_E_MODEL: the checkpoint has no weight "bert.encoder.layer.1.output.dense.weight", received "bert.embeddings.LayerNorm.bias", "bert.embeddings.LayerNorm.weight", "bert.embeddings.position_embeddings.weight" …"`,
    );
    const flipped = changed((name, value) => [
      name,
      name === weight ? { ...value, shape: value.shape.toReversed() } : value,
    ]);
    expect(await failure(flipped.then((c) => fromCheckpoint(c)))).toMatchInlineSnapshot(
      `"ANNEAL_E_MODEL: the checkpoint has "bert.encoder.layer.1.output.dense.weight" of shape [24,16], config.json says [16,24]"`,
    );
    const whole = changed((name, value) => [
      name,
      name === weight ? tensor('int32', value.shape, new Int32Array(value.data.length)) : value,
    ]);
    expect(await failure(whole.then((c) => fromCheckpoint(c)))).toMatchInlineSnapshot(
      `"ANNEAL_E_MODEL: the checkpoint has "bert.encoder.layer.1.output.dense.weight" as int32, floats are needed"`,
    );
  });

  it('that cannot be there are not looked for', async () => {
    const deep = changed((name, value) => [name, value], { num_hidden_layers: 1e9 });
    expect(await failure(deep.then((c) => fromCheckpoint(c)))).toMatchInlineSnapshot(
      `"ANNEAL_E_MODEL: the checkpoint has 41 tensors, too few for 1000000000 layers"`,
    );
    const wide = changed((name, value) => [name, value], { vocab_size: 1e15 });
    expect(await failure(wide.then((c) => fromCheckpoint(c)))).toMatchInlineSnapshot(
      `"ANNEAL_E_MODEL: the checkpoint has "bert.embeddings.word_embeddings.weight" of shape [32,16], config.json says [1000000000000000,16]"`,
    );
  });
});

describe('a folder', () => {
  it('may have its weights in several files', async () => {
    const { tensors } = await openCheckpoint(BERT_DIR);
    const [a, b] = [new Map<string, TensorSource>(), new Map<string, TensorSource>()];
    for (const [i, [name, value]] of [...tensors].entries()) (i % 2 === 0 ? a : b).set(name, value);
    const files = { 'model-00001-of-00002.safetensors': a, 'model-00002-of-00002.safetensors': b };
    const map: Record<string, string> = {};
    for (const [file, part] of Object.entries(files)) {
      await saveSafetensors(join(dir, file), part);
      for (const name of part.keys()) map[name] = file;
    }
    await writeFile(join(dir, 'model.safetensors.index.json'), JSON.stringify({ metadata: {}, weight_map: map }));
    await cp(join(BERT_DIR, 'config.json'), join(dir, 'config.json'));
    expect(await error(await loadHuggingFace(dir))).toBeLessThan(1e-10);
  });

  it('cannot lead out of itself', async () => {
    await cp(BERT_DIR, join(dir, 'outside'), { recursive: true });
    await mkdir(join(dir, 'model'));
    await cp(join(BERT_DIR, 'config.json'), join(dir, 'model/config.json'));
    for (const file of ['../outside/model.safetensors', '/etc/passwd', 'a/b.safetensors', '..safetensors', 7]) {
      await writeFile(join(dir, 'model/model.safetensors.index.json'), JSON.stringify({ weight_map: { x: file } }));
      expect(await failure(loadHuggingFace(join(dir, 'model')))).toBe(
        `ANNEAL_E_MODEL: the index names a file that cannot be one, received ${JSON.stringify(file)}`,
      );
    }
  });

  it('that is missing or damaged is an error that says so', async () => {
    expect(await failure(loadHuggingFace(join(dir, 'nowhere')))).toMatchInlineSnapshot(
      `"ANNEAL_E_MODEL: there is no checkpoint in "<dir>/nowhere": config.json is missing"`,
    );
    await writeFile(join(dir, 'config.json'), '{');
    expect(await failure(loadHuggingFace(dir))).toMatch(/^ANNEAL_E_MODEL: the file is not valid JSON: /);
    await writeFile(join(dir, 'config.json'), '[]');
    expect(await failure(loadHuggingFace(dir))).toMatchInlineSnapshot(
      `"ANNEAL_E_MODEL: the file is not a JSON object"`,
    );
    await cp(join(BERT_DIR, 'config.json'), join(dir, 'config.json'));
    expect(await failure(loadHuggingFace(dir))).toMatch(
      /^ANNEAL_E_MODEL: the weights cannot be read: .*model\.safetensors/,
    );
    const bytes = await readFile(join(BERT_DIR, 'model.safetensors'));
    await writeFile(join(dir, 'model.safetensors'), bytes.subarray(0, bytes.length - 100));
    expect(await failure(loadHuggingFace(dir))).toMatch(/^ANNEAL_E_MODEL: the weights cannot be read: .*truncated/);
  });
});
