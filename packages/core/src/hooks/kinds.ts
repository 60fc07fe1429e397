import type { Deprecation } from '../plugin/types.ts';
import type * as Kinds from './types.ts';
import type { Hooks } from './types.ts';

/** The kind of every hook: what `hooks/types.ts` promises to plugins, made checkable. */
export const KINDS: { readonly [G in keyof Hooks]: { readonly [K in keyof Hooks[G]]: KindOf<Hooks[G][K]> } } = {
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
/** The kind that a hook's type names. */
export type KindOf<H> = H extends { readonly kind: infer K } ? K : never;
/** Every hook of core as `group.name`, in the order in which they first come in a run. */
export const HOOKS: readonly string[] = Object.entries(KINDS).flatMap(([group, kinds]) =>
  Object.keys(kinds).map((name) => `${group}.${name}`),
);

/** How a plugin declares its own hooks: a kind for each, and what to use instead where one is on its way out. */
export type HookDeclarations<H> = {
  readonly [K in keyof H]: KindOf<H[K]> | { readonly kind: KindOf<H[K]>; readonly deprecated: Deprecation };
};

/** What the owner of a hook does with it. */
export type Callable<H> =
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
/** The hooks of core as the phases call them. */
export type CallableHooks = { readonly [G in keyof Hooks]: { readonly [K in keyof Hooks[G]]: Callable<Hooks[G][K]> } };

/** The hooks of a group as their owner calls them. */
export type CallableGroup<G> = { readonly [K in keyof G]: Callable<G[K]> };
