import { Artifacts, openStage, type Plugin, type RunEvent, type Stage, type StageOptions } from '@anneal/core';
import { referenceBackend } from '@anneal/graph';
import { describe, expect, it } from 'vitest';

import { basePlugins, failure, inline, pipelineOf, project } from '../tiny/build.ts';
import { dataset, mlpModel, mlpPlugin, taskPlugin } from '../tiny/problem.ts';

const train = { epochs: 2, batchSize: 6, learningRate: 0.05 };
const plugins = (): Plugin[] => basePlugins() as Plugin[];

function open(options: Partial<StageOptions> = {}): Promise<Stage> {
  return openStage({ plugins: plugins(), backend: referenceBackend(), train, ...options });
}

const features = inline('features', (api) => {
  api.hooks.data.transformSample.tap((sample) => ({ ...sample, features: { x: sample.row['x'] as number[] } }));
});

describe('a stage in memory', () => {
  it('trains as a build does', async () => {
    const events: RunEvent[] = [];
    const stage = await open({ onEvent: (event) => events.push(event) });
    const { curve, validation } = await stage.train();
    const { report } = await (await pipelineOf(project())).run();
    expect(curve).toHaveLength(6);
    expect(curve).toEqual(report.train[0]?.curve);
    expect(validation).toEqual(report.train[0]?.validation);
    expect(events.filter(({ type }) => type === 'step')).toHaveLength(6);
    expect(events.filter(({ type }) => type === 'metrics')).toHaveLength(2);

    const test = stage.dataset.splits['test'] ?? [];
    const measured = await stage.evaluate(test);
    expect(measured['loss']).toEqual(report.metrics.before?.['loss']);
  });

  it('measures and predicts with the model as it is at the time', async () => {
    const stage = await open({ train: { ...train, epochs: 20 } });
    const test = stage.dataset.splits['test'] ?? [];
    const [before, [first]] = [await stage.evaluate(test), await stage.predict(test)];
    const { model } = stage;
    await stage.train();
    const [after, [last]] = [await stage.evaluate(test), await stage.predict(test)];
    expect(stage.model).not.toBe(model);
    expect(after['loss']?.value).toBeLessThan((before['loss']?.value ?? 0) / 2);
    expect(last?.['logits']?.data).not.toEqual(first?.['logits']?.data);
    await stage.close();
    await stage.close();
  });

  it('takes rows, a model and artifacts that are given', async () => {
    const given = dataset({ train: 9 });
    const model = mlpModel({ hidden: 3 });
    const artifacts = new Artifacts();
    artifacts.set('words.txt', 'one two');
    const seen: string[] = [];
    const reading = inline('reading', (api) => {
      api.hooks.data.afterDataset.tap((_, { run }) => void seen.push(run.artifacts.text('words.txt')));
    });
    const stage = await openStage({
      plugins: [features({}), taskPlugin({}), reading({}), mlpPlugin()],
      backend: referenceBackend(),
      dataset: given,
      from: { model, artifacts },
      train: { maxSteps: 1 },
    });
    expect(seen).toEqual(['one two']);
    expect(stage.dataset).toBe(given);
    expect(stage.model).toBe(model);
    const report = await stage.train();
    expect(report.steps).toBe(1);
    expect(report.trainableParameters).toBe(4 * 3 + 3 + 3 * 3 + 3);
  });

  it('leaves the backend open, and the model as it was when it is stopped', async () => {
    const backend = referenceBackend();
    const stopping = new AbortController();
    const stage = await open({
      backend,
      signal: stopping.signal,
      onEvent: ({ type }) => {
        if (type === 'step') stopping.abort();
      },
    });
    const { model } = stage;
    expect((await failure(stage.train())).code).toBe('ANNEAL_E_ABORTED');
    expect(stage.model).toBe(model);
    await stage.close();
    const other = await open({ backend });
    expect((await other.train()).steps).toBe(6);
  });

  it('refuses training options with all that is wrong', async () => {
    const error = await failure(open({ train: { epochs: -1, batchsize: 2 } as never }));
    expect(error.code).toBe('ANNEAL_E_CONFIG');
    const all = [error, ...error.also];
    expect(new Set(all.map(({ path }) => path?.join('.')))).toEqual(new Set(['train.batchsize', 'train.epochs']));
    expect(all.map(({ message }) => message).join('\n')).toContain('batchSize');
  });

  it('needs rows from someone', async () => {
    const error = await failure(openStage({ plugins: [taskPlugin({}), mlpPlugin()], backend: referenceBackend() }));
    expect(error.code).toBe('ANNEAL_E_UNANSWERED');
  });
});
