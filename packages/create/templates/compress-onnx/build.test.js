// A build on few measurements: what is tested is that config, model and data fit together. What compression may cost,
// `gates` in the config say.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { createPipeline, loadConfig } from '@anneal/core';

test('compresses the model and measures both', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'build-'));
  const few = ['evaluate.latencyRuns=4', 'plugins.text-classification.baseline=false', 'gates={}'];
  const set = [...few, `outDir=${join(folder, 'dist')}`, `cacheDir=${join(folder, 'cache')}`];
  const pipeline = await createPipeline(await loadConfig({ cwd: join(import.meta.dirname, '..'), set }));
  try {
    const { report } = await pipeline.run();
    const { before, after } = report.metrics;
    assert.equal(report.train.length, 0, 'nothing is trained');
    assert.ok(after.bytes < before.bytes, 'int8 is smaller');
    assert.ok(Number.isFinite(before.accuracy.value) && Number.isFinite(after.accuracy.value));
  } finally {
    await pipeline.close();
    await rm(folder, { recursive: true });
  }
});
