import { type Backend, type DeviceProbe, GraphBuilder, tensor } from '@anneal/graph';
import type { NodeDevice } from './devices.ts';
import { ORDER, start, type TfjsBackendOptions } from './open.ts';

/** What {@link tfjsDoctor} found. */
export interface TfjsDoctorReport {
  /** The device that is used: the one that was asked for, or the first that works. */
  readonly device: string;
  /** Name and version of what computes there. */
  readonly runtime: string;
  /** Whether a product came out exactly right on every device that starts. */
  readonly computes: boolean;
  /** All devices, in the order in which `auto` tries them. */
  readonly devices: readonly DeviceProbe[];
}

/** Side of the matrices that are multiplied. */
const SIZE = 256;

/**
 * Facts about this machine for `anneal doctor`: tries every device. Takes a few seconds.
 *
 * @throws GraphError `ANNEAL_E_BACKEND` when the device that is asked for does not work.
 */
export async function tfjsDoctor({
  device = 'auto',
  root = process.cwd(),
}: TfjsBackendOptions = {}): Promise<TfjsDoctorReport> {
  const devices: DeviceProbe[] = [];
  const right: boolean[] = [];
  let used: { readonly device: NodeDevice; readonly runtime: string } | undefined;
  for (const name of ORDER) {
    const { backend, facts, probe } = await start(name, root);
    if (backend === undefined) {
      devices.push(probe);
      continue;
    }
    try {
      const { gflops, exact } = await measure(backend);
      devices.push({ ...probe, gflops });
      right.push(exact);
      if (name === device || (device === 'auto' && used === undefined && !facts?.software))
        used = { device: name, runtime: backend.info.version };
    } catch (error) {
      devices.push({ device: name, problem: error instanceof Error ? error.message : String(error) });
    } finally {
      await backend.close();
    }
  }
  if (used === undefined) {
    const asked = devices.find((probe) => probe.device === device);
    return {
      device: `${device} does not work: ${asked?.problem ?? 'no device does'}`,
      runtime: 'tfjs',
      computes: false,
      devices,
    };
  }
  return { ...used, computes: right.every(Boolean), devices };
}

/** The rate of a product, the best of a few; of whole numbers, so that the answer is exact in any order of summation. */
async function measure(backend: Backend): Promise<{ readonly gflops: number; readonly exact: boolean }> {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [SIZE, SIZE]);
  g.output('y', g.ops.sum(g.ops.matmul(x, x), { axes: [0] }));
  const ones = tensor('float32', [SIZE, SIZE], new Float32Array(SIZE * SIZE).fill(1));
  const state = await backend.createState({ x: ones });
  const program = await backend.compile(g.build({ name: 'doctor' }), { state });
  let [best, exact] = [Infinity, true];
  for (let run = 0; run < 5; run++) {
    const begin = performance.now();
    const { y } = await program.run({});
    best = Math.min(best, performance.now() - begin);
    exact = y !== undefined && Array.from(y.data, Number).every((value) => value === SIZE * SIZE) && exact;
  }
  return { gflops: (2 * SIZE ** 3) / best / 1e6, exact };
}
