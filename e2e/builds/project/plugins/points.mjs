import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { definePlugin } from '@anneal/core';

import { anyOptions } from '../lib/options.mjs';

export const CLASSES = 3;

const task = {
  kind: 'classification',
  targets: { label: { dtype: 'int64', shape: [] } },
  encode: (sample) => ({ ...sample, features: { ...sample.features, label: sample.row.label } }),
  traceTargets: ({ label }, { ops }) => ops.oneHot(label, CLASSES),
  traceLoss: ({ logits }, targets, { ops, sampleWeights }) => {
    const each = ops.neg(ops.sum(ops.mul(targets, ops.logSoftmax(logits)), { axes: [1] }));
    return ops.div(ops.sum(ops.mul(each, sampleWeights)), ops.sum(sampleWeights));
  },
  evaluator: () => {
    let [right, count] = [0, 0];
    return {
      update: (batch, { logits }) => {
        batch.forEach(({ label }, i) => {
          const scores = logits.data.subarray(i * CLASSES, (i + 1) * CLASSES);
          if (scores.indexOf(Math.max(...scores)) === label) right++;
          count++;
        });
      },
      result: () => ({ accuracy: { value: right / count } }),
    };
  },
  monitor: { metric: 'accuracy', mode: 'max' },
};

/** Rows of a JSON file, `{ train: [{ x, label }], validation, test }`, and what is to be learned from them. */
export const points = definePlugin({
  name: 'points',
  options: anyOptions,
  setup(api, { file }) {
    const path = join(api.root, file);
    api.dependsOn(path);
    api.hooks.data.resolveDataset.tap(() => {
      const splits = JSON.parse(readFileSync(path, 'utf8'));
      return { splits, report: { rowsIn: splits.train.length, dropped: {}, samples: [], splits: {} } };
    });
    api.hooks.data.transformSample.tap((sample) => ({ ...sample, features: { x: sample.row.x } }));
    api.hooks.data.resolveTask.tap(() => task);
  },
});
