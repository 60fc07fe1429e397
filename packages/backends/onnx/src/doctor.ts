import { type Backend, GraphBuilder, tensor } from '@anneal/graph';
import { measureGemm } from './gemm.ts';
import { type OnnxBackendOptions, openBackend } from './open.ts';
import type { Provider } from './protocol.ts';

/** What {@link onnxDoctor} found. */
export interface OnnxDoctorReport {
  /** `onnxruntime-node 1.30.0` */
  readonly runtime: string;
  /** Execution providers that this build of the runtime knows, and whether their libraries came with it. */
  readonly providers: readonly Provider[];
  /** The one that `auto` is. */
  readonly device: string;
  /** Threads per operator. */
  readonly threads: number | undefined;
  /** Whether a small product came out exactly right. */
  readonly computes: boolean;
  /** Rate of a 1024³ float32 product on all threads, in 10⁹ operations per second. */
  readonly gflops: number;
}

/**
 * Facts about this machine for `anneal doctor`: takes less than a second.
 *
 * @throws GraphError `ANNEAL_E_BACKEND` when the runtime cannot be loaded.
 */
export async function onnxDoctor(options: OnnxBackendOptions = {}): Promise<OnnxDoctorReport> {
  const { backend, facts } = await openBackend(options);
  try {
    const { version, device, threads } = backend.info;
    const computes = await multiplies(backend);
    const { gflops } = await measureGemm(backend, { m: 1024, k: 1024, n: 1024 });
    return { runtime: version, providers: facts.providers, device, threads, computes, gflops };
  } finally {
    await backend.close();
  }
}

/** Whole numbers, so that the answer is exact in any order of summation. */
async function multiplies(backend: Backend): Promise<boolean> {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [2, 3]);
  g.output('y', g.ops.matmul(x, g.parameter('w', tensor('float32', [3, 2], [1, 2, 3, 4, 5, 6]))));
  const program = await backend.compile(g.build({ name: 'doctor' }));
  const { y } = await program.run({ x: tensor('float32', [2, 3], [1, 2, 3, 4, 5, 6]) });
  await program.dispose();
  return y !== undefined && [22, 28, 49, 64].every((expected, i) => y.data[i] === expected);
}
