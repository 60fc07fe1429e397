import type { Backend, MemoryPlan, PlannedProgram } from '@anneal/graph';
import { referenceBackend } from '@anneal/graph';
import { describe, expect, it } from 'vitest';

import {
  chooseMemory,
  type MemoryChoice,
  memoryChoices,
  type MemoryParts,
  parseBytes,
  totalOf,
} from '../../src/train/memory.ts';
import { distance, trainTiny } from '../tiny/engine.ts';
import { encodeSentence, sentences, taggerModel, tagging } from '../tiny/tokens.ts';

const parts = (activations: number): MemoryParts => ({
  process: 100,
  weights: 20,
  state: 30,
  activations,
  programs: 5,
  copies: 0,
});

describe('sizes', () => {
  it.each([
    [4096, 4096],
    ['4 GB', 4e9],
    ['512MiB', 512 * 2 ** 20],
    ['1.5 gib', 1.5 * 2 ** 30],
    ['100B', 100],
  ])('%j', (size, bytes) => {
    expect(parseBytes(size)).toBe(bytes);
  });

  it.each(['', '4', '4 XB', '-1 GB', '0 GB', '4 GB or so', '1e3 MB'])('%j is none', (size) => {
    expect(parseBytes(size)).toBeUndefined();
  });
});

