import type { Task } from '../task.ts';
import type { PlateauConfig } from './types.ts';

export type PlateauOptions = Omit<PlateauConfig, 'name'>;

/** Where a plateau schedule stands; part of a checkpoint. */
export interface PlateauState {
  readonly rate: number;
  /** `undefined` before the first evaluation that is a number. */
  readonly best: number | undefined;
  /** Evaluations in a row without improvement. */
  readonly bad: number;
  /** Evaluations that are left before bad ones count again. */
  readonly cooldown: number;
}

/** Reductions that are smaller than this are not made. */
const SMALLEST = 1e-8;

export function newPlateau(learningRate: number): PlateauState {
  return { rate: learningRate, best: undefined, bad: 0, cooldown: 0 };
}

/** The state after an evaluation, as PyTorch's `ReduceLROnPlateau.step` has it. */
export function notePlateau(
  state: PlateauState,
  value: number,
  mode: Task['monitor']['mode'],
  options: PlateauOptions,
): PlateauState {
  const { factor = 0.1, patience = 10, cooldown = 0, minLr = 0 } = options;
  const better = isBetter(value, state.best, mode, options);
  const cooling = state.cooldown > 0;
  const next = {
    rate: state.rate,
    best: better ? value : state.best,
    bad: better || cooling ? 0 : state.bad + 1,
    cooldown: cooling ? state.cooldown - 1 : 0,
  };
  if (next.bad <= patience) return next;
  const rate = Math.max(state.rate * factor, minLr);
  return { ...next, rate: state.rate - rate > SMALLEST ? rate : state.rate, bad: 0, cooldown };
}

function isBetter(
  value: number,
  best: number | undefined,
  mode: Task['monitor']['mode'],
  { threshold = 1e-4, thresholdMode = 'rel' }: PlateauOptions,
): boolean {
  if (best === undefined) return Number.isFinite(value);
  const sign = mode === 'max' ? 1 : -1;
  const wanted = thresholdMode === 'rel' ? best * (1 + sign * threshold) : best + sign * threshold;
  return sign * (value - wanted) > 0;
}
