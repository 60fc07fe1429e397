import {
  AsyncParallelHook,
  AsyncSeriesBailHook,
  AsyncSeriesHook,
  AsyncSeriesWaterfallHook,
  SyncBailHook,
  SyncHook,
  SyncWaterfallHook,
} from 'tapable';

import { type AnnealError } from '../errors/error.ts';
import { copyOf } from './attribute.ts';
import type { HookKind } from './types.ts';

export type AnyFunction = (...args: unknown[]) => unknown;
/** A hook of tapable, as far as all kinds have it in common. */
export interface RawHook {
  promise?(...args: unknown[]): Promise<unknown>;
  tap(options: { name: string; stage: number }, fn: AnyFunction): void;
  tapPromise?(options: { name: string; stage: number }, fn: (...args: unknown[]) => Promise<unknown>): void;
}

/** No hook has more arguments. */
export const ARGS: readonly ['a', 'b', 'c'] = ['a', 'b', 'c'];
/** tapable compiles the arity into the hook: pass as many names as the longest signature of that kind. */
const MAKE: Readonly<Record<HookKind, (arity: number) => RawHook>> = {
  bail: (n) => new AsyncSeriesBailHook(ARGS.slice(0, n) as never) as unknown as RawHook,
  'sync-bail': (n) => new SyncBailHook(ARGS.slice(0, n) as never) as unknown as RawHook,
  waterfall: (n) => new AsyncSeriesWaterfallHook(ARGS.slice(0, n) as never) as unknown as RawHook,
  'sync-waterfall': (n) => new SyncWaterfallHook(ARGS.slice(0, n) as never) as unknown as RawHook,
  series: (n) => new AsyncSeriesHook(ARGS.slice(0, n) as never) as unknown as RawHook,
  sync: (n) => new SyncHook(ARGS.slice(0, n) as never) as unknown as RawHook,
  parallel: (n) => waitForAll(new AsyncParallelHook([...ARGS.slice(0, n), 'failures'] as never) as unknown as RawHook),
};
/** Kinds whose taps may not be asynchronous. */
export const SYNCHRONOUS: ReadonlySet<HookKind> = new Set(['sync-bail', 'sync-waterfall', 'sync']);

/**
 * tapable rejects with the first error while the other taps are still at work, and then the backend is closed under
 * them. Here a call carries a list that its taps put their errors into, and fails when all are done.
 */
function waitForAll(hook: RawHook): RawHook {
  return {
    tap: (options, fn) => {
      hook.tap(options, fn);
    },
    tapPromise: (options, fn) => {
      hook.tapPromise?.(options, fn);
    },
    promise: async (...args) => {
      const failures: AnnealError[] = [];
      await hook.promise?.(...ARGS.map((_, i) => args[i]), failures);
      const [first, ...also] = failures;
      if (first === undefined) return;
      throw also.length === 0 ? first : copyOf(first, { also: [...(first.also ?? []), ...also] });
    },
  };
}

/** A hook of a kind. */
export function makeHook(kind: HookKind): RawHook {
  return MAKE[kind](ARGS.length);
}
