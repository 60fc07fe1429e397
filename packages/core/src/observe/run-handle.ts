import type { RunHandle, RunOptions, RunResult } from '../pipeline-types.ts';
import { EventStream } from './stream.ts';

/** Begins a run and returns what can be done with it while it goes on. */
export function runHandle(options: RunOptions, begin: (options: RunOptions) => Promise<RunResult>): RunHandle {
  const stream = new EventStream();
  const stop = new AbortController();
  const { signal, onEvent } = options;
  const own: RunOptions = {
    ...options,
    signal: signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]),
    onEvent: (event) => {
      onEvent?.(event);
      stream.emit(event);
    },
  };
  const running = (async () => {
    // Who listens at once misses nothing.
    await Promise.resolve();
    try {
      const result = await begin(own);
      stream.end({ failed: false });
      return result;
    } catch (error) {
      stream.end({ failed: true, error });
      throw error;
    }
  })();
  return Object.assign(running, {
    events: () => {
      // The listener hears of a failure: until somebody waits for the run as well, that is enough.
      running.catch(() => undefined);
      return stream.events();
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await running.catch(() => undefined);
    },
  });
}
