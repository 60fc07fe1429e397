import { definePlugin, type OptionSchema, type PluginFactory, STAGE } from '@anneal/core';
import { loadTensor, sizeOf, tensor, type TensorData, withParameters } from '@anneal/graph';
import * as v from 'valibot';

import { cluster } from './cluster.ts';
import './hooks.ts';

/** Options of {@link weightClustering}. */
export interface WeightClusteringOptions {
  /** Distinct numbers of a weight. @defaultValue `16` */
  clusters?: number | undefined;
  /** Smaller weights stay as they are. @defaultValue `1024` */
  minElements?: number | undefined;
}

type Resolved = Required<{ [K in keyof WeightClusteringOptions]: NonNullable<WeightClusteringOptions[K]> }>;

const count = (least: number, description: string) =>
  v.pipe(v.number(), v.safeInteger(), v.minValue(least, `must be an integer >= ${least}`), v.description(description));

const options: OptionSchema<WeightClusteringOptions, Resolved> = v.strictObject({
  clusters: v.optional(count(2, 'Distinct numbers of a weight.'), 16),
  minElements: v.optional(count(1, 'Smaller weights stay as they are.'), 1024),
});

/** Few distinct numbers per weight (Han, Mao and Dally, "Deep Compression", 2016, section 3). */
export const weightClustering: PluginFactory<WeightClusteringOptions> = definePlugin({
  name: 'weight-clustering',
  version: '0.1.0',
  options,
  setup(api, { clusters, minElements }) {
    const hooks = api.provideHooks('weight-clustering', { transformClusters: 'sync-waterfall' });

    api.hooks.compress.transformModel.tap(
      async (model, ctx) => {
        const found = new Map<string, TensorData>();
        for (const [name, parameter] of model.graph.parameters) {
          const { dtype, shape } = parameter.data;
          if (dtype !== 'float32' || shape.length < 2 || sizeOf(shape) < minElements) continue;
          if (!ctx.mayCompress(name, parameter)) continue;
          const wanted = hooks.transformClusters.call(clusters, { name, parameter });
          if (wanted === 0) continue;
          if (!Number.isSafeInteger(wanted) || wanted < 0) {
            throw api.error(
              'WEIGHT_CLUSTERING_E_CLUSTERS',
              `a weight cannot have ${wanted} clusters, those of ${name}`,
              {
                fix: 'answer `transformClusters` with an integer >= 0',
              },
            );
          }
          ctx.signal.throwIfAborted();
          const { data } = await loadTensor(parameter.data);
          found.set(name, tensor(dtype, shape, cluster(data as Float32Array, wanted)));
        }
        if (found.size === 0) {
          api.logger.warn(`No weight has ${minElements} elements: nothing was clustered`);
          return undefined;
        }
        api.logger.info(`clustered ${found.size} weights`);
        const graph = withParameters(model.graph, (name) => {
          const data = found.get(name);
          return data && { data };
        });
        return { ...model, graph, variant: 'clustered' };
      },
      { stage: STAGE.PRUNE },
    );
  },
});
