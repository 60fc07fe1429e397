import { GraphError } from '@anneal/graph';
import type { Executor } from './device/executor.ts';
import type { CallName, Calls, Channel } from './protocol.ts';

/** An executor in this thread. Calls run one after the other, as in a worker. */
export class DirectChannel implements Channel {
  readonly #executor: Executor;
  #last: Promise<unknown> = Promise.resolve();
  #open = true;

  constructor(executor: Executor) {
    this.#executor = executor;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  call<K extends CallName>(name: K, args: Calls[K][0]): Promise<Calls[K][1]> {
    if (!this.#open) return Promise.reject(closed());
    const answer = this.#last.then(() => this.#executor.handle(name, args));
    this.#last = answer.catch(() => undefined);
    return answer;
  }

  async close(): Promise<void> {
    this.#open = false;
    await this.#last;
    this.#executor.kernels.close();
  }
}

function closed(): GraphError {
  return new GraphError('ANNEAL_E_BACKEND', 'the tfjs backend is closed', { fix: 'close it after the last run' });
}
