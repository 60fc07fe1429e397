import { referenceBackend, tensor, type TensorData, withParameters } from '@anneal/graph';
import { describe, expect, it } from 'vitest';

import { collate, featureSpecs } from '../../src/data/batches.ts';
import { HookRegistry } from '../../src/hooks/create.ts';
import { builtinOptimizer, optimizerNames } from '../../src/train/optimizers.ts';
import { compileOptions } from '../../src/train/programs.ts';
import {
  FEED,
  RESULT,
  stateName,
  stateShapes,
  type StepProgram,
  type StepSource,
  traceApply,
  traceGradientStep,
  traceNorm,
  traceStep,
  updatesApart,
} from '../../src/train/step-graph.ts';
import { mlpModel, points, task } from '../tiny/problem.ts';

const scalar = (value: number): TensorData => tensor('float32', [], [value]);

function sourceOf(optimizer: string, emaDecay?: number): StepSource {
  const model = mlpModel({ hidden: 6 });
  return {
    stage: 'main',
    model,
    task,
    hooks: new HookRegistry().hooks,
    specs: featureSpecs(model, task),
    trainable: new Set(model.graph.parameters.keys()),
    optimizer: builtinOptimizer(optimizer)!,
    weightDecay: 0.1,
    maxGradNorm: 0.3,
    emaDecay,
  };
}

/** The state after three steps of one program, or of two. */
async function run(source: StepSource, apart: boolean): Promise<Record<string, TensorData>> {
  const backend = referenceBackend();
  const tensors: Record<string, TensorData> = {};
  for (const name of source.trainable) {
    const data = source.model.graph.parameters.get(name)?.data as TensorData;
    tensors[stateName.parameter(name)] = data;
    if (source.emaDecay !== undefined) tensors[stateName.average(name)] = data;
  }
  const zeros = Object.fromEntries(
    [...stateShapes(source, true)].map(([name, shape]) => [name, { dtype: 'float32', shape } as const]),
  );
  const state = await backend.createState(tensors, zeros);
  const compile = (program: StepProgram) => backend.compile(program.graph, { ...compileOptions(program), state });
  const programs = {
    whole: await compile(traceStep(source, 6, undefined)),
    gradients: await compile(traceGradientStep(source, 6, undefined)),
    norm: await compile(traceNorm(source)),
    apply: await compile(traceApply(source)),
  };
  for (let step = 1; step <= 3; step++) {
    const rows = points(6, step).map((row) => task.encode({ row, features: { x: row['x'] as number[] } }));
    const batch = collate(rows, source.specs, { size: 6 });
    const feeds = { ...batch.tensors, [FEED.sampleWeights]: batch.sampleWeights };
    const update = { [FEED.learningRate]: scalar(0.05), [FEED.step]: scalar(step) };
    if (!apart) {
      await programs.whole.run({ ...feeds, ...update });
      continue;
    }
    const weight = { [FEED.weight]: scalar(1) };
    const norm = (await programs.gradients.run(feeds))[RESULT.gradNorm]!;
    const summed = (await programs.norm.run(weight))[RESULT.gradNorm]!;
    expect(Number(summed.data[0])).toBeCloseTo(Number(norm.data[0]), 6);
    await programs.apply.run({ ...update, ...weight, [FEED.gradNorm]: norm });
  }
  const names = state.names.filter((name) => !stateName.isSum(name));
  return state.read(names);
}

describe('an update that is a program of its own', () => {
  it.each(optimizerNames().map((name) => [name]))('ends in the same state with %s', async (name) => {
    const [whole, apart] = [await run(sourceOf(name, 0.9), false), await run(sourceOf(name, 0.9), true)];
    for (const [entry, { data }] of Object.entries(whole)) {
      data.forEach((value, i) => expect(Number(apart[entry]!.data[i]), entry).toBeCloseTo(Number(value), 6));
    }
  });

  it('is chosen for many weights, and where gradients add up', () => {
    const source = sourceOf('adamw');
    expect(updatesApart(source, false)).toBe(false);
    expect(updatesApart(source, true)).toBe(true);
    const nowhere = { name: 'nowhere', size: 0, read: () => Promise.reject(new Error('not read')) };
    const data = { dtype: 'float32', shape: [2 ** 13, 2 ** 12], source: nowhere, offset: 0 } as const;
    const graph = withParameters(source.model.graph, (name) => (name === 'first.weight' ? { data } : undefined));
    expect(updatesApart({ ...source, model: { ...source.model, graph } }, false)).toBe(true);
  });
});
