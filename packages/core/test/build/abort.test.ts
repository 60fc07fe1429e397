import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { createLogger, type Hooks, type PhaseName, type RunEvent, type UserConfig } from '@anneal/core';
import { describe, expect, it } from 'vitest';

import { Cache } from '../../src/node/cache.ts';
import {
  basePlugins,
  copying,
  entriesOf,
  failure,
  filesOf,
  inline,
  pipelineOf,
  project,
  rounding,
} from '../tiny/build.ts';

const overrides = (): UserConfig => ({ plugins: [...basePlugins(), copying({}), rounding()], train: { saveSteps: 2 } });
const models = (root: string): unknown[] =>
  ['model.onnx', 'model_rounded.onnx'].map((name) => readFileSync(join(root, 'dist', 'onnx', name), 'latin1'));

/** What must hold after any stop: complete entries, at most a checkpoint besides, and no half result. */
async function expectWhole(root: string): Promise<void> {
  const cacheDir = join(root, '.anneal', 'cache');
  const said: string[] = [];
  const cache = new Cache(
    cacheDir,
    createLogger(({ message }) => said.push(message)),
  );
  for (const [phase, key] of entriesOf(cacheDir)) expect(await cache.open(phase, key)).toBeDefined();
  expect(said).toEqual([]);
  expect(readdirSync(root).filter((name) => name.startsWith('.dist'))).toEqual([]);
}

/** Runs and stops as soon as `when` says so. */
async function stopped(root: string, when: (event: RunEvent) => boolean, more: UserConfig = {}) {
  const controller = new AbortController();
  const onEvent = (event: RunEvent): void => {
    if (when(event)) controller.abort();
  };
  const pipeline = await pipelineOf(root, { ...overrides(), ...more });
  return failure(pipeline.run({ signal: controller.signal, onEvent }));
}

const reference = (async () => {
  const root = project();
  const events: string[] = [];
  const pipeline = await pipelineOf(root, overrides());
  await pipeline.run({ onEvent: ({ type }) => void events.push(type) });
  return { models: models(root), events: events.length };
})();

const PHASES: readonly PhaseName[] = ['data', 'model', 'train', 'compress', 'evaluate'];

describe('a stop', () => {
  it.each(PHASES)('when %s begins leaves all whole, and the next run ends as if nothing was', async (phase) => {
    const root = project();
    const error = await stopped(root, (event) => event.type === 'phase-start' && event.phase === phase);
    expect(error).toMatchObject({
      code: 'ANNEAL_E_ABORTED',
      fix: expect.stringContaining('run the same command again'),
    });
    await expectWhole(root);
    expect(existsSync(join(root, 'dist'))).toBe(false);
    const checkpoints = join(root, '.anneal', 'cache', 'checkpoints');
    expect(existsSync(checkpoints) ? readdirSync(checkpoints) : []).toHaveLength(phase === 'train' ? 1 : 0);
    await (await pipelineOf(root, overrides())).run();
    expect(models(root)).toEqual((await reference).models);
  });

  it('at any event does so', async () => {
    const { models: wanted, events } = await reference;
    // Every few events of one root: what is done by then comes from the cache in the next run.
    for (let at = 1; at < events; at += 4) {
      const root = project();
      let count = 0;
      const pipeline = await pipelineOf(root, overrides());
      const controller = new AbortController();
      const running = pipeline.run({
        signal: controller.signal,
        onEvent: () => {
          if (++count === at) controller.abort();
        },
      });
      const ended = await running.then(
        () => 'done',
        (error: unknown) => (error as { code: string }).code,
      );
      // Once the result is being written, it is finished.
      expect(['ANNEAL_E_ABORTED', 'done']).toContain(ended);
      await expectWhole(root);
      expect(existsSync(join(root, 'dist'))).toBe(ended === 'done');
      await pipeline.run();
      expect(models(root)).toEqual(wanted);
    }
  });

  const hooks: readonly (readonly [keyof Hooks, string])[] = [
    ['data', 'transformDataset'],
    ['data', 'afterDataset'],
    ['data', 'auditDataset'],
    ['model', 'transformModel'],
    ['train', 'beforeTrain'],
    ['train', 'afterTrain'],
    ['compress', 'transformModel'],
    ['evaluate', 'auditModel'],
    ['emit', 'emit'],
  ];
  it.each(hooks)('in a hook that listens to the signal is one error: %s.%s', async (group, hook) => {
    const root = project();
    const controller = new AbortController();
    const listening = inline('listening', (api) => {
      (api.hooks[group] as Record<string, { tap(fn: (...args: { signal?: AbortSignal }[]) => Promise<void>): void }>)[
        hook
      ]!.tap(async (...args) => {
        controller.abort();
        args.find((arg) => arg?.signal)!.signal!.throwIfAborted();
      });
    });
    const pipeline = await pipelineOf(root, { plugins: [...basePlugins(), listening({})] });
    expect(await failure(pipeline.run({ signal: controller.signal }))).toMatchObject({ code: 'ANNEAL_E_ABORTED' });
    await expectWhole(root);
    expect(existsSync(join(root, 'dist'))).toBe(false);
  });

  it('keeps the result of the build before', async () => {
    const root = project();
    await (await pipelineOf(root, overrides())).run();
    const before = filesOf(join(root, 'dist'));
    for (const phase of ['train', 'evaluate']) {
      await stopped(root, (event) => event.type === 'phase-start' && event.phase === phase, { seed: 5 });
      expect(filesOf(join(root, 'dist'))).toEqual(before);
    }
  });

  it('with a reason of its own is the same error', async () => {
    for (const reason of ['text', new Error('enough'), undefined, { code: 7 }]) {
      const pipeline = await pipelineOf(project(), overrides());
      const error = await failure(pipeline.run({ signal: AbortSignal.abort(reason) }));
      expect(error).toMatchObject({ code: 'ANNEAL_E_ABORTED' });
    }
  });

  it('does not hide what went wrong before it', async () => {
    const controller = new AbortController();
    const failing = inline('failing', (api) => {
      api.hooks.data.afterDataset.tap(() => {
        controller.abort();
        throw api.error('ANNEAL_E_DATA', 'no rows left');
      });
    });
    const pipeline = await pipelineOf(project(), { plugins: [...basePlugins(), failing({})] });
    expect(await failure(pipeline.run({ signal: controller.signal }))).toMatchObject({ code: 'ANNEAL_E_DATA' });
  });

  it('of an evaluation of an emitted folder is one, too', async () => {
    const pipeline = await pipelineOf(project(), overrides());
    await pipeline.run();
    expect(await failure(pipeline.evaluate({ signal: AbortSignal.abort() }))).toMatchObject({
      code: 'ANNEAL_E_ABORTED',
    });
  });
});
