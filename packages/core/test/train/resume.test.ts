import { type Backend, type CompileOptions, type Graph, referenceBackend } from '@anneal/graph';
import { seededRandom } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';

import type { Checkpoint, CheckpointStore } from '../../src/train/checkpoint.ts';
import type { Progress } from '../../src/train/progress.ts';
import { failure } from '../tiny/build.ts';
import { memoryStore, type Trained, type TrainOptions, trainTiny } from '../tiny/engine.ts';
import { mlpModel, points } from '../tiny/problem.ts';
import { bagModel, encodeSentence, sentences, taggerModel, tagging } from '../tiny/tokens.ts';

/** Trainings with every kind of state that a checkpoint must hold. */
const TRAININGS: Readonly<Record<string, TrainOptions>> = {
  'AdamW with dropout and validation': {
    model: mlpModel({ dropout: 0.4 }),
    config: { epochs: 3, batchSize: 5, learningRate: 0.3, lrScheduler: 'cosine', warmupRatio: 0.2 },
    validation: points(6, 9),
  },
  'accumulation, momentum and an average of weights': {
    model: mlpModel({ dropout: 0.2 }),
    config: {
      epochs: 3,
      batchSize: 4,
      gradientAccumulationSteps: 2,
      optimizer: { name: 'sgd', momentum: 0.9, nesterov: true },
      learningRate: 0.1,
      emaDecay: 0.8,
    },
    validation: points(6, 9),
  },
  'length buckets and early stopping': {
    model: bagModel(),
    rows: sentences(20, 4),
    encode: encodeSentence,
    config: { epochs: 4, batchSize: 4, lengthBuckets: [8, 20], learningRate: 1, earlyStopping: { patience: 1 } },
    validation: sentences(6, 5),
  },
  'a plateau that is waited out, groups, an average of weights, evaluations between epochs': {
    model: mlpModel({ dropout: 0.2 }),
    config: {
      epochs: 3,
      batchSize: 3,
      learningRate: 0.5,
      emaDecay: 0.7,
      evalSteps: 2,
      parameterGroups: [{ params: 'second.*', learningRate: 1 }],
      // The loss never falls by 1, so that every other evaluation reduces the rate.
      lrScheduler: { name: 'plateau', factor: 0.7, patience: 1, threshold: 1, thresholdMode: 'abs', cooldown: 1 },
    },
    validation: points(6, 9),
  },
  'a budget of tokens, micro-batches and recomputation': {
    model: taggerModel({ dropout: 0.3 }),
    task: tagging,
    rows: sentences(20, 4),
    encode: encodeSentence,
    microBatchSize: 2,
    config: {
      epochs: 3,
      maxTokensPerBatch: 40,
      lengthBuckets: [8, 20],
      gradientCheckpointing: true,
      gradientAccumulationSteps: 2,
      learningRate: 0.05,
    },
  },
  'a limit in the middle of an epoch, no validation': {
    config: { epochs: 9, maxSteps: 7, batchSize: 4, optimizer: 'muon' },
  },
};

/** What must not depend on interruptions: all but the clock. */
const outcome = ({ weights, report }: Trained) => ({
  weights,
  ...report,
  seconds: undefined,
  compileSeconds: undefined,
  tokensPerSecond: undefined,
});

/** A backend that calls `before` before every run of a program of that purpose. */
function watched(purpose: CompileOptions['purpose'], before: () => void): Backend {
  const inner = referenceBackend();
  return {
    info: inner.info,
    createState: (tensors, zeros) => inner.createState(tensors, zeros),
    memory: () => inner.memory(),
    close: () => inner.close(),
    compile: async (graph: Graph, options: CompileOptions = {}) => {
      const program = await inner.compile(graph, options);
      if (options.purpose !== purpose) return program;
      return {
        inputs: program.inputs,
        outputs: program.outputs,
        dispose: () => program.dispose(),
        run: (feeds) => {
          before();
          return program.run(feeds);
        },
      };
    },
  };
}

