import { model } from './plugins/model.mjs';
import { points } from './plugins/points.mjs';
import { rounding } from './plugins/rounding.mjs';

export default {
  name: 'project',
  plugins: [points({ file: 'points.json' }), model({ hidden: 32 }), rounding({ digits: 6 })],
  train: { epochs: 20, batchSize: 16, saveSteps: 20, learningRate: 0.003 },
  evaluate: { latencyRuns: 5 },
  threads: 1,
};
