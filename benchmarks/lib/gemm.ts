import { type GemmRate, type GemmShape, measureGemm, type OnnxDevice, onnxBackend } from '@anneal/backend-onnx';

export interface NamedGemm extends GemmShape {
  readonly name: string;
}

export interface GemmResult extends GemmRate {
  readonly name: string;
  /** Threads that were asked for; `undefined` when ONNX Runtime chose. */
  readonly threads: number | undefined;
}

/**
 * Products of a training step at hidden 256, batch 32 × 128: 4096 rows. The first is the yardstick that others quote.
 */
export const TRAINING_GEMMS: readonly NamedGemm[] = [
  { name: 'square', m: 1024, k: 1024, n: 1024 },
  { name: 'attention', m: 4096, k: 256, n: 256 },
  { name: 'feed-forward up', m: 4096, k: 256, n: 1024 },
  { name: 'feed-forward down', m: 4096, k: 1024, n: 256 },
  { name: 'input gradient', m: 4096, k: 1024, n: 256, transposeB: true },
  { name: 'weight gradient', m: 256, k: 4096, n: 1024, transposeA: true },
];

/** Rates of float32 products on ONNX Runtime, measured now: load and clock change from minute to minute. */
export async function gemmRates(
  threads: number | undefined,
  shapes: readonly NamedGemm[] = TRAINING_GEMMS,
  device: OnnxDevice = 'cpu',
): Promise<GemmResult[]> {
  const backend = await onnxBackend({ device, threads });
  try {
    const results: GemmResult[] = [];
    for (const { name, ...shape } of shapes) {
      results.push({ name, threads: backend.info.threads, ...(await measureGemm(backend, shape)) });
    }
    return results;
  } finally {
    await backend.close();
  }
}