describe.each(Object.entries(TRAININGS))('%s', (_, options) => {
  it('goes on from any checkpoint to the same bits', async () => {
    // Every checkpoint that a kill could leave behind: one after each step, and one after each evaluation.
    const kept: CheckpointStore[] = [];
    const recording: CheckpointStore = {
      ...memoryStore(),
      write: async <P>(checkpoint: Checkpoint<P>) => {
        const store = memoryStore();
        await store.write(checkpoint);
        kept.push(store);
      },
    };
    const config = { ...options.config, saveSteps: 1 };
    const whole = await trainTiny({ ...options, config, checkpoints: recording });
    expect(kept.length).toBeGreaterThan(whole.report.steps);
    for (const checkpoints of kept) {
      expect(outcome(await trainTiny({ ...options, config, checkpoints }))).toEqual(outcome(whole));
    }
  });

  it('is stopped again and again, and ends the same', async () => {
    const whole = outcome(await trainTiny(options));
    const next = seededRandom(11);
    const checkpoints = memoryStore();
    for (let stops = 0; ; stops++) {
      const controller = new AbortController();
      let left = Math.floor(next() * 4);
      // Half of the stops come while a step is at work, half while an evaluation is.
      const purpose = options.validation === undefined || next() < 0.5 ? 'training' : 'inference';
      const backend = watched(purpose, () => {
        if (left-- === 0) controller.abort();
      });
      const run = trainTiny({ ...options, checkpoints, backend, signal: controller.signal });
      const ended = await run.catch((error: unknown) => {
        expect(error).toMatchObject({ code: 'ANNEAL_E_ABORTED', fix: expect.stringContaining('goes on') });
        return undefined;
      });
      if (ended === undefined) continue;
      expect(outcome(ended)).toEqual(whole);
      expect(stops).toBeGreaterThan(0);
      break;
    }
  });
});

it('of a plateau comes in the middle of its patience, too', async () => {
  const options = TRAININGS['a plateau that is waited out, groups, an average of weights, evaluations between epochs']!;
  const waits = new Set<string>();
  const recording: CheckpointStore = {
    ...memoryStore(),
    write: async <P>({ progress }: Checkpoint<P>) => {
      const { plateau } = progress as unknown as Progress;
      if (plateau) waits.add(`bad ${plateau.bad}, cooling ${plateau.cooldown}`);
    },
  };
  const { report } = await trainTiny({
    ...options,
    config: { ...options.config, saveSteps: 1 },
    checkpoints: recording,
  });
  expect(waits).toEqual(new Set(['bad 0, cooling 0', 'bad 1, cooling 0', 'bad 0, cooling 1']));
  expect(new Set(report.curve.map(({ learningRate }) => learningRate)).size).toBeGreaterThan(2);
});

describe('a stop', () => {
  it('before the first step leaves a checkpoint, too', async () => {
    const checkpoints = memoryStore();
    const error = await failure(trainTiny({ checkpoints, signal: AbortSignal.abort() }));
    expect(error).toMatchObject({ code: 'ANNEAL_E_ABORTED', message: 'stopped at step 0 of 3 of stage `main`' });
    expect(checkpoints.writes).toBe(1);
  });

  it('does not reset the count of steps that are not finite', async () => {
    const rows = points(6, 1).map((row) => ({ ...row, x: [Number.NaN, 0, 0, 0] }));
    const checkpoints = memoryStore();
    const controller = new AbortController();
    const config = { epochs: 20, maxNonFiniteSteps: 4 };
    const onStep = ({ step }: { step: number }): void => {
      if (step === 2) controller.abort();
    };
    await failure(trainTiny({ rows, config, checkpoints, onStep, signal: controller.signal }));
    const error = await failure(trainTiny({ rows, config, checkpoints }));
    expect(error).toMatchObject({ code: 'ANNEAL_E_TRAIN', message: expect.stringContaining('at step 3') });
  });
});
