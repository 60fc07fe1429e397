import { AnnealError, type Task } from '@anneal/core';
import { crossEntropy, labelScores, type Value } from '@anneal/graph';

import { createEvaluator } from './evaluator.ts';
import type { ResolvedOptions } from './options.ts';
import { encodeDocument, IGNORED, packSamples } from './samples.ts';
import type { Vocabulary } from './vocabulary.ts';

/** Predicts the next token. */
export function createTask(options: ResolvedOptions, { eos, bytes }: Vocabulary, seed: number): Task {
  const { packing, blockSize, completionOnlyLoss: completionOnly, bootstrapSamples: samples } = options;
  return {
    kind: 'language-modeling',
    targets: { labels: { dtype: 'int64', shape: ['sequence'], pad: IGNORED } },
    encode: (sample) => encodeDocument(sample, { eos, completionOnly }),
    pack: (all, maxLength) => packSamples(all, { packing, blockSize, maxLength }),
    traceTargets: (features) => labelsOf(features),
    traceLoss: (outputs, targets, { ops }) => crossEntropy(ops, logitsOf(outputs), targets, { ignoreIndex: IGNORED }),
    traceWeight: (features, { ops }) =>
      ops.sum(ops.cast(ops.logicalNot(ops.equal(labelsOf(features), IGNORED)), 'float32')),
    // Logits over a vocabulary are a thousand times as large as what is measured of them.
    traceEvaluation: (outputs, { ops, features }) => {
      const labels = labelsOf(features);
      return { ...labelScores(ops, logitsOf(outputs), labels, { ignoreIndex: IGNORED }), labels };
    },
    evaluator: () => createEvaluator({ bytes, samples, seed }),
    monitor: { metric: 'loss', mode: 'min' },
  };
}

function logitsOf(outputs: Readonly<Record<string, Value>>): Value {
  const { logits } = outputs;
  if (logits?.rank === 3) return logits;
  const received =
    logits === undefined ? Object.keys(outputs).join(', ') || 'none' : `\`logits\` of [${logits.shape.join(', ')}]`;
  throw new AnnealError(
    'ANNEAL_E_MODEL',
    `the model must have an output \`logits\` [batch, sequence, vocabulary], received ${received}`,
    { plugin: 'language-modeling', fix: "use a language model, e.g. transformer({ architecture: 'llama' })" },
  );
}

function labelsOf(features: Readonly<Record<string, Value>>): Value {
  const { labels } = features;
  if (labels !== undefined) return labels;
  throw new AnnealError('ANNEAL_E_DATA', 'the batch has no `labels`, so there is nothing to train towards', {
    plugin: 'language-modeling',
  });
}
