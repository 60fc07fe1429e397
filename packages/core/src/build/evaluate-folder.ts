import type { Backend, Tensors } from '@anneal/graph';

import type { ResolvedConfig } from '../config/types.ts';
import type { Row } from '../data/types.ts';
import { AnnealError } from '../errors/error.ts';
import type { Model } from '../model.ts';
import type { EvaluateOptions, EvaluateResult, Prediction } from '../pipeline-types.ts';
import type { Evaluator, Task } from '../task.ts';
import { Evaluation } from '../train/evaluation.ts';
import { rowOf } from '../train/forward.ts';
import { Build } from './build.ts';
import type { RunScope } from './context.ts';
import type { PhaseKeys } from './keys.ts';
import { loadEmitted } from './model-file.ts';
import { resolveTask } from './phases.ts';
import { openPredictor } from './predict.ts';
import { encodingOf } from './samples.ts';
import type { StageSetup } from './setup.ts';

/**
 * Predicts rows (default: the test split) with an emitted model, and measures it where the rows have targets.
 *
 * @throws AnnealError `ANNEAL_E_MODEL` when the folder has no such model.
 */
export async function evaluateFolder(
  config: ResolvedConfig,
  setup: StageSetup,
  keys: PhaseKeys,
  scope: RunScope,
  { dir = config.outDir, variant = 'model', rows }: EvaluateOptions,
): Promise<EvaluateResult> {
  const { dataset } = await new Build(config, scope, false).data(setup, keys);
  const task = await resolveTask(setup, scope, dataset);
  const model = await loadEmitted(dir, variant);
  const wanted = rows ?? dataset.splits['test'];
  if (wanted === undefined) throw new AnnealError('ANNEAL_E_DATA', 'the dataset has no split "test" to evaluate on');
  if (task.traceEvaluation !== undefined) {
    return evaluateTraced(await scope.backend(), model, task, setup, scope, {
      split: wanted,
      measured: rows === undefined,
    });
  }
  const predictor = await openPredictor(await scope.backend(), model, task, setup, scope.run);
  try {
    const outputs = await predictor.predict(wanted, config.evaluate.batchSize);
    const predictions = wanted.map((row, i): Prediction => ({
      row,
      outputs: Object.fromEntries(
        Object.entries(outputs[i] ?? {}).map(([name, { data }]) => [name, Array.from(data, Number)]),
      ),
    }));
    if (rows !== undefined) return { metrics: undefined, predictions };
    const evaluator = task.evaluator();
    wanted.forEach((row, i) => {
      const batched = Object.entries(outputs[i] ?? {}).map(([name, one]) => [
        name,
        { ...one, shape: [1, ...one.shape] },
      ]);
      evaluator.update([row], Object.fromEntries(batched));
    });
    return { metrics: evaluator.result({ intervals: true }), predictions };
  } finally {
    await predictor.program.dispose();
  }
}

/** Without the model's outputs, which the task finds too large to keep: predictions are what it evaluates. */
async function evaluateTraced(
  backend: Backend,
  model: Model,
  task: Task,
  { registry: { hooks }, stage }: StageSetup,
  { run }: RunScope,
  { split, measured }: { readonly split: readonly Row[]; readonly measured: boolean },
): Promise<EvaluateResult> {
  const maxLength = stage.train === false ? undefined : stage.train.maxLength;
  const encoding = encodingOf(model, task, hooks, run, { maxLength, targets: true });
  const evaluation = new Evaluation({
    backend,
    graph: model.graph,
    task,
    specs: encoding.specs,
    batchSize: run.config.evaluate.batchSize,
    maxLength: encoding.maxLength,
  });
  const predictions: Prediction[] = [];
  const evaluator = task.evaluator();
  const collector: Evaluator = {
    ...evaluator,
    update(rows, outputs) {
      evaluator.update(rows, outputs);
      rows.forEach((row, i) => predictions.push({ row, outputs: numbersOf(outputs, i) }));
    },
  };
  try {
    await evaluation.run(
      encoding.encode(split, measured ? 'test' : undefined, { targets: true, pack: measured }),
      collector,
      run,
    );
  } finally {
    await evaluation.dispose();
  }
  return { metrics: measured ? evaluator.result({ intervals: true }) : undefined, predictions };
}

function numbersOf(outputs: Tensors, row: number): Prediction['outputs'] {
  return Object.fromEntries(
    Object.entries(outputs).map(([name, output]) => [name, Array.from(rowOf(output, row).data, Number)]),
  );
}
