import { Worker } from 'node:worker_threads';
import { GraphError } from '@anneal/graph';
import { closed } from '../direct-channel.ts';
import type { CallName, Calls, Channel, DeviceFacts } from '../protocol.ts';
import type { Failed, Reply, Request } from './messages.ts';

interface Pending {
  readonly resolve: (result: never) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Calls into the worker thread. Calls are answered in order. While none is under way the worker does not keep the
 * process alive, so that a program that forgets `close()` still ends.
 */
export class WorkerChannel implements Channel {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #counter = 0;
  /** Why no call is accepted any more. */
  #ended: GraphError | undefined;
  #drained: (() => void) | undefined;
  /** Resolves when the device is ready. */
  readonly opened: Promise<DeviceFacts>;

  constructor(entry: URL, workerData: { readonly device: string; readonly root: string }) {
    // A thread takes over the flags of the process, and refuses this one, which is for `node --input-type=module -e …`.
    const flags = process.execArgv.filter((flag) => !flag.startsWith('--input-type'));
    const execArgv = flags.length === process.execArgv.length ? {} : { execArgv: flags };
    this.#worker = new Worker(entry, { name: 'anneal-tfjs', workerData, stdout: true, stderr: true, ...execArgv });
    this.opened = new Promise((resolve, reject) => this.#pending.set(-1, { resolve, reject }));
    this.#worker.on('message', (reply: Reply) => this.#settle(reply));
    this.#worker.on('messageerror', (error) => this.#end(error));
    this.#worker.on('error', (error) => this.#end(error));
    this.#worker.on('exit', (code) => this.#end(new Error(`the worker exited with code ${code}`)));
  }

  get isOpen(): boolean {
    return this.#ended === undefined;
  }

  /** @throws GraphError `ANNEAL_E_BACKEND` when the worker is gone; the worker's own errors come as they are. */
  call<K extends CallName>(name: K, args: Calls[K][0], transfer: readonly ArrayBuffer[] = []): Promise<Calls[K][1]> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      const id = this.#counter++;
      if (this.#pending.size === 0) this.#worker.ref();
      this.#pending.set(id, { resolve, reject });
      try {
        this.#worker.postMessage({ id, name, args } satisfies Request, [...new Set(transfer)]);
      } catch (error) {
        this.#take(id)?.reject(error as Error);
      }
    });
  }

  /** Lets the calls under way finish, then ends the worker. Later calls are refused. */
  async close(): Promise<void> {
    this.#ended ??= closed();
    if (this.#pending.size > 0) await new Promise<void>((resolve) => (this.#drained = resolve));
    await this.#worker.terminate();
  }

  #settle(reply: Reply): void {
    const pending = this.#take(reply.id);
    if ('error' in reply) pending?.reject(errorOf(reply.error));
    else pending?.resolve(reply.result as never);
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (this.#pending.size === 0) {
      this.#worker.unref();
      this.#drained?.();
    }
    return pending;
  }

  #end(cause: Error): void {
    this.#ended ??= died(cause);
    for (const id of this.#pending.keys()) this.#take(id)?.reject(died(cause));
  }
}

function errorOf({ message, stack, ...rest }: Failed): Error {
  const error = Object.assign(new Error(message), rest);
  if (stack !== undefined) error.stack = stack;
  return error;
}

function died(cause: Error): GraphError {
  const memory = (cause as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY';
  return new GraphError('ANNEAL_E_BACKEND', `the tfjs backend stopped: ${cause.message}`, {
    fix: memory
      ? 'it ran out of memory: use smaller batches or shorter sequences'
      : 'its state is lost: open a new backend and resume from the last checkpoint',
    cause,
  });
}
