import { type Dataset, definePlugin, type Evaluator, type Metrics, type Model, type PluginFactory } from '@anneal/core';
import type { Row, Task } from '@anneal/core';
import { type Graph, GraphBuilder, sizeOf, tensor, type Value } from '@anneal/graph';
import { seededRandom } from '@anneal/testkit';
import * as v from 'valibot';

/**
 * A problem that is small and still has every part: three classes in four dimensions, told apart by a network with one
 * hidden layer. Plugins as users write them.
 */
export const CLASSES = 3;
const DIMENSIONS = 4;

/** Points around the corners of a simplex. */
export function points(count: number, seed: number): readonly Row[] {
  const next = seededRandom(seed);
  return Array.from({ length: count }, (_, i) => {
    const label = i % CLASSES;
    const x = Array.from({ length: DIMENSIONS }, (__, d) => (d === label ? 1 : 0) + (next() - 0.5) * 0.8);
    return { x, label };
  });
}

export interface MlpOptions {
  hidden?: number | undefined;
  dropout?: number | undefined;
  seed?: number | undefined;
}

/** `[batch, 4] → tanh → [batch, 3]`. */
export function mlp({ hidden = 6, dropout = 0, seed = 1 }: MlpOptions = {}): Graph {
  const next = seededRandom(seed);
  const g = new GraphBuilder();
  const { ops } = g;
  const weight = (name: string, shape: readonly number[]): Value => {
    const data = Array.from({ length: sizeOf(shape) }, () => (shape.length > 1 ? next() - 0.5 : 0));
    return g.parameter(name, tensor('float32', shape, data), { trainable: true });
  };
  let h = g.scope('first', () => {
    const x = g.input('x', 'float32', ['batch', DIMENSIONS]);
    return ops.tanh(
      ops.add(ops.matmul(x, weight('first.weight', [DIMENSIONS, hidden])), weight('first.bias', [hidden])),
    );
  });
  if (dropout > 0) h = g.scope('drop', () => ops.dropout(h, { rate: dropout }));
  const logits = ops.add(ops.matmul(h, weight('second.weight', [hidden, CLASSES])), weight('second.bias', [CLASSES]));
  g.output('logits', logits);
  return g.build({ name: 'mlp' });
}

export const mlpModel = (options?: MlpOptions): Model => ({
  graph: mlp(options),
  config: { model_type: 'mlp', max_position_embeddings: 64 },
  padding: {},
});

/** Accuracy and cross-entropy. */
export function evaluator(): Evaluator {
  let [rows, right, loss] = [0, 0, 0];
  return {
    update: (batch, { logits }) => {
      batch.forEach(({ label }, i) => {
        const scores = Array.from(logits!.data, Number).slice(i * CLASSES, (i + 1) * CLASSES);
        const total = scores.reduce((sum, score) => sum + Math.exp(score), 0);
        rows++;
        if (scores.indexOf(Math.max(...scores)) === label) right++;
        loss -= Math.log(Math.exp(scores[Number(label)]!) / total);
      });
    },
    result: (): Metrics => ({ accuracy: { value: right / rows }, loss: { value: loss / rows } }),
  };
}

/** Classification with a loss that padding rows have no part in. */
export const task: Task = {
  kind: 'classification',
  labels: ['a', 'b', 'c'],
  targets: { label: { dtype: 'int64', shape: [] } },
  encode: (sample) => ({ ...sample, features: { ...sample.features, label: Number(sample.row['label']) } }),
  traceTargets: ({ label }, { ops }) => ops.oneHot(label!, CLASSES),
  traceLoss: ({ logits }, targets, { ops, sampleWeights }) => {
    const each = ops.neg(ops.sum(ops.mul(targets, ops.logSoftmax(logits!)), { axes: [1] }));
    return ops.div(ops.sum(ops.mul(each, sampleWeights)), ops.sum(sampleWeights));
  },
  evaluator,
  monitor: { metric: 'loss', mode: 'min' },
};

export interface PointsOptions {
  train?: number | undefined;
  validation?: number | undefined;
  test?: number | undefined;
  seed?: number | undefined;
  file?: string | undefined;
}
const number = v.optional(v.number());

export function dataset({ train = 18, validation = 6, test = 6, seed = 1 }: PointsOptions = {}): Dataset {
  const sizes = Object.entries({ train, validation, test }).filter(([, count]) => count >= 0);
  const splits = Object.fromEntries(sizes.map(([name, count], i) => [name, points(count, 10 * seed + i)]));
  const report = { rowsIn: train + validation + test, dropped: {}, samples: [], splits: Object.fromEntries(sizes) };
  return { splits, report };
}

/** The data; a negative count leaves a split out. */
export const pointsPlugin: PluginFactory<PointsOptions> = definePlugin({
  name: 'points',
  options: v.strictObject({
    train: number,
    validation: number,
    test: number,
    seed: number,
    file: v.optional(v.string()),
  }),
  setup(api, options) {
    if (options.file !== undefined) api.dependsOn(options.file);
    api.hooks.data.resolveDataset.tap(() => dataset(options));
    api.hooks.data.transformSample.tap((sample) => ({ ...sample, features: { x: sample.row['x'] as number[] } }));
  },
});

export const taskPlugin: PluginFactory<object> = definePlugin({
  name: 'classes',
  options: v.strictObject({}),
  setup(api) {
    api.hooks.data.resolveTask.tap(() => task);
  },
});

export const mlpPlugin: PluginFactory<MlpOptions> = definePlugin({
  name: 'mlp',
  options: v.strictObject({ hidden: number, dropout: number, seed: number }),
  setup(api, options) {
    api.hooks.model.resolveModel.tap(() => mlpModel(options));
  },
});
