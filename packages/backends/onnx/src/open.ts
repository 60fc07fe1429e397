import { type Backend, GraphError } from '@anneal/graph';
import { WorkerChannel } from '@anneal/graph/node';
import { OnnxBackend } from './backend.ts';
import { type DeviceName, DEVICES, isDevice } from './devices.ts';
import type { Calls, RuntimeFacts } from './protocol.ts';
import { readable } from './runtime-error.ts';
import { SessionFolder } from './session-folder.ts';
import { physicalCores } from './threads.ts';

/** Where graphs run. `auto` is `cpu`. */
export type OnnxDevice = 'auto' | DeviceName;

/** Options of {@link onnxBackend}. */
export interface OnnxBackendOptions {
  /** @defaultValue `'auto'` */
  device?: OnnxDevice | undefined;
  /**
   * Threads per operator. A second thread on one core does not help a matrix kernel.
   *
   * @defaultValue the number of physical cores that the process may use
   */
  threads?: number | undefined;
  /**
   * Let idle threads wait in a loop for the next operator instead of sleeping. May help graphs of many small operators
   * on a machine of one's own; takes the cores away from everything else. No gain was measured in training steps.
   *
   * @defaultValue `false`
   */
  spin?: boolean | undefined;
  /**
   * Use only kernels whose result does not depend on timing: same graph, feeds, machine and number of threads then
   * give the same bytes.
   *
   * @defaultValue `true`
   */
  deterministic?: boolean | undefined;
  /**
   * Folder for the files that weights are mapped from, one subfolder per backend, removed on `close()` and at exit.
   * On the disk that holds the models, weights in files are linked and need no copy.
   *
   * @defaultValue `os.tmpdir()`
   */
  tempFolder?: string | undefined;
}

/**
 * Starts ONNX Runtime in a worker thread. Runs do not block the calling thread; those of one backend run one after the
 * other. Feeds are copied once on their way, results are moved.
 *
 * ```ts
 * const backend = await onnxBackend({ threads: 4 });
 * const program = await backend.compile(graph);
 * const { y } = await program.run({ x: tensor('float32', [1, 4], [1, 2, 3, 4]) });
 * await backend.close();
 * ```
 *
 * @throws GraphError `ANNEAL_E_BACKEND` when an option is wrong, the runtime cannot be loaded or the device is not there.
 */
export async function onnxBackend(options: OnnxBackendOptions = {}): Promise<Backend> {
  return (await openBackend(options)).backend;
}

/** {@link onnxBackend} with what the runtime says of itself. */
export async function openBackend(
  options: OnnxBackendOptions,
): Promise<{ readonly backend: Backend; readonly facts: RuntimeFacts }> {
  const {
    device: wanted = 'auto',
    threads = physicalCores(),
    spin = false,
    deterministic = true,
    tempFolder,
  } = options;
  const device: string = wanted === 'auto' ? 'cpu' : wanted;
  if (!isDevice(device)) {
    const names = ['auto', ...Object.keys(DEVICES)].join(', ');
    throw new GraphError('ANNEAL_E_BACKEND', `device must be one of ${names}, received ${device}`);
  }
  if (threads !== undefined && (!Number.isInteger(threads) || threads < 1)) {
    throw new GraphError('ANNEAL_E_BACKEND', `threads must be a whole number of at least 1, received ${threads}`);
  }
  const channel = new WorkerChannel<Calls>(workerEntry(), 'onnx');
  try {
    const facts = await channel.call('facts', undefined).catch(cannotLoad);
    if (device !== 'cpu') await channel.call('attach', { device }).catch((error: unknown) => noDevice(device, error));
    const backend = new OnnxBackend({
      info: { name: 'onnx', version: facts.version, device, threads },
      channel,
      folder: new SessionFolder(tempFolder),
      session: { device, threads, spin, deterministic },
    });
    return { backend, facts };
  } catch (error) {
    await channel.close();
    throw error;
  }
}

function cannotLoad(error: unknown): never {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  throw new GraphError('ANNEAL_E_BACKEND', `onnxruntime-node cannot be loaded: ${messageOf(cause)}`, {
    fix: `reinstall it; it has binaries for Linux and Windows (x64, arm64) and macOS (arm64), this is ${process.platform} ${process.arch}`,
    cause,
  });
}

function noDevice(device: DeviceName, cause: unknown): never {
  const { title, fix } = DEVICES[device];
  throw new GraphError('ANNEAL_E_BACKEND', `${title} cannot be used here: ${readable(messageOf(cause))}`, {
    fix,
    cause,
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** From source in tests, compiled everywhere else: `tsc` does not rewrite URLs. */
function workerEntry(): URL {
  return new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url);
}
