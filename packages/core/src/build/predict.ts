import type { Backend, Program, Tensors } from '@anneal/graph';

import type { Row } from '../data/types.ts';
import type { Model } from '../model.ts';
import type { Run } from '../run.ts';
import type { Task } from '../task.ts';
import { compileForward, forEachBatch, rowOf } from '../train/forward.ts';
import { type Encoding, encodingOf } from './samples.ts';
import type { StageSetup } from './setup.ts';

/** A model compiled for prediction. */
export interface Predictor {
  readonly program: Program;
  readonly encoding: Encoding;
  /** Outputs per row, in order. */
  predict(rows: readonly Row[], batchSize?: number): Promise<readonly Tensors[]>;
}

export async function openPredictor(
  backend: Backend,
  model: Model,
  task: Task,
  { registry: { hooks }, stage }: StageSetup,
  run: Run,
): Promise<Predictor> {
  // What was cut in training is cut here too: positions beyond were never trained.
  const maxLength = stage.train === false ? undefined : stage.train.maxLength;
  const program = await compileForward(backend, model.graph);
  const encoding = encodingOf(model, task, hooks, run, { maxLength, targets: false });
  return {
    program,
    encoding,
    predict: async (rows, batchSize = 32) => {
      const samples = encoding.encode(rows, undefined, { targets: false });
      const results = Array.from({ length: rows.length }, (): Tensors => ({}));
      const { specs, inputs } = encoding;
      await forEachBatch(program, samples, { specs, inputs, batchSize, signal: run.signal }, (indices, outputs) => {
        indices.forEach((index, position) => {
          results[index] = Object.fromEntries(
            Object.entries(outputs).map(([name, data]) => [name, rowOf(data, position)]),
          );
        });
      });
      return results;
    },
  };
}
