import { onnxBackend } from '@anneal/backend-onnx';
import type { TrainConfig } from '@anneal/core';
import type { Backend } from '@anneal/graph';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { distance, type Trained, trainTiny } from '../../packages/core/test/tiny/engine.ts';
import { encodeSentence, taggerModel, tagging } from '../../packages/core/test/tiny/tokens.ts';

let backend: Backend;
beforeAll(async () => {
  backend = await onnxBackend({ threads: 2 });
});
afterAll(() => backend.close());

const LENGTH = 1024;
const rows = Array.from({ length: 64 }, (_, i) => ({
  tokens: Array.from({ length: LENGTH }, (__, at) => 1 + ((at * 7 + i) % 11)),
  label: i % 3,
}));
const config = { epochs: 1, batchSize: 64, learningRate: 0.05, lengthBuckets: [LENGTH] };

function train(more: TrainConfig = {}): Promise<Trained> {
  const model = taggerModel({ layers: 24 });
  return trainTiny({
    rows,
    model,
    task: tagging,
    encode: encodeSentence,
    maxLength: LENGTH,
    config: { ...config, ...more },
    backend,
  });
}

it('training stays below its memory limit and takes more without one', async () => {
  const { peakRssBytes = 0 } = await backend.memory();
  const maxMemory = peakRssBytes + 150 * 2 ** 20;
  const limited = await train({ maxMemory });
  expect(limited.report.memory.peakRssBytes).toBeLessThan(maxMemory);
  expect(limited.report.memory.microBatchSize).toBeLessThan(64);

  const free = await train();
  expect(free.report.memory.microBatchSize).toBe(64);
  expect(free.report.memory.peakRssBytes).toBeGreaterThan(maxMemory);
  expect(distance(free.weights, limited.weights)).toBeLessThan(1e-5);
});

it('a limit below what the process has fails before training, with the parts', async () => {
  await expect(train({ maxMemory: '50 MB' })).rejects.toMatchObject({
    code: 'ANNEAL_E_MEMORY',
    message: expect.stringMatching(/does not fit into 50\.0.MB: .*process .*activations/),
  });
});
