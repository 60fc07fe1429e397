// A small build in a process of its own, on the built packages and ONNX Runtime, told what to do by a JSON argument:
// `{ root, hidden, epochs, saveSteps, cacheDir }`. Prints one JSON line per event.
import { openBackend } from '@anneal/backend-onnx';
import { createPipeline, definePlugin, STAGE } from '@anneal/core';
import { GraphBuilder, tensor, withParameters } from '@anneal/graph';

const { root, hidden = 32, epochs = 20, saveSteps = 20, cacheDir } = JSON.parse(process.argv[2]);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const DIMENSIONS = 8;
const CLASSES = 3;
const value = (i, seed) => Math.sin(12.9898 * i + 78.233 * seed) * 0.5;
const rows = (count, seed) =>
  Array.from({ length: count }, (_, i) => {
    const x = Array.from(
      { length: DIMENSIONS },
      (__, d) => (d === i % CLASSES ? 1 : 0) + value(i * DIMENSIONS + d, seed),
    );
    return { x, label: i % CLASSES };
  });

function model() {
  const g = new GraphBuilder();
  const { ops } = g;
  const weight = (name, shape, seed) => {
    const data = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => value(i, seed));
    return g.parameter(name, tensor('float32', shape, data), { trainable: true });
  };
  let h = ops.matmul(g.input('x', 'float32', ['batch', DIMENSIONS]), weight('first.weight', [DIMENSIONS, hidden], 1));
  h = ops.dropout(ops.tanh(ops.add(h, weight('first.bias', [hidden], 2))), { rate: 0.25 });
  h = ops.tanh(ops.matmul(h, weight('second.weight', [hidden, hidden], 3)));
  g.output('logits', ops.matmul(h, weight('third.weight', [hidden, CLASSES], 4)));
  return { graph: g.build(), config: { model_type: 'mlp' }, padding: {} };
}

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

const job = definePlugin({
  name: 'job',
  options: { '~standard': { version: 1, vendor: 'job', validate: (options) => ({ value: options }) } },
  setup({ hooks: { data, model: models, compress } }) {
    data.resolveDataset.tap(() => {
      const splits = { train: rows(300, 1), validation: rows(60, 2), test: rows(60, 3) };
      return { splits, report: { rowsIn: 420, dropped: {}, samples: [], splits: {} } };
    });
    data.transformSample.tap((sample) => ({ ...sample, features: { x: sample.row.x } }));
    data.resolveTask.tap(() => task);
    models.resolveModel.tap(model);
    compress.transformModel.tap(
      (trained) => ({
        ...trained,
        variant: 'rounded',
        graph: withParameters(trained.graph, (_, { data: { dtype, shape, data: values } }) =>
          values === undefined
            ? undefined
            : { data: { dtype, shape, data: values.map((x) => Math.round(x * 64) / 64) } },
        ),
      }),
      { stage: STAGE.QUANTIZE },
    );
  },
});

try {
  const pipeline = await createPipeline(
    {
      plugins: [job()],
      train: { epochs, batchSize: 16, saveSteps, learningRate: 0.003 },
      evaluate: { latencyRuns: 5 },
      backend: openBackend,
      threads: 1,
      ...(cacheDir && { cacheDir }),
    },
    { root },
  );
  await pipeline.run({
    onEvent: (event) => {
      if (event.type === 'step') say({ step: event.point.step });
      if (event.type === 'log') say({ log: event.entry.message, level: event.entry.level });
      if (event.type === 'phase-end') say({ phase: event.phase, cached: event.cached });
    },
  });
  await pipeline.close();
  say({ done: true });
} catch (error) {
  say({ error: error.code ?? String(error), message: error.message });
  process.exitCode = 1;
}
