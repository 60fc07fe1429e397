import type { Metrics } from '../task.ts';
import type { TrainPoint } from '../train/types.ts';
import type { LogEntry } from './logger.ts';

/** A phase of a stage, in the order in which they run. */
export type PhaseName = 'data' | 'model' | 'train' | 'compress' | 'evaluate' | 'emit';

/** What a run tells, in order. The CLI draws it; `--json` prints it line by line. */
export type RunEvent =
  | { readonly type: 'log'; readonly entry: LogEntry }
  | { readonly type: 'phase-start'; readonly stage: string; readonly phase: PhaseName }
  | {
      readonly type: 'phase-end';
      readonly stage: string;
      readonly phase: PhaseName;
      readonly seconds: number;
      readonly cached: boolean;
    }
  | {
      readonly type: 'progress';
      readonly id: number;
      readonly label: string;
      readonly done: number;
      readonly total: number | undefined;
      readonly note: string | undefined;
      readonly finished: boolean;
    }
  | { readonly type: 'step'; readonly stage: string; readonly point: TrainPoint }
  | { readonly type: 'metrics'; readonly stage: string; readonly split: string; readonly metrics: Metrics };
