// A build on few rows and steps: what is tested is that config, data and plugins fit together.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { createPipeline, loadConfig } from '@anneal/core';

const root = join(import.meta.dirname, '..');

/** Few rows and steps, of every stage. */
async function few() {
  const { stages } = await loadConfig({ cwd: root });
  const each = stages.flatMap(({ name }) => [`stages.${name}.data.limit=32`, `stages.${name}.train.maxSteps=2`]);
  return [...each, 'evaluate.latencyRuns=2', 'gates={}'];
}

test('builds a model and an adapter that PEFT can open', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'build-'));
  const set = [...(await few()), `outDir=${join(folder, 'dist')}`, `cacheDir=${join(folder, 'cache')}`];
  const pipeline = await createPipeline(await loadConfig({ cwd: root, set }));
  try {
    const { report } = await pipeline.run();
    const adapted = report.train.at(-1);
    assert.ok(adapted.trainableParameters < adapted.totalParameters / 2, 'only adapters are trained');
    assert.ok(Number.isFinite(report.metrics.before.perplexity.value));
    const adapter = JSON.parse(await readFile(join(folder, 'dist/adapter/adapter_config.json'), 'utf8'));
    assert.equal(adapter.peft_type, 'LORA');
    assert.equal(adapter.task_type, 'CAUSAL_LM');
  } finally {
    await pipeline.close();
    await rm(folder, { recursive: true });
  }
});
