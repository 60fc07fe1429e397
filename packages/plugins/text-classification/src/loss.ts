import { AnnealError, type StepContext } from '@anneal/core';
import { tensor, type Value } from '@anneal/graph';

/** `labels` `[batch]` as one-hot rows, float32 `[batch, classes]`. */
export function oneHotTargets(features: Readonly<Record<string, Value>>, classes: number, step: StepContext): Value {
  const labels = features['labels'];
  if (labels === undefined) {
    throw new AnnealError('ANNEAL_E_DATA', 'the batch has no `labels`, so there is nothing to train towards', {
      fix: 'every training row needs a class',
    });
  }
  return step.ops.oneHot(labels, classes);
}

/**
 * Cross-entropy with softmax: the mean over rows of `-Σ y·ln p`, rows weighted by `step.sampleWeights` and, where
 * there are class weights `w`, by `Σ w·y`. For one-hot targets this is what PyTorch's `CrossEntropyLoss(weight=w)` is.
 */
export function crossEntropy(
  outputs: Readonly<Record<string, Value>>,
  targets: Value,
  classWeights: readonly number[] | undefined,
  step: StepContext,
): Value {
  const { ops, sampleWeights } = step;
  const logits = outputs['logits'];
  if (logits === undefined) {
    throw new AnnealError(
      'ANNEAL_E_MODEL',
      `the model has no output \`logits\`, received ${Object.keys(outputs).join(', ') || 'none'}`,
    );
  }
  if (logits.shape.join() !== targets.shape.join()) {
    throw new AnnealError(
      'ANNEAL_E_SHAPE',
      `\`logits\` and targets differ in shape, received [${logits.shape}] and [${targets.shape}]`,
      { fix: 'the model must have one output per class' },
    );
  }
  const weighted = weightedTargets(targets, classWeights, step);
  const perRow = ops.neg(ops.sum(ops.mul(weighted, ops.logSoftmax(logits)), { axes: [-1] }));
  return ops.div(ops.sum(ops.mul(perRow, sampleWeights)), totalWeight(targets, classWeights, step));
}

/** What {@link crossEntropy} divides by: the weights of the rows, times those of their classes. */
export function totalWeight(targets: Value, classWeights: readonly number[] | undefined, step: StepContext): Value {
  const { ops, sampleWeights } = step;
  if (classWeights === undefined) return ops.sum(sampleWeights);
  const ofClasses = ops.sum(weightedTargets(targets, classWeights, step), { axes: [-1] });
  return ops.sum(ops.mul(sampleWeights, ofClasses));
}

function weightedTargets(targets: Value, classWeights: readonly number[] | undefined, { ops }: StepContext): Value {
  if (classWeights === undefined) return targets;
  return ops.mul(targets, ops.constant(tensor('float32', [classWeights.length], classWeights)));
}
