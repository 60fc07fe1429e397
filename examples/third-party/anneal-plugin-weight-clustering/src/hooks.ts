import type { SyncWaterfallHook } from '@anneal/core';
import type { Parameter } from '@anneal/graph';

/** Hooks of this plugin, which others tap with `api.hooksOf('weight-clustering')`. */
export interface WeightClusteringHooks {
  /** How many clusters a weight gets; 0 leaves it as it is. */
  readonly transformClusters: SyncWaterfallHook<number, { readonly name: string; readonly parameter: Parameter }>;
}

declare module '@anneal/core' {
  interface PluginHooks {
    'weight-clustering': WeightClusteringHooks;
  }
}
