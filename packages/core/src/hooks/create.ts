import {
  AsyncParallelHook,
  AsyncSeriesBailHook,
  AsyncSeriesHook,
  AsyncSeriesWaterfallHook,
  SyncBailHook,
  SyncHook,
  SyncWaterfallHook,
} from 'tapable';

import { AnnealError, isAnnealError } from '../errors/error.ts';
import type { TapListing } from '../pipeline-types.ts';
import type * as Kinds from './types.ts';
import type { HookKind, Hooks, Scoped, TapOptions } from './types.ts';

/** The kind of every hook: what `hooks/types.ts` promises to plugins, made checkable. */
const KINDS: { readonly [G in keyof Hooks]: { readonly [K in keyof Hooks[G]]: KindOf<Hooks[G][K]> } } = {
  pipeline: { afterRun: 'series', onFail: 'sync' },
  data: {
    resolveDataset: 'bail',
    transformDataset: 'waterfall',
    afterDataset: 'series',
    resolveTask: 'bail',
    transformSample: 'sync-waterfall',
    auditDataset: 'parallel',
  },
  model: { resolveModel: 'bail', transformModel: 'waterfall', afterModel: 'series' },
  train: {
    beforeTrain: 'series',
    shouldTrain: 'sync-bail',
    resolveOptimizer: 'bail',
    transformInputs: 'sync-waterfall',
    transformOutputs: 'sync-waterfall',
    transformTargets: 'sync-waterfall',
    transformLoss: 'sync-waterfall',
    transformGradients: 'sync-waterfall',
    onStep: 'sync',
    shouldStop: 'sync-bail',
    afterTrain: 'series',
  },
  compress: {
    beforeCompress: 'series',
    shouldCompress: 'sync-bail',
    transformModel: 'waterfall',
    afterCompress: 'series',
  },
  evaluate: { transformMetrics: 'waterfall', auditModel: 'parallel', resolveBaseline: 'bail' },
  emit: { emit: 'series', afterEmit: 'series' },
};
type KindOf<H> = H extends { readonly kind: infer K } ? K : never;
const HOOKS: readonly string[] = Object.entries(KINDS).flatMap(([group, kinds]) =>
  Object.keys(kinds).map((name) => `${group}.${name}`),
);

/** What the phases do with a hook. */
type Callable<H> =
  H extends Kinds.BailHook<infer A, infer R>
    ? { promise(...args: A): Promise<R | undefined> }
    : H extends Kinds.SyncBailHook<infer A, infer R>
      ? { call(...args: A): R | undefined }
      : H extends Kinds.WaterfallHook<infer T, infer C>
        ? { promise(value: T, ctx: C): Promise<T> }
        : H extends Kinds.SyncWaterfallHook<infer T, infer C>
          ? { call(value: T, ctx: C): T }
          : H extends Kinds.SeriesHook<infer A>
            ? { promise(...args: A): Promise<void> }
            : H extends Kinds.ParallelHook<infer A>
              ? { promise(...args: A): Promise<void> }
              : H extends Kinds.SyncHook<infer A>
                ? { call(...args: A): void }
                : never;
export type CallableHooks = { readonly [G in keyof Hooks]: { readonly [K in keyof Hooks[G]]: Callable<Hooks[G][K]> } };

type AnyFunction = (...args: unknown[]) => unknown;
interface RawHook {
  promise?(...args: unknown[]): Promise<unknown>;
  tap(options: { name: string; stage: number }, fn: AnyFunction): void;
  tapPromise?(options: { name: string; stage: number }, fn: (...args: unknown[]) => Promise<unknown>): void;
}

const ARGS = ['a', 'b', 'c'] as const;
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
const SYNCHRONOUS: ReadonlySet<HookKind> = new Set(['sync-bail', 'sync-waterfall', 'sync']);

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

/** Time and calls of one plugin in one hook. */
export interface TapTiming {
  readonly plugin: string;
  readonly hook: string;
  calls: number;
  ms: number;
}

/** The hooks of one stage: tapable inside, a narrow typed face outside. */
export class HookRegistry {
  /** For the phases. */
  readonly hooks: CallableHooks;
  readonly timings: TapTiming[] = [];
  readonly #raw = new Map<string, RawHook>();
  readonly #taps: Omit<TapListing, 'stage'>[] = [];
  #frozen = false;

  constructor() {
    const groups = Object.entries(KINDS).map(([group, kinds]) => {
      const hooks = Object.entries(kinds).map(([name, kind]) => {
        const hook = MAKE[kind as HookKind](ARGS.length);
        this.#raw.set(`${group}.${name}`, hook);
        return [name, hook];
      });
      return [group, Object.fromEntries(hooks)];
    });
    this.hooks = Object.fromEntries(groups) as CallableHooks;
  }

