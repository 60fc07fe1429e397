import { parentPort, workerData } from 'node:worker_threads';
import { Executor } from '../device/executor.ts';
import type { CallName, Calls, Packet } from '../protocol.ts';
import { NODE_DEVICES, type NodeDevice } from './devices.ts';
import type { Reply, Request } from './messages.ts';

// The thread that computes: kernels of wasm, cpu and tfjs-node block theirs for as long as they take.
const port = parentPort;
if (port === null) throw new Error('this file is the entry of a worker thread');

const { device, root } = workerData as { readonly device: NodeDevice; readonly root: string };
const opened = NODE_DEVICES[device](root).then((open) => {
  const { version, about, software } = open;
  port.postMessage({ id: -1, result: { device, version, about, software } } satisfies Reply);
  return new Executor(open);
});
opened.catch((error: unknown) => port.postMessage(failure(-1, error)));

// One at a time and in order: programs share state.
let last: Promise<void> = Promise.resolve();

port.on('message', ({ id, name, args }: Request) => {
  last = last.then(async () => {
    try {
      const result = await (await opened).handle(name, args);
      port.postMessage({ id, result } satisfies Reply, buffersOf(name, result));
    } catch (error) {
      port.postMessage(failure(id, error));
    }
  });
});

/** Results need not be copied on their way. */
function buffersOf(name: CallName, result: Calls[CallName][1]): ArrayBuffer[] {
  if (name !== 'run' && name !== 'readState') return [];
  return Object.values(result as Record<string, Packet>).map(({ data }) => data.buffer as ArrayBuffer);
}

function failure(id: number, error: unknown): Reply {
  const { message, stack, op, module, code, fix } = (
    error instanceof Error ? error : new Error(String(error))
  ) as Error & Record<string, unknown>;
  return { id, error: { message, stack, op, module, code, fix } };
}
