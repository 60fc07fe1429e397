// `pnpm bench gemm [--device cpu] [--json]`: float32 matrix products on ONNX Runtime; on a CPU on one thread and on all.
import { cpus } from 'node:os';
import { gemmRates, type GemmResult } from './lib/gemm.ts';

const results: GemmResult[] = [...(await gemmRates(1)), ...(await gemmRates(undefined))];

if (process.argv.includes('--json')) {
  console.log(
    JSON.stringify({ benchmark: 'gemm', cpu: cpus()[0]?.model, node: process.version, results }, undefined, 2),
  );
} else {
  console.log(`${cpus()[0]?.model ?? 'unknown CPU'}, ${cpus().length} logical cores\n`);
  console.log('threads  product                    m     k     n   GFLOPS    best     ms');
  for (const { threads, name, m, k, n, gflops, bestGflops, medianMs } of results) {
    const cells = [
      String(threads ?? 'auto').padStart(7),
      name.padEnd(20),
      ...[m, k, n].map((size) => String(size).padStart(5)),
      gflops.toFixed(0).padStart(8),
      bestGflops.toFixed(0).padStart(7),
      medianMs.toFixed(1).padStart(6),
    ];
    console.log(`${cells[0]}  ${cells.slice(1).join(' ')}`);
  }
}
