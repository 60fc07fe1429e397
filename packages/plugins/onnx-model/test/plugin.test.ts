import { mkdtemp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { onnxBackend } from '@anneal/backend-onnx';
import {
  createPipeline,
  definePlugin,
  type EmitContext,
  isAnnealError,
  type Metric,
  type Model,
  type ModelContext,
  type Task,
  type TrainContext,
} from '@anneal/core';
import {
  bytesOf,
  GraphBuilder,
  loadTensor,
  memorySource,
  readSafetensors,
  tensor,
  type TensorSource,
} from '@anneal/graph';
import { loadOnnx, saveOnnx } from '@anneal/graph/node';
import { lora } from '@anneal/plugin-lora';
import { textClassification } from '@anneal/plugin-text-classification';
import { type PluginUnderTest, setupPlugin } from '@anneal/testkit';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { importOnnx, onnxModel, type OnnxModelOptions } from '../src/index.ts';
import { exported, goldenOf, read } from './fixtures.ts';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'anneal-onnx-model-'));
  const { config } = goldenOf('distilbert');
  await mkdir(join(root, 'web/onnx'), { recursive: true });
  await writeFile(join(root, 'web/config.json'), JSON.stringify({ ...config, id2label: { 0: 'a', 1: 'b', 2: 'c' } }));
  await writeFile(join(root, 'web/onnx/model.onnx'), exported('distilbert.ts'));
  await mkdir(join(root, 'optimum'));
  await writeFile(join(root, 'optimum/model.onnx'), exported('bert.dynamo'));
  await writeFile(join(root, 'optimum/other.onnx'), exported('gpt2.ts'));
  await mkdir(join(root, 'damaged'));
  await writeFile(join(root, 'damaged/model.onnx'), exported('bert.ts').subarray(0, 5000));
  await mkdir(join(root, 'json'));
  await writeFile(join(root, 'json/model.onnx'), exported('bert.ts'));
  await writeFile(join(root, 'json/config.json'), '[]');
});
afterAll(async () => {
  await rm(root, { recursive: true, force: true });
});

interface Given {
  readonly labels?: readonly string[];
  readonly kind?: string;
  readonly vocabSize?: number;
}

async function resolved(
  options: OnnxModelOptions,
  { labels = ['a', 'b', 'c'], kind = 'classification', vocabSize }: Given = {},
): Promise<{ model: Model; plugin: PluginUnderTest; ctx: ModelContext }> {
  const plugin = await setupPlugin(onnxModel(options), { root });
  if (vocabSize !== undefined) plugin.phase.run.artifacts.setJson('tokenizer/summary.json', { vocabSize, roles: {} });
  const ctx: ModelContext = { ...plugin.phase, dataset: undefined as never, task: { kind, labels } as Task };
  return { model: (await plugin.tap('model', 'resolveModel')(ctx)) as Model, plugin, ctx };
}

async function failure(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (isAnnealError(error))
      return [error.code, error.path?.join('.') ?? '', error.message, error.fix ?? ''].join('\n');
    throw error;
  }
  return 'no error';
}

