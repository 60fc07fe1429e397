import type { Model, Task } from '@anneal/core';
import type { TensorSource, TensorSpec } from '@anneal/graph';

import { featureSpecs } from '../../packages/core/src/data/batches.ts';
import { HookRegistry } from '../../packages/core/src/hooks/create.ts';
import { parameterOf } from '../../packages/core/src/train/gradient-graph.ts';
import { builtinOptimizer } from '../../packages/core/src/train/optimizers.ts';
import { stateName, stateShapes, type StepSource } from '../../packages/core/src/train/step-graph.ts';

/** Training with AdamW of what the model says is trainable, without plugins. */
export function adamwSource(model: Model, task: Task, more: Partial<StepSource> = {}): StepSource {
  const optimizer = builtinOptimizer('adamw');
  if (!optimizer) throw new Error('adamw is built in');
  const trainable = [...model.graph.parameters].filter(([, parameter]) => parameter.trainable).map(([name]) => name);
  return {
    stage: 'bench',
    model,
    task,
    hooks: new HookRegistry().hooks,
    specs: featureSpecs(model, task),
    trainable: new Set(trainable),
    optimizer,
    weightDecay: 0.01,
    maxGradNorm: 1,
    ...more,
  };
}

/** State entries before the first step: the trained weights, and what is zero. */
export function initialState(
  source: StepSource,
  apart: boolean,
): { readonly tensors: Record<string, TensorSource>; readonly empty: Record<string, TensorSpec> } {
  const tensors: Record<string, TensorSource> = {};
  for (const name of source.trainable) tensors[stateName.parameter(name)] = parameterOf(source.model, name);
  const empty: Record<string, TensorSpec> = {};
  for (const [name, shape] of stateShapes(source, apart)) empty[name] = { dtype: 'float32', shape };
  return { tensors, empty };
}
