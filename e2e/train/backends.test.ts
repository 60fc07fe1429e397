import { onnxBackend } from '@anneal/backend-onnx';
import { tfjsBackend } from '@anneal/backend-tfjs';
import type { Row, Task } from '@anneal/core';
import { type Backend, withParameters } from '@anneal/graph';
import { ARCHITECTURES, createModel, initialWeights, type TransformerShape } from '@anneal/plugin-transformer';
import { seededRandom } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';

import { SKIPPED } from '../webgpu/skip.ts';
import { type Trained, trainTiny } from '../../packages/core/test/tiny/engine.ts';

/** One encoder, 50 steps, the same seed: the loss does not depend on what computes it. */
const [STEPS, BATCH, LENGTH, VOCABULARY] = [50, 8, 12, 40];

const SHAPE: TransformerShape = {
  vocabSize: VOCABULARY,
  hiddenSize: 32,
  numHiddenLayers: 1,
  numAttentionHeads: 4,
  intermediateSize: 64,
  maxPositionEmbeddings: LENGTH,
  typeVocabSize: 2,
  hiddenAct: 'gelu',
  hiddenDropoutProb: 0.1,
  attentionProbsDropoutProb: 0.1,
  classifierDropout: 0.1,
  layerNormEps: 1e-12,
  initializerRange: 0.1,
  padTokenId: 0,
};

/** Sentences of different lengths whose class is whether a word occurs in them. */
function sentences(): Row[] {
  const next = seededRandom(3);
  return Array.from({ length: (STEPS * BATCH) / 2 }, (_, i) => {
    const length = LENGTH / 2 + Math.floor((next() * LENGTH) / 2);
    const words = Array.from({ length }, () => 2 + Math.floor(next() * (VOCABULARY - 2)));
    if (i % 2 === 0) words[Math.floor(next() * length)] = 1;
    return { words, label: Number(words.includes(1)) };
  });
}

const unused = (): never => {
  throw new Error('not used here');
};

const task: Task = {
  kind: 'classification',
  targets: { label: { dtype: 'int64', shape: [] } },
  encode: (sample) => sample,
  evaluator: unused,
  monitor: { metric: 'loss', mode: 'min' },
  traceTargets: ({ label }, { ops }) => ops.oneHot(label!, 2),
  traceLoss: ({ logits }, targets, { ops }) =>
    ops.neg(ops.mean(ops.sum(ops.mul(targets, ops.logSoftmax(logits!)), { axes: [-1] }))),
};

function train(backend: Backend): Promise<Trained> {
  const architecture = ARCHITECTURES.bert;
  const weights = initialWeights(SHAPE, 1, architecture.embeddings.word);
  const model = createModel({ architecture, shape: SHAPE, pooling: 'mean', labels: ['without', 'with'] }, weights);
  return trainTiny({
    rows: sentences(),
    model: { ...model, graph: withParameters(model.graph, () => ({ trainable: true })) },
    task,
    encode: ({ words, label }) => {
      const ids = words as readonly number[];
      return {
        input_ids: ids,
        attention_mask: ids.map(() => 1),
        token_type_ids: ids.map(() => 0),
        label: label as number,
      };
    },
    maxLength: LENGTH,
    config: { epochs: 2, batchSize: BATCH, learningRate: 3e-3, lrScheduler: 'constant', lengthBuckets: [LENGTH] },
    backend,
  });
}

const BACKENDS: readonly (readonly [name: string, open: () => Promise<Backend>])[] = [
  ['tfjs-cpu', () => tfjsBackend({ device: 'cpu' })],
  ['tfjs-wasm', () => tfjsBackend({ device: 'wasm' })],
  ...(SKIPPED === undefined
    ? ([
        ['onnx-webgpu', () => onnxBackend({ device: 'webgpu' })],
        ['tfjs-webgpu', () => tfjsBackend({ device: 'webgpu' })],
      ] as const)
    : []),
];

let reference: Promise<Trained> | undefined;

async function curveOf(open: () => Promise<Backend>): Promise<Trained> {
  const backend = await open();
  try {
    return await train(backend);
  } finally {
    await backend.close();
  }
}

describe.each(BACKENDS)('%s', (_name, open) => {
  it('trains as ONNX Runtime does', async () => {
    const expected = await (reference ??= curveOf(() => onnxBackend({ threads: 2 })));
    const { report } = await curveOf(open);
    expect(report.steps).toBe(STEPS);
    const [first, last] = [report.curve[0]!.loss, report.curve.at(-1)!.loss];
    expect(last).toBeLessThan(0.7 * first);
    report.curve.forEach(({ loss }, i) => expect(Math.abs(loss - expected.report.curve[i]!.loss)).toBeLessThan(1e-3));
  });
});
