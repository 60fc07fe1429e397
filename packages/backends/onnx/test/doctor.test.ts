import { expect, it } from 'vitest';
import { measureGemm, onnxBackend, onnxDoctor } from '../src/index.ts';

it('reports the runtime, its providers and a rate', async () => {
  const report = await onnxDoctor({ threads: 1 });
  expect(report).toMatchObject({
    runtime: 'onnxruntime-node 1.30.0',
    device: 'cpu',
    threads: 1,
    computes: true,
    gflops: expect.any(Number),
  });
  expect(report.providers).toContainEqual({ name: 'cpu', bundled: true });
  // A machine of 1 GFLOPS would be from 1999.
  expect(report.gflops).toBeGreaterThan(1);
});

it('measures a product in each layout', async () => {
  const backend = await onnxBackend({ threads: 1 });
  for (const layout of [{}, { transposeA: true }, { transposeB: true }, { transposeA: true, transposeB: true }]) {
    const shape = { m: 96, k: 64, n: 80, ...layout };
    const rate = await measureGemm(backend, shape, { runs: 3, milliseconds: 0 });
    expect(rate).toMatchObject({ ...shape, runs: 3 });
    expect(rate.bestGflops).toBeGreaterThanOrEqual(rate.gflops);
    expect(rate.gflops).toBeCloseTo((2 * 96 * 64 * 80) / rate.medianMs / 1e6);
  }
  await backend.close();
});
