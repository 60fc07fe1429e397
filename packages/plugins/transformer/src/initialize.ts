import { random } from '@anneal/core';
import { sizeOf, tensor } from '@anneal/graph';

import type { WeightSource } from './layers/context.ts';

/** What initial weights depend on. */
export interface InitialShape {
  /** Standard deviation. */
  readonly initializerRange: number;
  /** Width of the model. */
  readonly hiddenSize: number;
  /** Without one, all vectors are alike. */
  readonly padTokenId?: number | undefined;
}

/**
 * Weights to train from: normal with standard deviation `initializerRange`, biases 0, normalisations 1 and 0, the vector
 * of the padding token 0. Every tensor has a stream of its own, so that one more layer leaves the others as they are.
 *
 * @param wordEmbeddings Module path of the table that has a vector for the padding token.
 */
export function initialWeights(
  { initializerRange, padTokenId, hiddenSize }: InitialShape,
  seed: number,
  wordEmbeddings: string,
): WeightSource {
  return ({ name, shape, init }) => {
    const size = sizeOf(shape);
    if (init !== 'normal') return tensor('float32', shape, new Float32Array(size).fill(init === 'ones' ? 1 : 0));
    const data = random(seed, 'init', name).normal(size, { std: initializerRange });
    if (padTokenId !== undefined && name === `${wordEmbeddings}.weight`) {
      data.fill(0, padTokenId * hiddenSize, (padTokenId + 1) * hiddenSize);
    }
    return tensor('float32', shape, data);
  };
}
