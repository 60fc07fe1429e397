import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import type { Report } from '@anneal/core';
import { type TextSteps, textEncoder } from '@anneal/plugin-tfjs-model';
import * as tf from '@tensorflow/tfjs';
import * as ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);
const example = join(import.meta.dirname, '..');
const cli = join(example, '../../packages/cli/bin/anneal.js');

let folder = '';
const at = (...path: string[]): string => join(folder, ...path);

async function build(name: string, ...settings: readonly string[]): Promise<Report> {
  const set = [`outDir=${at(name)}`, `cacheDir=${at('cache')}`, 'evaluate.latencyRuns=4', ...settings];
  const args = [cli, 'build', ...set.flatMap((setting) => ['--set', setting])];
  await run(process.execPath, args, { cwd: example, maxBuffer: 1 << 28 });
  return JSON.parse(await readFile(at(name, 'report.json'), 'utf8')) as Report;
}

const valueOf = (metrics: unknown, name: string): number =>
  (metrics as Record<string, { readonly value: number }>)[name]!.value;

let [asShipped, trained]: Report[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'anneal-languages-'));
  asShipped = await build('shipped', 'stages.main.train=false', 'gates={}');
  trained = await build('trained');
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('the model of VS Code', () => {
  it('knows the languages of files, better when it has seen some, and with 4 bits nearly as well', () => {
    const before = valueOf(asShipped!.metrics.before, 'accuracy');
    expect(before).toBeGreaterThan(0.9);
    expect(valueOf(trained!.metrics.before, 'accuracy')).toBeGreaterThan(before);
    expect(trained!.gates.map(({ passed }) => passed)).toEqual([true, true, true]);
  });

  it('is written for TensorFlow.js and for ONNX Runtime with the same results', async () => {
    const config = JSON.parse(await readFile(at('trained/config.json'), 'utf8')) as {
      readonly text: TextSteps;
      readonly id2label: Readonly<Record<string, string>>;
    };
    const ids = textEncoder(config.text)(
      'import os\n\nclass Reader:\n    def read(self, path):\n        return open(path)\n',
    );
    const session = await ort.InferenceSession.create(at('trained/onnx/model.onnx'));
    const { logits } = await session.run({ input_ids: new ort.Tensor('int32', ids, [1, ids.length]) });
    await session.release();
    const onnx = Array.from(logits!.data as Float32Array);
    expect(config.id2label[onnx.indexOf(Math.max(...onnx))]).toBe('py');

    const json = JSON.parse(await readFile(at('trained/tfjs/model.json'), 'utf8')) as tf.io.ModelJSON;
    const weightData = Uint8Array.from(await readFile(at('trained/tfjs/group1-shard1of1.bin'))).buffer;
    const weightSpecs = json.weightsManifest.flatMap(({ weights }) => weights);
    const model = await tf.loadGraphModel({
      load: () => Promise.resolve({ modelTopology: json.modelTopology, weightSpecs, weightData }),
    });
    const scores = (model.execute(tf.tensor2d(ids, [1, ids.length], 'int32')) as tf.Tensor).dataSync();
    // Weights are stored in 8 bits there.
    const scale = Math.max(...onnx.map(Math.abs));
    for (const [i, score] of scores.entries()) expect(Math.abs(score - onnx[i]!)).toBeLessThan(0.05 * scale);
  });
});
