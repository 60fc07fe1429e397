import { definePlugin, type Model, type ModelContext, type PluginApi, type PluginFactory } from '@anneal/core';
import { describeGraph, type Graph } from '@anneal/graph';

import { importOnnx } from './import.ts';
import { type OnnxModelOptions, options, type ResolvedOptions } from './options.ts';

/** A model that another tool exported to ONNX, made ready to be trained. Answers `model.resolveModel`. */
export const onnxModel: PluginFactory<OnnxModelOptions> = definePlugin<OnnxModelOptions, ResolvedOptions>({
  name: 'onnx-model',
  version: '0.1.0',
  options,
  after: ['tokenizer'],
  async setup(api, given) {
    const { findOnnx, openOnnx } = await import('./load.ts');
    const files = await findOnnx(api.root, given.from, given.file);
    for (const file of [files.model, `${files.model}_data`, files.config]) api.dependsOn(file);

    api.hooks.model.resolveModel.tap(async (ctx): Promise<Model> => {
      const { graph, config } = await openOnnx(files);
      const { task, seed } = ctx;
      const labels = task.kind === 'classification' ? task.labels : undefined;
      const onNewHead = (path: string): void => {
        api.logger.info(`starts anew: ${path}`);
      };
      const model = await importOnnx(graph, { ...given, config, labels, seed, onNewHead });
      checkVocabulary(api, ctx, model);
      announce(api, model.graph);
      return model;
    });

    api.hooks.train.beforeTrain.tap(({ model }) => {
      checkGradients(api, model.graph);
    });
  },
});

/** Ids beyond the table would fail in the middle of a run, without a name. */
function checkVocabulary(api: PluginApi, { run }: ModelContext, { config }: Model): void {
  const rows = config['vocab_size'];
  if (!run.artifacts.has(TOKENIZER) || typeof rows !== 'number') return;
  const { vocabSize } = run.artifacts.json<{ vocabSize: number }>(TOKENIZER);
  if (vocabSize <= rows) return;
  throw api.error('ANNEAL_E_MODEL', `the model has ${rows} word embeddings, received a tokenizer of ${vocabSize}`, {
    path: ['from'],
    fix: "use the model's own: tokenizer({ from: … })",
  });
}

/** What @anneal/plugin-tokenizer says of its vocabulary. */
const TOKENIZER = 'tokenizer/summary.json';

/** Refuses, before anything is compiled, what gradients cannot pass on their way to the trained weights. */
function checkGradients(api: PluginApi, graph: Graph): void {
  const trained = new Map([...graph.parameters].filter(([, { trainable }]) => trainable));
  const [first] = describeGraph({ ...graph, parameters: trained }).obstacles;
  if (first === undefined) return;
  const where = first.modules.length === 0 ? '' : ` in ${first.modules.slice(0, 3).join(', ')}`;
  throw api.error(
    'ANNEAL_E_MODEL',
    `${first.op}${where} lies between the trained weights and the outputs and has no gradient: ${first.reason}`,
    { path: ['from'], fix: first.fix ?? 'train only what lies above it: `modulesToSave` or `targetModules` of lora' },
  );
}

function announce(api: PluginApi, graph: Graph): void {
  const { parameters, nodes } = describeGraph(graph);
  const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
  const ports = (values: ReadonlyMap<string, unknown>): string => [...values.keys()].join(', ');
  api.logger.info(
    `${ports(graph.inputs)} → ${ports(graph.outputs)}: ${nodes} nodes, ${compact.format(parameters)} parameters`,
  );
}
