import type { Model } from '../model.ts';
import type { Metrics, Task } from '../task.ts';
import type { Int8Report } from './int8.ts';
import type { MemoryReport } from './memory.ts';
import { newPlateau, notePlateau, type PlateauState } from './plateau.ts';
import { schedulerOf } from './schedules.ts';
import type { TrainConfig, TrainPoint, TrainReport } from './types.ts';

/** What changes while training: the part of a run that a checkpoint holds besides the tensors. Plain JSON. */
export interface Progress {
  step: number;
  epoch: number;
  /** Steps of the epoch that are done. */
  stepOfEpoch: number;
  tokens: number;
  seconds: number;
  skipped: number;
  /** Skipped steps in a row. */
  failures: number;
  evaluationsWithoutGain: number;
  best: { step: number; value: number } | undefined;
  /** Of the schedule `plateau`, after its first evaluation. */
  plateau: PlateauState | undefined;
  curve: TrainPoint[];
  validation: { step: number; metrics: Record<string, number> }[];
  stoppedEarly: boolean;
  /** The last evaluation is done as well. */
  finished: boolean;
}

export function newProgress(): Progress {
  return {
    step: 0,
    epoch: 0,
    stepOfEpoch: 0,
    tokens: 0,
    seconds: 0,
    skipped: 0,
    failures: 0,
    evaluationsWithoutGain: 0,
    best: undefined,
    plateau: undefined,
    curve: [],
    validation: [],
    stoppedEarly: false,
    finished: false,
  };
}

/**
 * Takes note of an evaluation. Returns whether it is the best so far. A metric that is not finite never is: nothing would
 * be better than it afterwards.
 */
export function noteEvaluation(
  progress: Progress,
  metrics: Metrics,
  value: number,
  mode: Task['monitor']['mode'],
  config: TrainConfig,
): boolean {
  const { earlyStopping, learningRate = 5e-4 } = config;
  const { step, best } = progress;
  const named = Object.entries(metrics).map(([name, metric]) => [name, metric.value] as const);
  progress.validation.push({ step, metrics: Object.fromEntries(named) });
  const gain = best === undefined ? Number.POSITIVE_INFINITY : (value - best.value) * (mode === 'max' ? 1 : -1);
  const better = Number.isFinite(value) && gain > (earlyStopping?.minDelta ?? 0);
  if (better) progress.best = { step, value };
  progress.evaluationsWithoutGain = better ? 0 : progress.evaluationsWithoutGain + 1;
  const scheduler = schedulerOf(config);
  if (scheduler.name === 'plateau') {
    progress.plateau = notePlateau(progress.plateau ?? newPlateau(learningRate), value, mode, scheduler);
  }
  progress.stoppedEarly = earlyStopping !== undefined && progress.evaluationsWithoutGain >= earlyStopping.patience;
  return better;
}

export interface ReportFacts {
  readonly stage: string;
  readonly model: Model;
  readonly trainable: ReadonlySet<string>;
  readonly metric: string;
  readonly compileSeconds: number;
  readonly memory: MemoryReport;
  readonly int8: Int8Report | undefined;
}

export function trainReport(progress: Progress, facts: ReportFacts): TrainReport {
  const { stage, model, trainable, metric, compileSeconds, memory, int8 } = facts;
  let totalParameters = 0;
  let trainableParameters = 0;
  for (const [name, { data }] of model.graph.parameters) {
    const size = data.shape.reduce((a, b) => a * b, 1);
    totalParameters += size;
    if (trainable.has(name)) trainableParameters += size;
  }
  const { step, epoch, tokens, seconds, skipped, stoppedEarly, curve, validation, best } = progress;
  return {
    stage,
    steps: step,
    epochs: epoch,
    trainableParameters,
    totalParameters,
    tokens,
    tokensPerSecond: seconds === 0 ? 0 : tokens / seconds,
    seconds,
    compileSeconds,
    skippedSteps: skipped,
    stoppedEarly,
    memory,
    ...(int8 && { int8 }),
    curve,
    validation,
    best: best && { step: best.step, metric, value: best.value },
  };
}