  /** The hooks as a plugin sees them: `tap` only, errors and timings attributed to it. */
  scoped(plugin: string): Scoped<Hooks> {
    const groups = Object.entries(KINDS).map(([group, kinds]) => {
      const hooks = Object.entries(kinds).map(([name, kind]) => {
        const tap = (fn: AnyFunction, options: TapOptions = {}): void =>
          this.#tap(plugin, `${group}.${name}`, kind as HookKind, fn, options);
        return [name, { tap }];
      });
      return [group, Object.fromEntries(hooks)];
    });
    return Object.fromEntries(groups) as Scoped<Hooks>;
  }

  /** No tap after this: plugins that tap from inside a hook would miss calls silently. */
  freeze(): void {
    this.#frozen = true;
  }

  /** Every tap: hooks as they first come in a run, the taps of each in the order in which they run. */
  taps(): readonly Omit<TapListing, 'stage'>[] {
    return HOOKS.flatMap((hook) => this.#taps.filter((tap) => tap.hook === hook).toSorted((a, b) => a.order - b.order));
  }

  /** Groups that a plugin taps. */
  groupsOf(plugin: string): ReadonlySet<string> {
    return new Set(this.#taps.filter((tap) => tap.plugin === plugin).map((tap) => tap.hook.split('.')[0] as string));
  }

  #tap(plugin: string, hook: string, kind: HookKind, fn: AnyFunction, { stage = 0 }: TapOptions): void {
    if (this.#frozen) {
      throw new AnnealError('ANNEAL_E_FROZEN', `\`${hook}\` was tapped after setup`, {
        plugin,
        hook,
        fix: 'tap inside `setup`, and decide in the tap whether to act',
      });
    }
    const raw = this.#raw.get(hook) as RawHook;
    const timing: TapTiming = { plugin, hook, calls: 0, ms: 0 };
    this.timings.push(timing);
    this.#taps.push({ hook, kind, plugin, order: stage });
    const options = { name: plugin, stage };
    if (SYNCHRONOUS.has(kind)) {
      raw.tap(options, (...args) => {
        const start = performance.now();
        timing.calls++;
        let result: unknown;
        try {
          result = fn(...args);
        } catch (error) {
          throw attributed(error, plugin, hook);
        } finally {
          timing.ms += performance.now() - start;
        }
        if (isThenable(result)) {
          // Nobody waits for it: should it reject, that must not end the process before the error below is told.
          result.then(undefined, () => undefined);
          throw asyncTap(plugin, hook);
        }
        return result;
      });
      return;
    }
    raw.tapPromise?.(options, async (...args) => {
      const start = performance.now();
      timing.calls++;
      try {
        return await fn(...args.slice(0, ARGS.length));
      } catch (error) {
        const failure = attributed(error, plugin, hook);
        if (kind !== 'parallel') throw failure;
        (args[ARGS.length] as AnnealError[]).push(failure);
        return undefined;
      } finally {
        timing.ms += performance.now() - start;
      }
    });
  }
}

function asyncTap(plugin: string, hook: string): AnnealError {
  const message = `\`${hook}\` is synchronous, received a function that returns a promise`;
  const fix = `do the asynchronous part earlier, e.g. in \`${hook.split('.')[0]}.before…\`, and keep the result in \`api.state\``;
  return new AnnealError('ANNEAL_E_ASYNC_TAP', message, { plugin, hook, fix });
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}

function copyOf(error: AnnealError, changes: Partial<Pick<AnnealError, 'plugin' | 'hook' | 'also'>>): AnnealError {
  const { code, message, plugin, hook, path, file, fix, also } = error;
  return new AnnealError(code, message, { plugin, hook, path, file, fix, also, ...changes, cause: error });
}

/** The error with the plugin and the hook on it; a coded error keeps its code and its fix. */
export function attributed(error: unknown, plugin: string, hook: string): AnnealError {
  if (isAnnealError(error)) {
    // What a tap of another plugin threw, called from within this one, stays with that other.
    const known = error.plugin !== undefined && (error.hook !== undefined || error.plugin !== plugin);
    if (known || error.code === 'ANNEAL_E_ABORTED') return error;
    return copyOf(error, { plugin, hook });
  }
  const message = error instanceof Error ? error.message : String(error);
  return new AnnealError('ANNEAL_E_HOOK', `threw in ${hook}: ${message}`, { plugin, hook, cause: error });
}
