import { definePlugin, STAGE } from '@anneal/core';
import { loadTensor, withParameters } from '@anneal/graph';

import { anyOptions } from '../lib/options.mjs';

/** Weights rounded to so many binary digits. */
export const rounding = definePlugin({
  name: 'rounding',
  options: anyOptions,
  setup(api, { digits }) {
    const scale = 2 ** digits;
    api.hooks.compress.transformModel.tap(
      async (model) => {
        const weights = new Map();
        // From the cache they come as places in a file.
        for (const [name, { data }] of model.graph.parameters) weights.set(name, await loadTensor(data));
        const graph = withParameters(model.graph, (name) => {
          const { dtype, shape, data } = weights.get(name);
          return { data: { dtype, shape, data: data.map((x) => Math.round(x * scale) / scale) } };
        });
        return { ...model, variant: 'rounded', graph };
      },
      { stage: STAGE.QUANTIZE },
    );
  },
});