describe('a model', () => {
  it('is found in the folders of transformers.js and of optimum, and as a file', async () => {
    const web = await resolved({ from: 'web' });
    expect(web.model.config).toMatchObject({ model_type: 'distilbert', id2label: { 0: 'a', 1: 'b', 2: 'c' } });
    expect(web.plugin.logs.map(({ message }) => message)).toEqual([
      'input_ids, attention_mask → logits: 130 nodes, 6K parameters',
    ]);
    expect(web.plugin.dependencies).toEqual(
      ['web/onnx/model.onnx', 'web/onnx/model.onnx_data', 'web/config.json'].map((file) => join(root, file)),
    );
    const optimum = await resolved({ from: 'optimum', file: 'other.onnx' }, { kind: 'language-modeling' });
    expect(optimum.model.graph.outputs.get('logits')!.shape.at(-1)).toBe(48);
    const file = await resolved({ from: 'web/onnx/model.onnx' });
    expect(file.model.config['model_type']).toBe('distilbert');
  });

  it('of other classes says what starts anew', async () => {
    const { plugin } = await resolved({ from: 'web' }, { labels: ['x', 'y'] });
    expect(plugin.logs[0]!.message).toBe('starts anew: classifier');
  });

  it('that is not there, damaged or of another tokenizer is told by name', async () => {
    const missing = await failure(resolved({ from: 'nowhere' }));
    expect(missing).toBe(
      `ANNEAL_E_MODEL\nfrom\nthere is no ONNX model: looked for ${join(root, 'nowhere/onnx/model.onnx')} and ` +
        `${join(root, 'nowhere/model.onnx')}\n` +
        'give an .onnx file, or a folder with onnx/model.onnx or model.onnx; `file` names another one in it',
    );
    expect(await failure(resolved({ from: 'damaged' }))).toMatch(
      /^ANNEAL_E_MODEL\nfrom\nthe model cannot be read: .*model\.onnx/,
    );
    expect(await failure(resolved({ from: 'json' }))).toMatch('the file is not a JSON object');
    expect(await failure(resolved({ from: 'web' }, { vocabSize: 49 }))).toBe(
      'ANNEAL_E_MODEL\nfrom\nthe model has 48 word embeddings, received a tokenizer of 49\n' +
        "use the model's own: tokenizer({ from: … })",
    );
    expect(await failure(resolved({ from: 'web', file: '../x.onnx' }))).toMatch(
      'must be the name of an .onnx file, without a folder',
    );
  });

  it('whose weights lie below an operator without a gradient is refused before it is compiled', async () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', ['batch', 4]);
    const inner = g.ops.matmul(x, g.parameter('low.weight', tensor('float32', [4, 4], new Float32Array(16))));
    const jump = g.one('Mod', [inner, g.scalar(2, 'float32')], { attributes: { fmod: { int: 1 } }, scope: 'wrap' });
    g.output('logits', g.ops.matmul(jump, g.parameter('head.weight', tensor('float32', [4, 3], new Float32Array(12)))));
    await saveOnnx(g.build(), join(root, 'mod.onnx'));
    const { model, plugin, ctx } = await resolved({ from: 'mod.onnx' });
    const check = (trained: Model): Promise<unknown> =>
      Promise.resolve().then(() => plugin.tap('train', 'beforeTrain')({ ...ctx, model: trained } as TrainContext));
    expect(await failure(check(model))).toBe(
      'ANNEAL_E_MODEL\nfrom\nMod in wrap lies between the trained weights and the outputs and has no gradient: it jumps ' +
        'at every multiple of the divisor\nwrite x - floor(x / n) * n, whose floor passes straight through',
    );
    const parameters = new Map(
      [...model.graph.parameters].map(([name, p]) => [name, { ...p, trainable: name === 'head.weight' }]),
    );
    expect(await failure(check({ ...model, graph: { ...model.graph, parameters } }))).toBe('no error');
  });
});

interface Adapter {
  readonly targets: readonly string[];
  readonly tensors: Readonly<Record<string, readonly number[]>>;
}

