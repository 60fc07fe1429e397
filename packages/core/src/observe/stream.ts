import type { RunEvent } from './events.ts';

type Answer = IteratorResult<RunEvent, undefined>;
interface Waiter {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

/** How a run ended. */
interface End {
  /** What it failed with. */
  readonly error?: unknown;
  readonly failed: boolean;
}

/**
 * Events of one run for any number of listeners, each at its own pace. A run does not wait for them: what one has not
 * taken yet is kept for it, of a progress bar only the latest state.
 */
export class EventStream {
  readonly #listeners = new Set<Listener>();
  #end: End | undefined;

  emit(event: RunEvent): void {
    for (const listener of this.#listeners) listener.push(event);
  }

  /** No event comes after this. */
  end(end: End): void {
    this.#end = end;
    for (const listener of this.#listeners) listener.end(end);
    this.#listeners.clear();
  }

  /** Events from now on. Fails with what the run fails with, after all of them. */
  events(): AsyncIterableIterator<RunEvent> {
    const listener = new Listener(() => this.#listeners.delete(listener));
    if (this.#end === undefined) this.#listeners.add(listener);
    else listener.end(this.#end);
    return listener;
  }
}

class Listener implements AsyncIterableIterator<RunEvent> {
  /** By number, so that one can be replaced and the first be taken at once. */
  readonly #waiting = new Map<number, RunEvent>();
  /** Of the latest state of each bar that was not taken yet. */
  readonly #bars = new Map<number, number>();
  readonly #waiters: Waiter[] = [];
  readonly #leave: () => void;
  #next = 0;
  #end: End | undefined;

  constructor(leave: () => void) {
    this.#leave = leave;
  }

  push(event: RunEvent): void {
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) {
      waiter.resolve({ done: false, value: event });
      return;
    }
    const at = event.type === 'progress' ? this.#bars.get(event.id) : undefined;
    if (at !== undefined) {
      this.#waiting.set(at, event);
      return;
    }
    if (event.type === 'progress') this.#bars.set(event.id, this.#next);
    this.#waiting.set(this.#next++, event);
  }

  end(end: End): void {
    this.#end = end;
    for (const waiter of this.#waiters.splice(0)) this.#answerEnd(waiter);
  }

  next(): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const [first] = this.#waiting;
      if (first !== undefined) {
        const [at, event] = first;
        this.#waiting.delete(at);
        if (event.type === 'progress') this.#bars.delete(event.id);
        resolve({ done: false, value: event });
      } else if (this.#end === undefined) this.#waiters.push({ resolve, reject });
      else this.#answerEnd({ resolve, reject });
    });
  }

  /** Nobody listens any more; the run goes on. */
  return(): Promise<Answer> {
    this.#leave();
    this.#waiting.clear();
    this.end({ failed: false });
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #answerEnd({ resolve, reject }: Waiter): void {
    const end = this.#end;
    // Once: a listener that goes on after the failure hears that there is nothing more.
    this.#end = { failed: false };
    if (end?.failed === true) reject(end.error);
    else resolve({ done: true, value: undefined });
  }
}
