import type { Dataset, PluginApi } from '@anneal/core';

/** Checked by the compiler: every `@ts-expect-error` must be one. Nothing here runs. */
export function hooks({ hooks: { data, model, train, evaluate, emit } }: PluginApi, dataset: Dataset): void {
  train.transformLoss.tap((loss, { ops }) => ops.mul(loss, 2));
  train.transformLoss.tap(() => undefined);
  train.transformLoss.tap(() => {});
  train.onStep.tap(() => {});
  train.shouldTrain.tap((name) => name.endsWith('.bias') || undefined);
  data.resolveDataset.tap(() => dataset);
  data.resolveDataset.tap(async () => dataset);
  data.resolveDataset.tap(async () => undefined);
  model.afterModel.tap(async () => {});
  evaluate.auditModel.tap(async () => {});
  emit.emit.tap(() => {}, { stage: 3 });

  // @ts-expect-error a synchronous waterfall takes no async function
  train.transformLoss.tap(async (loss) => loss);
  // @ts-expect-error nor one that gives nothing
  train.transformTargets.tap(async () => {});
  // @ts-expect-error nor does a notification
  train.onStep.tap(async () => {});
  // @ts-expect-error nor a decision
  train.shouldStop.tap(async () => true);
  // @ts-expect-error nor the samples
  data.transformSample.tap((sample) => Promise.resolve(sample));
  // @ts-expect-error a decision is a boolean
  train.shouldTrain.tap(() => 'yes');
  // @ts-expect-error a loss is a value of the graph
  train.transformLoss.tap(() => 1);
  // @ts-expect-error a dataset has splits
  data.resolveDataset.tap(() => ({}));
  // @ts-expect-error there is no such hook
  train.transformWeights.tap(() => undefined);
  // @ts-expect-error plugins do not call hooks
  train.onStep.call({});
  // @ts-expect-error a place in the order is a number
  emit.emit.tap(() => {}, { stage: 'late' });
}
