import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { type Graph, type Tensors, writeOnnx, zeros } from '@anneal/graph';
import type * as Runtime from 'onnxruntime-node';

interface ProfileEvent {
  readonly cat: string;
  readonly name: string;
  readonly dur: number;
  readonly args?: { readonly op_name?: string };
}

export interface OperatorTime {
  readonly op: string;
  /** Milliseconds per run. */
  readonly ms: number;
  readonly share: number;
}

/** Time per operator type of a static graph, by ONNX Runtime's own profiler. */
export async function operatorTimes(graph: Graph, feeds: Tensors, runs: number = 5): Promise<readonly OperatorTime[]> {
  const ort = createRequire(import.meta.url)('onnxruntime-node') as typeof Runtime;
  const folder = await mkdtemp(join(tmpdir(), 'anneal-profile-'));
  try {
    const session = await ort.InferenceSession.create((await writeOnnx(graph)).model, {
      graphOptimizationLevel: 'extended',
      enableProfiling: true,
      profileFilePrefix: join(folder, 'profile'),
    });
    const inputs: Record<string, InstanceType<typeof ort.Tensor>> = {};
    for (const [name, value] of graph.inputs) {
      const { dtype, shape, data } = feeds[name] ?? zeros(value.dtype, value.dims);
      inputs[name] = new ort.Tensor(dtype as 'float32', data as Float32Array, [...shape]);
    }
    for (let i = 0; i < runs; i++) await session.run(inputs);
    session.endProfiling();
    await session.release();
    const file = (await readdir(folder)).find((name) => name.startsWith('profile'));
    const events = JSON.parse(await readFile(join(folder, file as string), 'utf8')) as ProfileEvent[];
    const totals = new Map<string, number>();
    for (const { cat, name, dur, args } of events) {
      if (cat !== 'Node' || !name.endsWith('_kernel_time') || args?.op_name === undefined) continue;
      totals.set(args.op_name, (totals.get(args.op_name) ?? 0) + dur / 1000 / runs);
    }
    const sum = [...totals.values()].reduce((a, b) => a + b, 0);
    return [...totals].map(([op, ms]) => ({ op, ms, share: ms / sum })).toSorted((a, b) => b.ms - a.ms);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
