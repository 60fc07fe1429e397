import { Worker, type WorkerOptions } from 'node:worker_threads';
import { GraphError } from '../error.ts';

/** What a worker answers: `[arguments, result]` by the name of the call. */
export type WorkerCalls<C> = { readonly [K in keyof C]: readonly [args: unknown, result: unknown] };

/** What is left of an error behind a thread. */
interface Failed {
  readonly message: string;
  readonly stack?: string | undefined;
}

type Reply = { readonly id: number; readonly result: unknown } | { readonly id: number; readonly error: Failed };

interface Pending {
  readonly resolve: (result: never) => void;
  readonly reject: (error: Error) => void;
}

/** The number of what a worker says without being called. */
const GREETING = -1;

/**
 * Calls of a backend into its worker thread: `{ id, name, args }` is answered by `{ id, result }` or `{ id, error }`, in
 * order. While none is under way the worker does not keep the process alive, so that a program that forgets `close()`
 * still ends.
 */
export class WorkerChannel<C extends WorkerCalls<C>> {
  readonly #worker: Worker;
  readonly #backend: string;
  readonly #pending = new Map<number, Pending>();
  #counter = 0;
  /** Why no call is accepted any more. */
  #ended: GraphError | undefined;
  #drained: (() => void) | undefined;

  /** `backend` is its name in errors, and that of the thread. */
  constructor(entry: URL, backend: string, options: WorkerOptions = {}) {
    this.#backend = backend;
    // A thread takes over the flags of the process, and refuses this one, which is for `node --input-type=module -e …`.
    const flags = process.execArgv.filter((flag) => !flag.startsWith('--input-type'));
    const execArgv = flags.length === process.execArgv.length ? {} : { execArgv: flags };
    this.#worker = new Worker(entry, { name: `anneal-${backend}`, ...execArgv, ...options });
    this.#worker.unref();
    this.#worker.on('message', (reply: Reply) => this.#settle(reply));
    this.#worker.on('messageerror', (error) => this.#end(error));
    this.#worker.on('error', (error) => this.#end(error));
    this.#worker.on('exit', (code) => this.#end(new Error(`the worker exited with code ${code}`)));
  }

  /** `false` once it is closed or the worker is gone. */
  get isOpen(): boolean {
    return this.#ended === undefined;
  }

  /** What the worker says when it is up, as the reply to -1; to be asked for before it can have said it. */
  greeting<T>(): Promise<T> {
    return this.#reply(GREETING);
  }

  /** @throws GraphError `ANNEAL_E_BACKEND` when the worker is gone; the worker's own errors come as they are. */
  call<K extends keyof C>(name: K, args: C[K][0], transfer: readonly ArrayBuffer[] = []): Promise<C[K][1]> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const id = this.#counter++;
    const reply = this.#reply<C[K][1]>(id);
    try {
      this.#worker.postMessage({ id, name, args }, [...new Set(transfer)]);
    } catch (error) {
      this.#take(id)?.reject(error as Error);
    }
    return reply;
  }

  /** Lets the calls under way finish, then ends the worker. Later calls are refused. */
  async close(): Promise<void> {
    this.#ended ??= new GraphError('ANNEAL_E_BACKEND', `the ${this.#backend} backend is closed`, {
      fix: 'close it after the last run',
    });
    if (this.#pending.size > 0) await new Promise<void>((resolve) => (this.#drained = resolve));
    await this.#worker.terminate();
  }

  #reply<T>(id: number): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#pending.size === 0) this.#worker.ref();
      this.#pending.set(id, { resolve, reject });
    });
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
    this.#ended ??= died(this.#backend, cause);
    for (const id of this.#pending.keys()) this.#take(id)?.reject(died(this.#backend, cause));
  }
}

function errorOf({ message, stack, ...rest }: Failed): Error {
  const error = Object.assign(new Error(message), rest);
  if (stack !== undefined) error.stack = stack;
  return error;
}

function died(backend: string, cause: Error): GraphError {
  const memory = (cause as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY';
  return new GraphError('ANNEAL_E_BACKEND', `the ${backend} backend stopped: ${cause.message}`, {
    fix: memory
      ? 'it ran out of memory: use smaller batches or shorter sequences'
      : 'its state is lost: open a new backend and resume from the last checkpoint',
    cause,
  });
}