describe('LoRA', () => {
  it.each(
    ['bert', 'distilbert', 'gpt2', 'llama', 'vit'].flatMap((name) => [
      [name, 'ts'] as const,
      [name, 'dynamo'] as const,
    ]),
  )('adapts the layers of %s (%s) that PEFT adapts, and writes what PEFT reads', async (name, exporter) => {
    const golden = goldenOf(name);
    const { targets, tensors } = (golden as unknown as { readonly adapter: Adapter }).adapter;
    const model = await importOnnx(await read(`${name}.${exporter}`), { config: golden.config });
    const modulesToSave = name.endsWith('bert') ? Object.keys(tensors).filter((key) => !key.includes('lora')) : [];
    const saved = [...new Set(modulesToSave.map((key) => key.split('.').at(-2) as string))];
    const plugin = await setupPlugin(lora({ r: 2, targetModules: targets, modulesToSave: saved }));
    const adapted = (await plugin.tap('model', 'transformModel')(model, { ...plugin.phase } as ModelContext)) as Model;
    const files = new Map<string, Uint8Array | string>();
    await plugin.tap(
      'emit',
      'emit',
    )({
      ...plugin.phase,
      task: { kind: 'other' },
      trained: adapted,
      write: (path: string, data: Uint8Array | string) => Promise.resolve(void files.set(path, data)),
    } as unknown as EmitContext);
    const bytes = files.get('adapter/adapter_model.safetensors') as Uint8Array;
    const written = (await readSafetensors(memorySource(bytes))).tensors;
    const shapes = Object.fromEntries([...written].map(([key, { shape }]) => [key, [...shape]]));
    expect(shapes).toEqual(tensors);
  });
});

async function bytes(data: TensorSource): Promise<Buffer> {
  return Buffer.from(bytesOf(await loadTensor(data)));
}

/** Rows of tokens: the class is the first one's remainder. */
const tokens = definePlugin({
  name: 'tokens',
  options: v.strictObject({}),
  setup(api) {
    api.hooks.data.resolveDataset.tap(() => {
      const row = (i: number) => ({
        text: '',
        label: 'xyz'[i % 3] as string,
        ids: [3 + (i % 3), 10 + (i % 7), 20 + (i % 11)],
      });
      const rows = Array.from({ length: 48 }, (_, i) => row(i));
      const splits = { train: rows, validation: rows.slice(0, 9), test: rows.slice(0, 24) };
      return {
        splits,
        report: { rowsIn: 48, dropped: {}, samples: [], splits: { train: 48, validation: 9, test: 24 } },
      };
    });
    api.hooks.data.transformSample.tap((sample) => {
      const ids = sample.row['ids'] as number[];
      return { ...sample, features: { ...sample.features, input_ids: ids, attention_mask: ids.map(() => 1) } };
    });
  },
});

it('a build trains an export, and leaves the other weights as they were, byte for byte', async () => {
  const outDir = join(root, 'dist');
  await using pipeline = await createPipeline(
    {
      name: 'tokens',
      outDir,
      cacheDir: join(root, 'cache'),
      backend: () => onnxBackend({ threads: 1 }),
      plugins: [
        tokens({}),
        textClassification(),
        onnxModel({ from: 'web' }),
        lora({
          r: 4,
          loraAlpha: 8,
          targetModules: ['q_lin', 'v_lin'],
          modulesToSave: ['pre_classifier', 'classifier'],
        }),
      ],
      train: { epochs: 12, batchSize: 16, learningRate: 1e-2 },
      evaluate: { latencyRuns: 2 },
    },
    { root },
  );
  const { report } = await pipeline.run();
  const losses = report.train[0]!.curve.map(({ loss }) => loss);
  expect(losses.at(-1)!).toBeLessThan(losses[0]! / 2);
  expect((report.metrics.before!['accuracy'] as Metric).value).toBeGreaterThan(0.9);
  const graph = await loadOnnx(join(outDir, 'onnx/model.onnx'));
  const source = await loadOnnx(join(root, 'web/onnx/model.onnx'));
  const trained = /\.(?:q_lin|v_lin)\.weight$|^(?:pre_)?classifier\./;
  let same = 0;
  for (const [name, { data }] of source.parameters) {
    if (trained.test(name)) continue;
    expect((await bytes(graph.parameters.get(name)!.data)).equals(await bytes(data)), name).toBe(true);
    same++;
  }
  expect(same).toBe(32);
  expect(JSON.parse(await readFile(join(outDir, 'config.json'), 'utf8'))).toMatchObject({
    id2label: { 0: 'x', 1: 'y', 2: 'z' },
  });
});
