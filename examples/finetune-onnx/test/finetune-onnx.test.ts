import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import type { Report } from '@anneal/core';
import { bytesOf, type Graph, loadTensor } from '@anneal/graph';
import { loadOnnx } from '@anneal/graph/node';
import { env, pipeline } from '@huggingface/transformers';
import * as ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);
const examples = join(import.meta.dirname, '../..');
const cli = join(examples, '../packages/cli/bin/anneal.js');

let folder = '';
const at = (...path: string[]): string => join(folder, ...path);

async function anneal(example: string, args: readonly string[], overrides: readonly string[]): Promise<void> {
  const cwd = join(examples, example);
  const set = overrides.flatMap((override) => ['--set', override]);
  await run(process.execPath, [cli, ...args, ...set], { cwd, maxBuffer: 1 << 28 });
}

/** Few mails and steps: what is tested is the way, not the quality. */
const settings = (name: string): string[] => [
  `outDir=${at(name)}`,
  `cacheDir=${at('cache', name)}`,
  'train.batchSize=16',
  'train.maxLength=128',
  'evaluate.latencyRuns=4',
  'gates={}',
];
let sorter: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'anneal-finetune-'));
  await anneal(
    'mail-filter',
    ['build', 'base'],
    [
      ...settings('filter'),
      'stages.base.emit=true',
      'stages.base.evaluate=true',
      'stages.base.data.limit=480',
      'stages.base.train.epochs=4',
      'plugins.text-classification.baseline=false',
      'plugins.bias-audit=false',
      'plugins.quantize=false',
    ],
  );
  sorter = [
    ...settings('sorter'),
    `plugins.onnx-model.from=${at('filter')}`,
    `plugins.tokenizer.from=${at('filter')}`,
    'stages.main.data.limit=480',
    'train.epochs=4',
    'train.learningRate=4e-3',
    'plugins.text-classification.baseline=false',
  ];
  await anneal('finetune-onnx', ['build'], sorter);
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('the fine-tuned file', () => {
  it('has learned the new classes', async () => {
    const report = JSON.parse(await readFile(at('sorter/report.json'), 'utf8')) as Report;
    const { validation } = report.train[0]!;
    const accuracies = validation.map(({ metrics }) => metrics['accuracy'] as number);
    expect(accuracies.at(-1)!).toBeGreaterThan(accuracies[0]!);
    // Two thirds of the mails are personal.
    expect(report.metrics.before!['accuracy']).toMatchObject({ value: expect.any(Number) });
    expect((report.metrics.before!['accuracy'] as { value: number }).value).toBeGreaterThan(0.8);
  });

  it('opens in transformers.js and ONNX Runtime, with the predictions of `anneal eval`', async () => {
    const file = at('predictions.jsonl');
    await anneal('finetune-onnx', ['eval', '--predictions', file], sorter);
    const lines = (await readFile(file, 'utf8')).trim().split('\n');
    const some = [...lines.slice(0, 15), ...lines.slice(-15)].map(
      (line) => JSON.parse(line) as { readonly text: string; readonly outputs: { readonly logits: readonly number[] } },
    );
    const { id2label } = JSON.parse(await readFile(at('sorter/config.json'), 'utf8')) as {
      readonly id2label: Readonly<Record<string, string>>;
    };
    expect(Object.values(id2label)).toEqual(['newsletter', 'personal', 'spam']);
    env.allowRemoteModels = false;
    env.localModelPath = folder;
    const classify = await pipeline('text-classification', 'sorter', { dtype: 'fp32', local_files_only: true });
    for (const { text, outputs } of some) {
      const [first] = (await classify(text, { top_k: 1 })) as { label: string; score: number }[];
      const exps = outputs.logits.map(Math.exp);
      const best = exps.indexOf(Math.max(...exps));
      expect(first!.label).toBe(id2label[best]);
      expect(Math.abs(first!.score - exps[best]! / exps.reduce((a, b) => a + b, 0))).toBeLessThan(1e-4);
    }
    await classify.dispose();
    const session = await ort.InferenceSession.create(at('sorter/onnx/model.onnx'));
    expect(session.outputNames).toEqual(['logits']);
    await session.release();
  });

  it('has the other weights as they were, byte for byte, and an adapter', async () => {
    const [before, after] = [
      await loadOnnx(at('filter/onnx/model.onnx')),
      await loadOnnx(at('sorter/onnx/model.onnx')),
    ];
    const bytes = async (graph: Graph, name: string): Promise<Buffer> =>
      Buffer.from(bytesOf(await loadTensor(graph.parameters.get(name)!.data)));
    const names = [...before.parameters.keys()];
    const adapted = names.filter((name) => /(?:query|key|value|dense)\.weight$|^classifier\./.test(name));
    for (const name of names) {
      const isSame = (await bytes(after, name)).equals(await bytes(before, name));
      expect(isSame, name).toBe(!adapted.includes(name));
    }
    expect(adapted).toHaveLength(9);
    expect((await stat(at('sorter/adapter/adapter_model.safetensors'))).size).toBeGreaterThan(1000);
  });
});
