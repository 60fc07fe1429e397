import { type Backend, loadTensor, type TensorData } from '@anneal/graph';

import { collate } from '../data/batches.ts';
import type { Sample } from '../data/types.ts';
import type { TrainContext } from '../hooks/types.ts';
import type { Model } from '../model.ts';
import { parameterOf } from './gradient-graph.ts';
import { type Int8Report, int8Model } from './int8.ts';
import { feedsOf } from './programs.ts';
import { stateName, type StepSource } from './step-graph.ts';
import { type PlannedData, StepPlans } from './step-plan.ts';

/** A model as it is trained, and what that costs. */
export interface Rounded {
  readonly model: Model;
  readonly report: Int8Report;
}

export interface RoundRequest extends PlannedData {
  readonly ctx: TrainContext;
}

/** The model with frozen layers in int8, as far as that is accurate enough for the first row of the first step. */
export async function roundFrozen(
  request: RoundRequest,
  source: StepSource,
  backend: Backend,
): Promise<Rounded | undefined> {
  const { ctx, samples, specs } = request;
  const batch = new StepPlans(request).epoch(0)[0]?.[0];
  const parameters: Record<string, TensorData> = {};
  for (const name of source.trainable) {
    parameters[stateName.parameter(name)] = await loadTensor(parameterOf(source.model, name));
  }
  const found = await int8Model(source, {
    shape: { size: 1, length: batch?.length },
    tolerance: ctx.config.int8Tolerance,
    probe: async (program, shape) => {
      const compiled = await backend.compile(program.graph, { purpose: 'training', label: program.graph.name });
      const row = collate([samples[batch?.indices[0] ?? 0] as Sample], specs, shape);
      const progress = { step: 0, totalSteps: 1, epoch: 0 };
      try {
        return await compiled.run({ ...parameters, ...feedsOf(program, row, ctx.stage, progress, ctx.seed, 0) });
      } finally {
        await compiled.dispose();
      }
    },
  });
  if (found === undefined) {
    ctx.logger.warn(`\`precision\` of stage ${ctx.stage} has no effect: the model has no frozen linear layer`);
    return undefined;
  }
  ctx.logger.info(inWords(found.report));
  return found;
}

function inWords({ layers, rowwise, largestError, kept }: Int8Report): string {
  const percent = (error: number): string => `${(100 * error).toFixed(1)} %`;
  const names = kept.map(({ path, error }) => `${path} (${percent(error)})`);
  const rest = names.length > 0 ? `; too inaccurate: ${names.join(', ')}` : '';
  const apart = rowwise > 0 ? ` (${rowwise} with tokens apart)` : '';
  return `${layers} frozen layers in int8${apart}, errors up to ${percent(largestError)}${rest}`;
}
