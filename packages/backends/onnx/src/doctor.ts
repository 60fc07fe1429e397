import { type Backend, type DeviceProbe, GraphBuilder, GraphError, tensor } from '@anneal/graph';
import { type DeviceName, DEVICES, isDevice } from './devices.ts';
import { type GemmShape, measureGemm } from './gemm.ts';
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
  /** Rate of a float32 product on all threads, in 10⁹ operations per second: 1024³, or 256³ where that takes long. */
  readonly gflops: number;
  /** The other devices that this build of the runtime knows. */
  readonly devices: readonly DeviceProbe[];
}

/**
 * Facts about this machine for `anneal doctor`: takes less than a second.
 *
 * @throws GraphError `ANNEAL_E_BACKEND` when the runtime cannot be loaded.
 */
export async function onnxDoctor(options: OnnxBackendOptions = {}): Promise<OnnxDoctorReport> {
  const { backend, facts } = await openBackend(options);
  const { version, device, threads } = backend.info;
  const tested = await test(backend);
  const others = facts.providers.map(({ name }) => name).filter((name) => isDevice(name) && name !== device);
  const devices: DeviceProbe[] = [];
  for (const other of others) devices.push(await probe(other as DeviceName, options));
  return { runtime: version, providers: facts.providers, device, threads, ...tested, devices };
}

async function test(backend: Backend): Promise<Pick<OnnxDoctorReport, 'computes' | 'gflops'>> {
  try {
    const computes = await multiplies(backend);
    const { gflops } = await measureGemm(backend, await affordable(backend));
    return { computes, gflops };
  } finally {
    await backend.close();
  }
}

async function probe(device: DeviceName, options: OnnxBackendOptions): Promise<DeviceProbe> {
  const { title: about } = DEVICES[device];
  try {
    const { backend } = await openBackend({ ...options, device });
    const { computes, gflops } = await test(backend);
    return { device, about, gflops, ...(!computes && { problem: 'a small product came out wrong' }) };
  } catch (error) {
    if (!(error instanceof GraphError)) throw error;
    return { device, about, problem: error.message, fix: error.fix };
  }
}

/** The largest of some products that a device gets through in no time: one that is emulated takes seconds for the others. */
async function affordable(backend: Backend): Promise<GemmShape> {
  const cube = (side: number): GemmShape => ({ m: side, k: side, n: side });
  const { medianMs } = await measureGemm(backend, cube(256), { runs: 1, milliseconds: 0 });
  return cube(medianMs < 20 ? 1024 : 256);
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
