import {
  AnnealError,
  definePlugin,
  type JsonObject,
  type Model,
  type ModelContext,
  type PluginApi,
  type PluginFactory,
  type Sample,
} from '@anneal/core';
import { describeGraph, type Graph, GraphError, rewrite } from '@anneal/graph';

import { asClassifier } from './classifier.ts';
import { options, type ResolvedOptions, type TfjsModelOptions } from './options.ts';
import type { TfjsModel } from './import.ts';
import { textEncoder, textSteps } from './text/steps.ts';
import { writeTfjs } from './write/write.ts';

/** Folder of what is written for TensorFlow.js. */
const FOLDER = 'tfjs';

/**
 * A model of TensorFlow.js, made ready to be trained; and the model of a build, whatever made it, written as a graph model
 * of TensorFlow.js. Answers `model.resolveModel` and taps `emit.emit`.
 */
export const tfjsModel: PluginFactory<TfjsModelOptions | undefined> = definePlugin<
  TfjsModelOptions | undefined,
  ResolvedOptions
>({
  name: 'tfjs-model',
  version: '0.1.0',
  options,
  async setup(api, given) {
    if (given.from !== undefined) await setupSource(api, given, given.from);
    const { export: exported } = given;
    if (exported === false) return;
    api.hooks.emit.emit.tap(async (ctx) => {
      // The model at full precision: TensorFlow.js computes with float32, however weights are stored.
      for (const [name, bytes] of await writeTfjs(ctx.reference.graph, exported))
        await ctx.write(`${FOLDER}/${name}`, bytes);
    });
  },
});

async function setupSource(api: PluginApi, given: ResolvedOptions, from: string): Promise<void> {
  // Only here are files read: `importTfjs` also runs in a browser.
  const { filesOf, findTfjs, loadTfjs, readTfjsJson } = await import('./node/load.ts');
  const path = findTfjs(api.root, from);
  const { files, steps } = await readTfjsJson(path)
    .then((json) => ({ files: filesOf(path, json), steps: textSteps(json) }))
    .catch(damaged(path));
  for (const file of files) api.dependsOn(file);

  if (steps !== undefined) {
    const encode = textEncoder(steps);
    api.hooks.data.transformSample.tap((sample, { maxLength }): Sample => {
      const text = sample.row[given.textColumn];
      if (typeof text !== 'string') {
        const columns = Object.keys(sample.row).join(', ');
        throw api.error(
          'ANNEAL_E_DATA',
          `a row has no text in \`${given.textColumn}\`, received the columns ${columns}`,
          {
            path: ['textColumn'],
          },
        );
      }
      return { ...sample, features: { ...sample.features, input_ids: encode(text, maxLength) } };
    });
  }

  api.hooks.model.resolveModel.tap(async (ctx): Promise<Model> => {
    const model = await loadTfjs(path, { dims: given.dims }).catch(damaged(path));
    const graph = forTask(withOutputs(model.graph, given.outputs), model, ctx, given);
    announce(api, model, graph);
    return {
      graph,
      config: configOf(model, ctx),
      padding: Object.fromEntries(model.texts.map(({ name }) => [name, -1])),
    };
  });
}

/** Errors of files come as those of the model. */
const damaged =
  (file: string) =>
  (error: unknown): never => {
    if (!(error instanceof GraphError)) throw error;
    throw new AnnealError('ANNEAL_E_MODEL', `the model cannot be read: ${error.message}`, {
      path: ['from'],
      file,
      fix: error.fix,
      cause: error,
    });
  };

/** The graph with the wanted outputs and what they need. */
function withOutputs(graph: Graph, wanted: readonly string[] | undefined): Graph {
  if (wanted === undefined) return graph;
  const missing = wanted.find((name) => !graph.outputs.has(name));
  if (missing !== undefined) {
    const known = [...graph.outputs.keys()].join(', ');
    throw new AnnealError('ANNEAL_E_MODEL', `the model has no output "${missing}", received ${known}`, {
      path: ['outputs'],
    });
  }
  return rewrite({ ...graph, outputs: new Map([...graph.outputs].filter(([name]) => wanted.includes(name))) }, {});
}

function forTask(graph: Graph, model: TfjsModel, { task }: ModelContext, given: ResolvedOptions): Graph {
  if (task.kind !== 'classification' || task.labels === undefined) return graph;
  return asClassifier(graph, task.labels, given.labels ?? model.labels);
}

/** config.json, as tools of Transformers read it. */
function configOf({ steps }: TfjsModel, { task }: ModelContext): JsonObject {
  const { labels } = task;
  return {
    model_type: 'tfjs',
    ...(steps !== undefined && { max_position_embeddings: steps.length, text: { ...steps } }),
    ...(labels !== undefined && {
      id2label: Object.fromEntries(labels.map((label, i) => [String(i), label])),
      label2id: Object.fromEntries(labels.map((label, i) => [label, i])),
    }),
  };
}

function announce(api: PluginApi, { format }: TfjsModel, graph: Graph): void {
  const { parameters, nodes } = describeGraph(graph);
  const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
  const ports = (values: ReadonlyMap<string, unknown>): string => [...values.keys()].join(', ');
  api.logger.info(
    `${format}, ${ports(graph.inputs)} → ${ports(graph.outputs)}: ${nodes} nodes, ${compact.format(parameters)} parameters`,
  );
}