describe('choices', () => {
  const shown = (choices: readonly MemoryChoice[]): readonly string[] =>
    choices.map(({ microBatchSize, gradientCheckpointing }) => `${microBatchSize}${gradientCheckpointing ? '+' : ''}`);

  it('are the whole batch first, then parts and recomputation by the time that they take', () => {
    expect(shown(memoryChoices(8, 256, false))).toEqual(['8', '4', '2', '1', '8+', '4+', '2+', '1+']);
    // Rows of few positions do not fill the kernels one by one.
    expect(shown(memoryChoices(8, 4, false))).toEqual(['8', '8+', '4', '4+', '2', '2+', '1', '1+']);
    expect(shown(memoryChoices(5, 256, true))).toEqual(['5+', '3+', '2+', '1+']);
    expect(shown(memoryChoices(1, undefined, false))).toEqual(['1', '1+']);
  });

  it('are tried until one fits', () => {
    const tried: MemoryChoice[] = [];
    const { choice, parts: predicted } = chooseMemory(
      memoryChoices(8, 256, false),
      (one) => {
        tried.push(one);
        return parts(100 * one.microBatchSize);
      },
      { maxBytes: 400, stage: 'main', length: 256 },
    );
    expect(choice).toEqual({ microBatchSize: 2, gradientCheckpointing: false });
    expect(totalOf(predicted)).toBe(355);
    expect(tried).toHaveLength(3);
  });

  it('that all take too much are an error with the least of them, by part', () => {
    const choose = (): unknown =>
      chooseMemory(
        memoryChoices(4, 64, false),
        ({ microBatchSize, gradientCheckpointing }) => parts((gradientCheckpointing ? 1e6 : 2e6) * microBatchSize),
        { maxBytes: 50_000, stage: 'main', length: 64 },
      );
    expect(choose).toThrow(
      expect.objectContaining({
        code: 'ANNEAL_E_MEMORY',
        path: ['stages', 'main', 'train', 'maxMemory'],
        message: expect.stringMatching(
          /^training of stage `main` does not fit into 50\.0.kB: .* takes 1\.00.MB \(process 100.B, .*activations 1\.00.MB/,
        ),
        fix: expect.stringContaining('`train.maxLength` (the longest batch has 64 positions)'),
      }),
    );
  });
});

describe('training', () => {
  const rows = sentences(21, 2);
  const common = { rows, model: taggerModel({ layers: 2 }), task: tagging, encode: encodeSentence, maxLength: 20 };
  const config = { epochs: 2, batchSize: 21, learningRate: 0.05, lengthBuckets: [20] };

  /** The reference backend with predictions: each row of the largest batch takes `perRow` bytes. */
  function predicting(perRow: number, rssBytes = 1000): { backend: Backend; asked: PlannedProgram[][] } {
    const inner = referenceBackend();
    const asked: PlannedProgram[][] = [];
    const planMemory = (programs: readonly PlannedProgram[], state: object): MemoryPlan => {
      asked.push([...programs]);
      const sizes = programs.flatMap(({ graph }) => [...graph.inputs.values()].map(({ shape }) => shape));
      const batch = Math.max(
        ...sizes.filter((shape) => shape.length === 2 && shape[1] === 20).map(([size]) => Number(size)),
      );
      return { weights: 0, state: Object.keys(state).length, activations: perRow * batch, programs: 0 };
    };
    const backend: Backend = {
      info: inner.info,
      compile: (graph, options) => inner.compile(graph, options),
      createState: (tensors, zeros) => inner.createState(tensors, zeros),
      memory: () => Promise.resolve({ rssBytes, peakRssBytes: 77 }),
      close: () => inner.close(),
      planMemory,
    };
    return { backend, asked };
  }

  it('below a limit gives the same weights in parts', async () => {
    const free = await trainTiny({ ...common, config });
    const { backend } = predicting(1000);
    const limited = await trainTiny({ ...common, config: { ...config, maxMemory: '10 kB' }, backend });
    expect(limited.report.memory).toMatchObject({
      microBatchSize: 6,
      gradientCheckpointing: false,
      peakRssBytes: 77,
      predicted: { process: 1000, activations: 6000 },
    });
    expect(limited.report.steps).toBe(free.report.steps);
    expect(distance(limited.weights, free.weights)).toBeLessThan(1e-5);
    expect(limited.logs.map(({ message }) => message)).toContainEqual(
      expect.stringMatching(/^predicted memory .*, 6 of 21 rows at a time$/),
    );
  });

  it('without a limit says what is predicted and changes nothing', async () => {
    const { backend, asked } = predicting(1000);
    const { report, logs } = await trainTiny({ ...common, config, backend });
    expect(report.memory).toMatchObject({ microBatchSize: 21, predicted: { activations: 21_000 } });
    expect(report.memory.predicted?.copies).toBeGreaterThan(0);
    expect(asked).toHaveLength(1);
    expect(logs.some(({ message }) => message.startsWith('predicted memory'))).toBe(true);
  });

  it('that nothing makes fit fails before it begins', async () => {
    const { backend } = predicting(1000);
    const steps: unknown[] = [];
    const run = trainTiny({
      ...common,
      config: { ...config, maxMemory: 1500 },
      backend,
      onStep: (point) => steps.push(point),
    });
    await expect(run).rejects.toMatchObject({ code: 'ANNEAL_E_MEMORY' });
    expect(steps).toEqual([]);
  });

  it('counts a program for each length, for norm and update, and for evaluation', async () => {
    const { backend, asked } = predicting(1000);
    const lengths = { ...config, batchSize: 8, lengthBuckets: [4, 8, 20], gradientAccumulationSteps: 2 };
    await trainTiny({ ...common, config: lengths, backend, validation: rows.slice(0, 3) });
    const purposes = asked[0]?.map(({ purpose }) => purpose);
    expect(purposes?.filter((purpose) => purpose === 'inference')).toHaveLength(1);
    expect(purposes?.filter((purpose) => purpose === 'training')).toHaveLength(3 + 2);
  });

  it('with a limit needs a backend that predicts', async () => {
    const run = trainTiny({ ...common, config: { ...config, maxMemory: '4 GB' } });
    await expect(run).rejects.toMatchObject({
      code: 'ANNEAL_E_BACKEND',
      message: expect.stringContaining('`reference` cannot tell'),
    });
    const { report } = await trainTiny({ ...common, config });
    expect(report.memory).toEqual({
      predicted: undefined,
      peakRssBytes: undefined,
      microBatchSize: 21,
      gradientCheckpointing: false,
    });
  });
});
