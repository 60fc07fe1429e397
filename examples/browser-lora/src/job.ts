import { openStage, type RunEvent, type Stage } from '@anneal/core';
import { labelSmoothing } from '@anneal/plugin-label-smoothing';
import { lora } from '@anneal/plugin-lora';
import { onnxModel } from '@anneal/plugin-onnx-model';
import { textClassification } from '@anneal/plugin-text-classification';
import { tokenizer } from '@anneal/plugin-tokenizer';
import type { Backend } from '@anneal/graph';

import type { Settings } from './defaults.ts';
import type { Mails } from './mails.ts';

export interface Job {
  readonly backend: Backend;
  /** Where the folder `model` is: a URL in a page, a folder in Node. */
  readonly root: string;
  readonly mails: Mails;
  readonly settings: Settings;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: ((event: RunEvent) => void) | undefined;
}

/**
 * The training job, the same in a page and in Node: the base knows two classes, its last layer starts anew with three,
 * low-rank adapters change the others.
 */
export function openJob({ mails, settings, ...options }: Job): Promise<Stage> {
  return openStage({
    ...options,
    seed: 7,
    plugins: [
      tokenizer({ from: 'model' }),
      onnxModel({ from: 'model' }),
      textClassification({ baseline: false }),
      labelSmoothing({ epsilon: 0.05 }),
      lora({ r: settings.r, loraAlpha: 16, targetModules: ['query', 'key', 'value', 'dense', 'word_embeddings'] }),
    ],
    dataset: {
      splits: { train: mails.train, test: mails.test },
      report: { rowsIn: mails.train.length + mails.test.length, dropped: {}, samples: [], splits: {} },
    },
    train: {
      epochs: settings.epochs,
      batchSize: 16,
      learningRate: 3e-3,
      lrScheduler: 'cosine',
      warmupRatio: 0.1,
    },
  });
}
