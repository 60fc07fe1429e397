import { definePlugin } from '@anneal/core';
import { GraphBuilder, tensor } from '@anneal/graph';

import { anyOptions } from '../lib/options.mjs';

const [DIMENSIONS, CLASSES] = [8, 3];
const value = (i, seed) => Math.sin(12.9898 * i + 78.233 * seed) * 0.5;

/** A network with two hidden layers and dropout. */
export const model = definePlugin({
  name: 'model',
  options: anyOptions,
  setup(api, { hidden }) {
    api.hooks.model.resolveModel.tap(() => {
      const g = new GraphBuilder();
      const { ops } = g;
      const weight = (name, shape, seed) => {
        const data = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => value(i, seed));
        return g.parameter(name, tensor('float32', shape, data), { trainable: true });
      };
      const x = g.input('x', 'float32', ['batch', DIMENSIONS]);
      let h = ops.matmul(x, weight('first.weight', [DIMENSIONS, hidden], 1));
      h = ops.dropout(ops.tanh(ops.add(h, weight('first.bias', [hidden], 2))), { rate: 0.25 });
      h = ops.tanh(ops.matmul(h, weight('second.weight', [hidden, hidden], 3)));
      g.output('logits', ops.matmul(h, weight('third.weight', [hidden, CLASSES], 4)));
      return { graph: g.build(), config: { model_type: 'mlp' }, padding: {} };
    });
  },
});
