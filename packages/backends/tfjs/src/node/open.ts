import { type Backend, type DeviceProbe, GraphError } from '@anneal/graph';
import { WorkerChannel } from '@anneal/graph/node';
import { TfjsBackend } from '../backend.ts';
import type { Calls, DeviceFacts } from '../protocol.ts';
import { NODE_DEVICES, type NodeDevice } from './devices.ts';
import { memory } from './memory.ts';

export type TfjsDevice = 'auto' | NodeDevice;

/** Options of {@link tfjsBackend}. */
export interface TfjsBackendOptions {
  /** @defaultValue `'auto'`: the first of node-gpu, node, webgpu, wasm and cpu that starts */
  device?: TfjsDevice | undefined;
  /** Folder of the project: what a device needs is looked for there first. @defaultValue the current one */
  root?: string | undefined;
}

/** Fastest first; a driver of WebGPU that is a program itself is passed over. */
export const ORDER: readonly NodeDevice[] = Object.keys(NODE_DEVICES) as NodeDevice[];

/**
 * Starts TensorFlow.js in a worker thread, on one device. Runs do not block the calling thread; those of one backend run
 * one after the other. Feeds are copied once on their way, results are moved.
 *
 * ```ts
 * const backend = await tfjsBackend({ device: 'wasm' });
 * const program = await backend.compile(graph);
 * const { y } = await program.run({ x: tensor('float32', [1, 4], [1, 2, 3, 4]) });
 * await backend.close();
 * ```
 *
 * @throws GraphError `ANNEAL_E_BACKEND` when no device, or not the one that is named, starts.
 */
export async function tfjsBackend({
  device = 'auto',
  root = process.cwd(),
}: TfjsBackendOptions = {}): Promise<Backend> {
  if (device !== 'auto' && !Object.hasOwn(NODE_DEVICES, device)) {
    throw new GraphError(
      'ANNEAL_E_BACKEND',
      `device must be one of auto, ${ORDER.join(', ')}, received ${String(device)}`,
    );
  }
  const failed: DeviceProbe[] = [];
  for (const name of device === 'auto' ? ORDER : [device]) {
    const { backend, facts, probe } = await start(name, root);
    if (backend && !(device === 'auto' && facts?.software)) return backend;
    await backend?.close();
    failed.push(probe);
  }
  const problems = failed.map(({ device: name, problem }) => `${name}: ${problem}`);
  throw new GraphError('ANNEAL_E_BACKEND', `TensorFlow.js cannot start: ${problems.join('; ')}`, {
    fix: failed[0]?.fix,
  });
}

/** Starts one device, or says why it cannot. */
export async function start(
  device: NodeDevice,
  root: string,
): Promise<{ readonly backend?: Backend; readonly facts?: DeviceFacts; readonly probe: DeviceProbe }> {
  const channel = new WorkerChannel<Calls>(workerEntry(), 'tfjs', {
    workerData: { device, root },
    stdout: true,
    stderr: true,
  });
  try {
    const facts = await channel.greeting<DeviceFacts>();
    return { backend: new TfjsBackend(facts, channel, memory), facts, probe: { device, about: facts.about } };
  } catch (error) {
    await channel.close();
    const { message, fix } = error as Error & { readonly fix?: string | undefined };
    return { probe: { device, problem: message, fix } };
  }
}

/** From source in tests, compiled everywhere else: `tsc` does not rewrite URLs. */
function workerEntry(): URL {
  return new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url);
}
