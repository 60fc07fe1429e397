import { mkdtemp, rm, writeFile, mkdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import {
  GraphBuilder,
  loadTensor,
  memorySource,
  memoryWriter,
  readSafetensors,
  tensor,
  type TensorData,
  writeSafetensors,
} from '@anneal/graph';
import { setupPlugin } from '@anneal/testkit';
import { describe, expect, it, onTestFinished } from 'vitest';

import { attachAdapter, lora, type LoraOptions, type PeftAdapter, readPeftConfig } from '../src/index.ts';
import { openAdapter } from '../src/node/index.ts';
import { bert, FIXTURES, setUp } from './bert.ts';

const adapt = async (options: LoraOptions) => (await setUp(options)).adapt(await bert());

describe('what cannot be adapted', () => {
  it('names that match nothing: the error lists what there is', async () => {
    await expect(adapt({ targetModules: ['q_proj'] })).rejects.toMatchObject({
      code: 'ANNEAL_E_NO_TARGET',
      message: 'no layer matches `targetModules` ["q_proj"] and is neither excluded nor trained in full (classifier)',
      plugin: 'lora',
      fix: 'use ends of module paths, such as query, key, value, dense, classifier, word_embeddings, token_type_embeddings',
    });
  });

  it('a model without layers', async () => {
    const g = new GraphBuilder();
    g.output('y', g.ops.relu(g.input('x', 'float32', ['batch'])));
    const { adapt: run } = await setUp({ modulesToSave: [] });
    await expect(run({ graph: g.build(), config: {}, padding: {} })).rejects.toMatchObject({
      code: 'ANNEAL_E_NO_TARGET',
      message: 'no layer matches `targetModules` "all-linear"',
      fix: 'this model has no layers for adapters',
    });
  });

  it('a rank above the size of a layer', async () => {
    await expect(adapt({ r: 17, targetModules: ['query'] })).rejects.toMatchObject({
      code: 'ANNEAL_E_OPTIONS',
      message: 'rank 17 exceeds the layer "bert.encoder.layer.0.attention.self.query" [16, 16]',
      path: ['r'],
      fix: 'use a rank of at most 16, or leave the layer out with `excludeModules`',
    });
    await expect(
      adapt({ targetModules: ['query'], rankPattern: { 'layer.1.attention.self.query': 20 } }),
    ).rejects.toMatchObject({
      message: 'rank 20 exceeds the layer "bert.encoder.layer.1.attention.self.query" [16, 16]',
      path: ['rankPattern'],
    });
  });

  it('a model that has adapters', async () => {
    const { adapt: run } = await setUp();
    const once = await run(await bert());
    await expect(run(once)).rejects.toMatchObject({
      code: 'ANNEAL_E_MODEL',
      message: 'the model already has adapters',
      fix: 'use `lora` in one stage only',
    });
  });

  it('a model whose description of adapters is damaged', async () => {
    const { adapt: run, fold } = await setUp();
    const model = await bert();
    for (const text of ['{', '[]', '{"adapters":[{"path":"a","kind":"conv"}]}']) {
      const graph = { ...model.graph, metadata: { 'anneal.lora': text } };
      await expect(run({ ...model, graph })).rejects.toMatchObject({ code: 'ANNEAL_E_MODEL' });
      await expect(fold({ ...model, graph })).rejects.toMatchObject({
        message: "the model's property `anneal.lora` does not describe adapters",
      });
    }
  });

  it('embeddings with magnitudes', async () => {
    await expect(adapt({ useDora: true, targetModules: ['query', 'word_embeddings'] })).rejects.toMatchObject({
      code: 'ANNEAL_E_OPTIONS',
      message: '`useDora` works on linear layers, received the embedding "bert.embeddings.word_embeddings"',
    });
  });

  it('warns of modules to save that the model does not have', async () => {
    const { adapt: run, plugin } = await setUp({ modulesToSave: ['clasifier', 'pooler'] });
    await run(await bert());
    expect(plugin.logs.filter(({ level }) => level === 'warn').map(({ message }) => message)).toEqual([
      '`modulesToSave` names "clasifier", which this model does not have',
    ]);
  });
});

describe('options', () => {
  const refused = (options: unknown) =>
    setupPlugin(lora(options as LoraOptions)).then(
      () => undefined,
      (error: unknown) => error,
    );

  it.each<[unknown, string]>([
    [{ r: 0 }, '`r`'],
    [{ r: 1.5 }, '`r`'],
    [{ loraAlpha: 0 }, '`loraAlpha`'],
    [{ loraDropout: 1 }, '`loraDropout`'],
    [{ targetModules: [] }, '`targetModules`'],
    [{ targetModules: '' }, '`targetModules`'],
    [{ rankPattern: { query: 0 } }, 'rankPattern'],
    [{ initLoraWeights: 'pissa' }, 'initLoraWeights'],
    [{ loraAlhpa: 4 }, 'loraAlhpa'],
  ])('%j are refused', async (options, text) => {
    const error = (await refused(options)) as Error;
    expect(error).toMatchObject({ code: 'ANNEAL_E_OPTIONS' });
    expect(error.message).toContain(text);
  });

  it.each<[LoraOptions, string[]]>([
    [{ targetModules: '(query' }, ['targetModules']],
    [{ targetModules: '(?=query)' }, ['targetModules']],
    [{ excludeModules: '[' }, ['excludeModules']],
    [{ rankPattern: { 'a(': 2 } }, ['rankPattern', 'a(']],
    [{ alphaPattern: { '*': 2 } }, ['alphaPattern', '*']],
  ])('%j has an expression that is none', async (options, path) => {
    expect(await refused(options)).toMatchObject({ code: 'ANNEAL_E_OPTIONS', path, plugin: 'lora' });
  });

  it('with expressions that would keep a backtracking engine busy for years take no time', async () => {
    const g = new GraphBuilder();
    const path = `${'a'.repeat(200)}!`;
    const x = g.input('x', 'float32', ['batch', 1]);
    g.output('y', g.ops.matmul(x, g.parameter(`${path}.weight`, tensor('float32', [1, 1], [1]))));
    const start = performance.now();
    const { adapt: run } = await setUp({
      targetModules: '(a+)+b',
      excludeModules: '(a|a)*c',
      rankPattern: { '(a*)*d': 3 },
    });
    await expect(run({ graph: g.build(), config: {}, padding: {} })).rejects.toMatchObject({
      code: 'ANNEAL_E_NO_TARGET',
    });
    expect(performance.now() - start).toBeLessThan(1000);
  });
});

describe('an adapter folder', () => {
  async function folder(config: unknown, tensors?: ReadonlyMap<string, TensorData>): Promise<string> {
    const root = await mkdtemp(join(tmpdir(), 'anneal-lora-'));
    onTestFinished(() => rm(root, { recursive: true, force: true }));
    await mkdir(join(root, 'adapter'));
    const text = typeof config === 'string' ? config : JSON.stringify(config);
    if (config !== undefined) await writeFile(join(root, 'adapter', 'adapter_config.json'), text);
    if (tensors !== undefined) {
      const writer = memoryWriter();
      await writeSafetensors(tensors, writer);
      await writeFile(join(root, 'adapter', 'adapter_model.safetensors'), writer.bytes());
    }
    return root;
  }
  const LORA = { peft_type: 'LORA', target_modules: ['query'] };

  it('is part of what results depend on', async () => {
    const plugin = await setupPlugin(lora({ from: 'adapter' }), { root: '/project' });
    expect(plugin.dependencies).toEqual(
      ['adapter_config.json', 'adapter_model.safetensors'].map((name) => join('/project/adapter', name)),
    );
  });

  it('that is missing or damaged is an error that names the file', async () => {
    const open = async (config: unknown, tensors?: ReadonlyMap<string, TensorData>) =>
      openAdapter(join(await folder(config, tensors), 'adapter'));
    await expect(open(undefined)).rejects.toMatchObject({
      code: 'ANNEAL_E_MODEL',
      file: expect.stringMatching(/adapter_config\.json$/) as string,
      fix: 'give a folder with adapter_config.json and adapter_model.safetensors',
    });
    await expect(open('{')).rejects.toMatchObject({
      code: 'ANNEAL_E_MODEL',
      message: expect.stringContaining('JSON') as string,
    });
    await expect(open(' '.repeat(17 * 2 ** 20))).rejects.toMatchObject({
      message: expect.stringContaining('at most') as string,
    });
    await expect(open(LORA)).rejects.toMatchObject({
      code: 'ANNEAL_E_MODEL',
      file: expect.stringMatching(/adapter_model\.safetensors$/) as string,
    });
  });

  it.each<[unknown, string]>([
    [null, 'received null'],
    [[], 'received'],
    [{}, '`peft_type` must be "LORA"'],
    [{ peft_type: 'IA3' }, '`peft_type` must be "LORA", received "IA3"'],
    [{ ...LORA, bias: 'all' }, '`bias` must be "none", received "all"'],
    [{ ...LORA, fan_in_fan_out: true }, '`fan_in_fan_out` is not supported, received true'],
    [{ ...LORA, lora_bias: true }, '`lora_bias` is not supported'],
    [{ ...LORA, layer_replication: [[0, 4]] }, '`layer_replication` is not supported, received [[0,4]]'],
    [{ ...LORA, kasa_config: { beta: 1 } }, '`kasa_config` is not supported'],
    [{ ...LORA, init_lora_weights: 'pissa' }, '`init_lora_weights` must leave the base as it is'],
    [{ ...LORA, lora_alpha: 0 }, 'received 0'],
    [{ ...LORA, alpha_pattern: { query: 'x' } }, 'received'],
  ])('with the config %j is refused', (config, message) => {
    expect(() => readPeftConfig(config, 'file.json')).toThrow(
      expect.objectContaining({
        code: 'ANNEAL_E_MODEL',
        file: 'file.json',
        message: expect.stringContaining(message) as string,
      }),
    );
  });

  it('with the least that PEFT accepts has the defaults of PEFT', () => {
    expect(readPeftConfig(LORA, 'x')).toEqual({
      lora_alpha: 8,
      alpha_pattern: {},
      modules_to_save: [],
      use_rslora: false,
      use_dora: false,
    });
  });

  const query = 'bert.encoder.layer.0.attention.self.query';
  const PREFIX = 'base_model.model.';
  const zeros = (...shape: number[]): TensorData =>
    tensor('float32', shape, new Float32Array(shape.reduce((a, b) => a * b, 1)));
  const complete = { [`${query}.lora_A.weight`]: zeros(2, 16), [`${query}.lora_B.weight`]: zeros(16, 2) };
  const peft = (tensors: Readonly<Record<string, TensorData>>, config: object = {}): PeftAdapter => ({
    config: readPeftConfig({ ...LORA, ...config }, 'adapter'),
    tensors: new Map(Object.entries(tensors).map(([name, data]) => [PREFIX + name, data])),
    name: 'adapter',
  });
  const attach = async (adapter: PeftAdapter) => attachAdapter((await bert()).graph, adapter);

  it.each<[string, Readonly<Record<string, TensorData>>, object, string, string]>([
    [
      'other layers',
      {
        ...complete,
        'gpt.c_attn.lora_A.weight': zeros(2, 16),
        'gpt.c_attn.lora_B.weight': zeros(16, 2),
        'score.weight': zeros(3),
      },
      {},
      'ANNEAL_E_NO_TARGET',
      'the adapter is for another model: this one has no "gpt.c_attn", "score.weight"',
    ],
    ['nothing', {}, {}, 'ANNEAL_E_MODEL', 'the adapter has no LoRA weights'],
    [
      'half an adapter',
      { [`${query}.lora_A.weight`]: zeros(2, 16) },
      {},
      'ANNEAL_E_MODEL',
      `the adapter lacks a part of the adapter of "${query}"`,
    ],
    [
      'no magnitude',
      complete,
      { use_dora: true },
      'ANNEAL_E_MODEL',
      `the adapter lacks a part of the adapter of "${query}"`,
    ],
    [
      'another width',
      { ...complete, [`${query}.lora_A.weight`]: zeros(2, 8) },
      {},
      'ANNEAL_E_SHAPE',
      `the adapter's "${query}.lora_A.weight" must be [2, 16], received [2, 8]`,
    ],
    [
      'two ranks',
      { ...complete, [`${query}.lora_B.weight`]: zeros(16, 3) },
      {},
      'ANNEAL_E_SHAPE',
      `the adapter's "${query}.lora_B.weight" must be [16, 2], received [16, 3]`,
    ],
    [
      'rank 0',
      { [`${query}.lora_A.weight`]: zeros(0, 16), [`${query}.lora_B.weight`]: zeros(16, 0) },
      {},
      'ANNEAL_E_SHAPE',
      `the adapter's "${query}.lora_A.weight" must be [1, 16], received [0, 16]`,
    ],
    [
      'a head of other classes',
      { ...complete, 'classifier.weight': zeros(2, 16) },
      {},
      'ANNEAL_E_SHAPE',
      'the adapter\'s "classifier.weight" must be [3, 16], received [2, 16]',
    ],
    [
      'integers',
      { ...complete, [`${query}.lora_A.weight`]: tensor('int8', [2, 16], new Int8Array(32)) },
      {},
      'ANNEAL_E_MODEL',
      `the adapter has "${PREFIX}${query}.lora_A.weight" as int8, floats are needed`,
    ],
  ])('with %s is refused', async (_, tensors, config, code, message) => {
    await expect(attach(peft(tensors, config))).rejects.toMatchObject({
      code,
      message,
      plugin: 'lora',
      file: 'adapter',
    });
  });

  it('with names of another library is refused', async () => {
    const adapter = { ...peft({}), tensors: new Map([['lora_unet_down', zeros(1)]]) };
    await expect(attach(adapter)).rejects.toMatchObject({
      code: 'ANNEAL_E_MODEL',
      message: 'the adapter has a tensor "lora_unet_down" that does not begin with "base_model.model."',
    });
  });

  it('may have copies of frozen tables, which are left out, and other floats', async () => {
    const half = tensor('float16', [2, 16], new Uint16Array(32).fill(0x3c00));
    const graph = await attach(
      peft({
        ...complete,
        [`${query}.lora_A.weight`]: half,
        'bert.embeddings.word_embeddings.base_layer.weight': zeros(1, 1),
      }),
    );
    const a = graph.parameters.get(`${query}.lora_A.weight`)!.data as TensorData;
    expect(a).toMatchObject({ dtype: 'float32', shape: [16, 2] });
    expect(new Set(a.data as Float32Array)).toEqual(new Set([1]));
  });

  it('is not read again when it was changed after it was opened', async () => {
    const root = await folder(
      await readFile(join(FIXTURES, 'plain', 'adapter_config.json'), 'utf8'),
      new Map(await tensorsOf(join(FIXTURES, 'plain', 'adapter_model.safetensors'))),
    );
    const adapter = await openAdapter(join(root, 'adapter'));
    await writeFile(join(root, 'adapter', 'adapter_model.safetensors'), 'replaced by something else');
    await expect(attach(adapter)).rejects.toMatchObject({ code: 'ANNEAL_E_FORMAT' });
  });
});

async function tensorsOf(file: string): Promise<[string, TensorData][]> {
  const { tensors } = await readSafetensors(memorySource(new Uint8Array(await readFile(file)), file));
  return Promise.all(
    [...tensors].map(async ([name, data]): Promise<[string, TensorData]> => [name, await loadTensor(data)]),
  );
}
