import { AnnealError } from '../errors/error.ts';
import type { StepProgress, TrainConfig } from './types.ts';

/** Decay after warm-up: the factor on the learning rate, from the share of the remaining steps that are done. */
const DECAYS: Readonly<Record<NonNullable<TrainConfig['lrScheduler']>, (progress: number) => number>> = {
  constant: () => 1,
  linear: (progress) => 1 - progress,
  cosine: (progress) => 0.5 * (1 + Math.cos(Math.PI * progress)),
};

/** The learning rate at a step: linear warm-up from 0, then the scheduler's decay to 0 at the last step. */
export function learningRate(config: TrainConfig): (progress: StepProgress) => number {
  const { learningRate: peak = 5e-4, lrScheduler = 'linear', warmupRatio = 0 } = config;
  const decay = DECAYS[lrScheduler];
  if (decay === undefined) {
    throw new AnnealError('ANNEAL_E_CONFIG', `unknown \`lrScheduler\` ${JSON.stringify(lrScheduler)}`, {
      fix: `use one of ${Object.keys(DECAYS).join(', ')}`,
    });
  }
  return ({ step, totalSteps }) => {
    const warmup = Math.ceil(warmupRatio * totalSteps);
    // Step 0 already learns: counting from 1 keeps the first update from being wasted.
    if (step < warmup) return (peak * (step + 1)) / warmup;
    return peak * decay(Math.min(1, (step - warmup) / Math.max(1, totalSteps - warmup)));
  };
}
