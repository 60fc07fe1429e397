import type { Metric, TrainPoint } from '@anneal/core';

import type { Settings } from './defaults.ts';
import type { Mail, Mails } from './mails.ts';

/** What the page asks of its worker. */
export type Order =
  | { readonly type: 'open'; readonly mails: Mails }
  | { readonly type: 'train'; readonly train: readonly Mail[]; readonly settings: Settings }
  | { readonly type: 'stop' }
  | { readonly type: 'predict'; readonly id: number; readonly text: string };

/** On the test mails. */
export interface Quality {
  readonly accuracy: Metric;
  readonly logLoss: Metric;
}

/** What the worker tells. */
export type News =
  | { readonly type: 'ready'; readonly before: Quality; readonly runtime: string }
  | { readonly type: 'started'; readonly steps: number }
  | { readonly type: 'step'; readonly point: TrainPoint }
  | {
      readonly type: 'trained';
      readonly before: Quality;
      readonly after: Quality;
      readonly seconds: number;
      /** The adapter as PEFT has it, by file name. */
      readonly files: Readonly<Record<string, Uint8Array>>;
    }
  | { readonly type: 'stopped' }
  | { readonly type: 'predicted'; readonly id: number; readonly probabilities: Readonly<Record<string, number>> }
  | { readonly type: 'failed'; readonly message: string };
