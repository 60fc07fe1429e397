import type { Model, Task } from '@anneal/core';
import { ARCHITECTURES, createModel, initialWeights, type TransformerShape } from '@anneal/plugin-transformer';

export interface EncoderSize {
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  readonly vocab: number;
  readonly seq: number;
}

/** A BERT classifier without dropout: what is timed is the graph, not the drawing of masks. */
export function encoderModel({ hidden, layers, heads, vocab, seq }: EncoderSize): Model {
  const architecture = ARCHITECTURES.bert;
  const shape: TransformerShape = {
    vocabSize: vocab,
    hiddenSize: hidden,
    numHiddenLayers: layers,
    numAttentionHeads: heads,
    intermediateSize: 4 * hidden,
    maxPositionEmbeddings: seq,
    typeVocabSize: 2,
    hiddenAct: 'gelu',
    hiddenDropoutProb: 0,
    attentionProbsDropoutProb: 0,
    classifierDropout: 0,
    layerNormEps: 1e-12,
    initializerRange: 0.02,
    padTokenId: 0,
  };
  const weights = initialWeights(shape, 1, architecture.embeddings.word);
  return createModel({ architecture, shape, pooling: 'cls', labels: ['a', 'b'] }, weights);
}

/** Cross-entropy over `classes`. */
export function encoderTask(classes: number): Task {
  const fail = (): never => {
    throw new Error('not used here');
  };
  return {
    kind: 'classification',
    targets: { labels: { dtype: 'int64', shape: [] } },
    encode: fail,
    evaluator: fail,
    monitor: { metric: 'loss', mode: 'min' },
    traceTargets: ({ labels }, { ops }) => ops.oneHot(labels as NonNullable<typeof labels>, classes),
    traceLoss: ({ logits }, targets, { ops }) =>
      ops.neg(
        ops.mean(ops.sum(ops.mul(targets, ops.logSoftmax(logits as NonNullable<typeof logits>)), { axes: [-1] })),
      ),
  };
}
