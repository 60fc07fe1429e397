import { AnnealError } from '../errors/error.ts';
import type { PlateauOptions } from './plateau.ts';
import type { LrScheduler, StepProgress, TrainConfig } from './types.ts';

/** The factor on the learning rate at a step. */
type Curve = (progress: StepProgress, warmupRatio: number) => number;

/** Linear warm-up from 0, then `decay` over the share of the remaining steps that are done. */
function warmed(decay: (progress: number) => number): Curve {
  return ({ step, totalSteps }, warmupRatio) => {
    const warmup = Math.ceil(warmupRatio * totalSteps);
    // Step 0 already learns: counting from 1 keeps the first update from being wasted.
    if (step < warmup) return (step + 1) / warmup;
    return decay(Math.min(1, (step - warmup) / Math.max(1, totalSteps - warmup)));
  };
}

/** From `start` to `end` along half a cosine. */
function halfCosine(start: number, end: number, progress: number): number {
  return end + ((start - end) / 2) * (1 + Math.cos(Math.PI * progress));
}

/** The share of the steps in which `wsd` cools down. */
const COOLDOWN = 0.2;
/** PyTorch's OneCycleLR: where it starts, where it ends, and the part of the steps in which it rises. */
const ONE_CYCLE = { start: 1 / 25, end: 1 / 25e4, rise: 0.3 } as const;

const CURVES: Readonly<Record<LrScheduler, Curve>> = {
  constant: warmed(() => 1),
  linear: warmed((progress) => 1 - progress),
  cosine: warmed((progress) => halfCosine(1, 0, progress)),
  /** Warm-up, stable, decay, the last by `1 - sqrt` over a fifth of the steps (Hägele et al., 2024). */
  wsd: warmed((progress) => 1 - Math.sqrt(Math.max(0, progress - (1 - COOLDOWN)) / COOLDOWN)),
  /** Smith & Topin, 2018, as PyTorch has it: up and down again by half cosines. */
  'one-cycle': ({ step, totalSteps }, warmupRatio) => {
    const { start, end, rise } = ONE_CYCLE;
    const last = totalSteps - 1;
    const top = Math.max(0, (warmupRatio > 0 ? warmupRatio : rise) * totalSteps - 1);
    if (step <= top) return top === 0 ? 1 : halfCosine(start, 1, step / top);
    return halfCosine(1, end, Math.min(1, (step - top) / Math.max(last - top, 1e-9)));
  },
  /** What evaluations reduce is the peak. */
  plateau: warmed(() => 1),
};

/** The schedule by name, with its options where it has any. */
export function schedulerOf({ lrScheduler = 'linear' }: TrainConfig): { name: LrScheduler } & PlateauOptions {
  return typeof lrScheduler === 'string' ? { name: lrScheduler } : lrScheduler;
}

/** The learning rate at a step; `peak` stands for `config.learningRate` once that has been reduced. */
export function learningRate(config: TrainConfig): (progress: StepProgress, peak?: number) => number {
  const { learningRate: initial = 5e-4, warmupRatio = 0 } = config;
  const { name } = schedulerOf(config);
  if (!Object.hasOwn(CURVES, name)) {
    throw new AnnealError('ANNEAL_E_CONFIG', `unknown \`lrScheduler\` ${JSON.stringify(name)}`, {
      path: ['train', 'lrScheduler'],
      fix: `use one of ${Object.keys(CURVES).join(', ')}`,
    });
  }
  const curve = CURVES[name];
  return (progress, peak = initial) => peak * curve(progress, warmupRatio);
}
