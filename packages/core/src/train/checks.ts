import { repeatedBlocks } from '@anneal/graph';

import { type FeatureSpec, lengthOf } from '../data/batches.ts';
import type { Sample } from '../data/types.ts';
import { AnnealError } from '../errors/error.ts';
import type { TrainContext } from '../hooks/types.ts';
import type { Model } from '../model.ts';
import { schedulerOf } from './schedules.ts';

/**
 * Compares the training options with the data and the model: warns of those that have no effect.
 *
 * @throws AnnealError `ANNEAL_E_CONFIG` for those that cannot be followed.
 */
export function checkOptions(
  { config, stage, model, logger }: TrainContext,
  data: {
    readonly specs: readonly FeatureSpec[];
    readonly samples: readonly Sample[];
    readonly validation: readonly Sample[];
  },
): void {
  const impossible = (option: string, message: string, fix: string): AnnealError =>
    new AnnealError('ANNEAL_E_CONFIG', message, { path: ['stages', stage, 'train', option], fix });
  const noValidation = data.validation.length === 0;
  if (noValidation && schedulerOf(config).name === 'plateau') {
    throw impossible(
      'lrScheduler',
      'the schedule `plateau` looks at evaluations, and the dataset has no split "validation"',
      'let the data plugin make one, or use another schedule',
    );
  }
  const hasNoLength = (sample: Sample): boolean => lengthOf(sample, data.specs) === undefined;
  if (config.maxTokensPerBatch !== undefined && data.samples.some(hasNoLength)) {
    throw impossible(
      'maxTokensPerBatch',
      '`maxTokensPerBatch` counts padded positions, and the features have no sequence axis',
      'use `batchSize`',
    );
  }
  const reasons: readonly (readonly [option: string, isIdle: boolean, reason: string])[] = [
    ['earlyStopping', config.earlyStopping !== undefined && noValidation, 'the dataset has no split "validation"'],
    ['evalSteps', config.evalSteps !== undefined && noValidation, 'the dataset has no split "validation"'],
    [
      'gradientCheckpointing',
      config.gradientCheckpointing === true && !hasBlocks(model),
      'the module paths of the model have no repeated block such as "layers.0", "layers.1"',
    ],
  ];
  for (const [option, isIdle, reason] of reasons) {
    if (isIdle) logger.warn(`\`${option}\` of stage ${stage} has no effect: ${reason}`);
  }
}

function hasBlocks({ graph }: Model): boolean {
  const scopes = graph.nodes.map(({ scope }) => scope);
  const blockOf = repeatedBlocks(scopes);
  return scopes.some((scope) => blockOf(scope) !== undefined);
}
