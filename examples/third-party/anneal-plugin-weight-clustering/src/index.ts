export { cluster } from './cluster.ts';
export type { WeightClusteringHooks } from './hooks.ts';
export { weightClustering, weightClustering as default, type WeightClusteringOptions } from './plugin.ts';
