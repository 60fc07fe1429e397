import type { ResolvedConfig } from '../config/types.ts';
import { AnnealError } from '../errors/error.ts';
import type { EvaluateOptions, EvaluateResult, Prediction } from '../pipeline-types.ts';
import { Build } from './build.ts';
import type { RunScope } from './context.ts';
import type { PhaseKeys } from './keys.ts';
import { loadEmitted } from './model-file.ts';
import { resolveTask } from './phases.ts';
import { openPredictor } from './predict.ts';
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
