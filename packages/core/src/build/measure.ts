import type { Program, TensorData } from '@anneal/graph';

import { collate } from '../data/batches.ts';
import type { Sample } from '../data/types.ts';
import type { Encoding } from './samples.ts';

export interface Speed {
  readonly latencyMsP50: number;
  readonly latencyMsP95: number;
  /** Rows per second. */
  readonly throughput: number;
}

function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

/**
 * Latency of single rows at their own length and throughput of batches, for several programs in turn, so that a drift
 * of the machine's speed falls on all of them alike. The first tenth of the runs warms up and does not count.
 */
export async function measureSpeed(
  programs: readonly Program[],
  encoding: Encoding,
  samples: readonly Sample[],
  options: { readonly runs: number; readonly batchSize: number; readonly signal: AbortSignal },
): Promise<readonly Speed[]> {
  const { runs, batchSize, signal } = options;
  const { specs, inputs } = encoding;
  const feedsOf = (part: readonly Sample[]): Record<string, TensorData> =>
    Object.fromEntries(Object.entries(collate(part, specs).tensors).filter(([name]) => inputs.has(name)));
  const time = async (program: Program, feeds: Record<string, TensorData>): Promise<number> => {
    const start = performance.now();
    await program.run(feeds);
    return performance.now() - start;
  };
  const warmUp = Math.ceil(runs / 10);
  const latencies = programs.map((): number[] => []);
  for (let i = 0; i < runs + warmUp; i++) {
    signal.throwIfAborted();
    const feeds = feedsOf([samples[i % samples.length] as Sample]);
    for (const [p, program] of programs.entries()) {
      const ms = await time(program, feeds);
      if (i >= warmUp) latencies[p]?.push(ms);
    }
  }
  const batches = Math.max(1, Math.min(12, Math.floor(samples.length / batchSize)));
  const perRow = programs.map((): number[] => []);
  for (let i = -1; i < batches; i++) {
    signal.throwIfAborted();
    const at = Math.max(0, i) * batchSize;
    const part = samples.slice(at, at + batchSize);
    const feeds = feedsOf(part);
    for (const [p, program] of programs.entries()) {
      const ms = await time(program, feeds);
      if (i >= 0) perRow[p]?.push(ms / part.length);
    }
  }
  return programs.map((_, p) => {
    const sorted = (latencies[p] ?? []).toSorted((a, b) => a - b);
    const rows = (perRow[p] ?? []).toSorted((a, b) => a - b);
    return {
      latencyMsP50: quantile(sorted, 0.5),
      latencyMsP95: quantile(sorted, 0.95),
      throughput: 1000 / quantile(rows, 0.5),
    };
  });
}
