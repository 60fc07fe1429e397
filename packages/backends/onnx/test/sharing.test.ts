import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Backend, type Graph, GraphBuilder, type ParameterOptions, type TensorSource, zeros } from '@anneal/graph';
import { onnxBackend } from '../src/index.ts';

const MB = 2 ** 20;
let backend: Backend;
beforeAll(async () => {
  backend = await onnxBackend({ threads: 1 });
});
afterAll(() => backend.close());

/** Megabytes of the process: its own, and with its share of mapped files. */
function memory(): { anonymous: number; proportional: number } {
  const kilobytes = (file: string, key: string): number =>
    Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(readFileSync(file, 'utf8'))?.[1]);
  return {
    anonymous: kilobytes('/proc/self/status', 'RssAnon') / 1024,
    proportional: kilobytes('/proc/self/smaps_rollup', 'Pss') / 1024,
  };
}

const SIZE = 7168;
function graph(data: TensorSource, options: ParameterOptions & { transposeB: boolean }): Graph {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [16, SIZE]);
  const w = g.parameter('w', data);
  g.output('y', g.ops.max(g.ops.matmul(x, w, { transposeB: options.transposeB })));
  return g.build();
}

// Only Linux tells what a mapped page costs; elsewhere `weights.test.ts` shows that programs name the same file.
it.runIf(process.platform === 'linux')('two programs hold a parameter of 196 MB once', async () => {
  const w = zeros('float32', [SIZE, SIZE]);
  w.data.fill(1 as never);
  const weightMb = w.data.byteLength / MB;
  const x = zeros('float32', [16, SIZE]);
  const before = memory();
  const forward = await backend.compile(graph(w, { transposeB: false }), { purpose: 'training' });
  await forward.run({ x });
  const one = memory();
  const backward = await backend.compile(graph(w, { transposeB: true }), { purpose: 'training' });
  await backward.run({ x });
  const two = memory();
  // The first maps it: beside the array of the test it is in memory once more, as pages of a file.
  expect(one.proportional - before.proportional).toBeLessThan(1.3 * weightMb);
  // The second adds nothing but its own results.
  expect(two.proportional - one.proportional).toBeLessThan(0.2 * weightMb);
  expect(two.anonymous - before.anonymous).toBeLessThan(0.2 * weightMb);
});
