// A build on few rows and steps: what is tested is that config, data and plugins fit together. How good the model is,
// `gates` in the config say of a whole build.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { createPipeline, loadConfig } from '@anneal/core';

const FEW = ['stages.main.data.limit=64', 'train.maxSteps=4', 'evaluate.latencyRuns=4', 'gates={}'];

test('builds a classifier that other tools can open', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'build-'));
  const set = [...FEW, `outDir=${join(folder, 'dist')}`, `cacheDir=${join(folder, 'cache')}`];
  const pipeline = await createPipeline(await loadConfig({ cwd: join(import.meta.dirname, '..'), set }));
  try {
    const { report } = await pipeline.run();
    assert.equal(report.train[0]?.steps, 4);
    assert.ok(report.metrics.after.bytes < report.metrics.before.bytes, 'int8 is smaller');
    const { predictions } = await pipeline.evaluate({ rows: [{ text: 'Call me Ishmael.' }] });
    const { id2label } = JSON.parse(await readFile(join(folder, 'dist/config.json'), 'utf8'));
    const { logits } = predictions[0].outputs;
    assert.equal(logits.length, Object.keys(id2label).length);
    assert.ok(logits.every(Number.isFinite));
  } finally {
    await pipeline.close();
    await rm(folder, { recursive: true });
  }
});
