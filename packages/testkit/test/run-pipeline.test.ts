import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { definePlugin } from '@anneal/core';
import { loadOnnx } from '@anneal/graph/node';
import { interpret, readOnnx, memorySource, tensor } from '@anneal/graph';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';

import { runPipeline, texts, tinyLanguageModeling, tinyOnnx, tinyTextClassification, wordIds } from '../src/index.ts';

describe('runPipeline', () => {
  it('gives all that a build made and said', async () => {
    const reading = definePlugin({
      name: 'reading',
      options: v.strictObject({}),
      setup(api) {
        api.logger.info('set up');
        api.hooks.data.afterDataset.tap((_, { run, root }) => {
          run.artifacts.set('place.txt', existsSync(join(root, 'data/a.txt')) ? 'there' : 'missing');
          api.logger.warn('Read');
        });
      },
    });
    const result = await runPipeline(
      { plugins: [reading({}), ...tinyTextClassification()] },
      { files: { 'data/a.txt': 'a' } },
    );
    expect(result.phases).toEqual(
      ['data', 'model', 'train', 'compress', 'evaluate', 'emit'].map((phase) => `main.${phase}`),
    );
    expect(new TextDecoder().decode(result.artifacts.get('place.txt'))).toBe('there');
    expect(result.logs.map(({ message }) => message)).toEqual(expect.arrayContaining(['set up', 'Read']));
    expect([...result.files.keys()]).toEqual(
      expect.arrayContaining(['config.json', 'onnx/model.onnx', 'report.json', 'report.html']),
    );
    expect(existsSync(result.outDir!)).toBe(false);
    expect(result.events.at(-1)).toMatchObject({ type: 'phase-end', phase: 'emit' });
  });

  it('keeps a given folder, with its cache', async () => {
    const root = await mkdtemp(join(tmpdir(), 'anneal-kept-'));
    try {
      const config = { plugins: tinyTextClassification() };
      await runPipeline(config, { root });
      const { phases } = await runPipeline(config, { root });
      expect(phases.every((phase) => phase.endsWith(' cached'))).toBe(true);
      expect((await loadOnnx(join(root, 'dist/onnx/model.onnx'))).inputs.has('input_ids')).toBe(true);
    } finally {
      await rm(root, { recursive: true });
    }
  });

  it('passes modes, overrides and stages on', async () => {
    const { report, phases } = await runPipeline(
      {
        plugins: tinyTextClassification(),
        stages: { one: { evaluate: false, emit: false }, two: { from: 'one' } },
        env: { short: { train: { maxSteps: 1 } } },
      },
      { mode: 'short', set: ['train.learningRate=0.25'], stages: ['one'] },
    );
    expect(phases).toEqual(['one.data', 'one.model', 'one.train']);
    expect(report.train).toMatchObject([{ steps: 1, curve: [{ learningRate: 0.25 }] }]);
  });

  it('throws what the build throws', async () => {
    await expect(runPipeline({ plugins: [] })).rejects.toMatchObject({ code: 'ANNEAL_E_UNANSWERED' });
  });
});

describe('tiny problems', () => {
  it.each([
    ['text classification', tinyTextClassification],
    ['language modeling', tinyLanguageModeling],
  ])('%s is learned', async (_, plugins) => {
    const { report } = await runPipeline({
      plugins: plugins(),
      train: { epochs: 20, batchSize: 8, learningRate: 0.05 },
    });
    const [first, last] = [report.train[0]!.curve.at(0)!.loss, report.train[0]!.curve.at(-1)!.loss];
    expect(last).toBeLessThan(0.6 * first);
  });

  it('has texts that depend on the seed alone', () => {
    expect(texts(4, 1)).toEqual(texts(4, 1));
    expect(texts(4, 1)).not.toEqual(texts(4, 2));
    expect(texts(3).map(({ label }) => label)).toEqual(['ham', 'spam', 'ham']);
    expect(wordIds('Win  a xyzzy')).toEqual([expect.any(Number), expect.any(Number), 1]);
  });

  it('has an ONNX file that runs', async () => {
    const graph = await readOnnx(memorySource(await tinyOnnx()));
    const ids = tensor('int64', [1, 2], [4, 5]);
    const { logits } = await interpret(graph, { input_ids: ids, attention_mask: tensor('int64', [1, 2], [1, 1]) });
    expect(logits!.shape).toEqual([1, 2]);
  });
});
