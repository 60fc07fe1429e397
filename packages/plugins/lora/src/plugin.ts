import { definePlugin, type Model, type PluginApi, type PluginFactory, STAGE } from '@anneal/core';
import type { Graph } from '@anneal/graph';

import { insertAdapters, planAdapters, selectLayers } from './adapters.ts';
import { foldAdapters } from './fold.ts';
import { DEFAULT_MODULES_TO_SAVE, type LoraOptions, options, type ResolvedOptions } from './options.ts';
import { isBelowAny } from './patterns.ts';
import { attachAdapter } from './peft/read.ts';
import { adapterFolder } from './peft/write.ts';
import { type AdapterState, adapterStateOf, moduleOf, ownerOf, withAdapterState } from './state.ts';
import { adaptableLayers, createSelection, type Selection } from './targets.ts';

/**
 * Low-rank adaptation (Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2021): the base is frozen, each
 * target layer learns `scale · A B`. Adapters are folded into the weights when the model is compressed, and written in
 * PEFT's format to `adapter/`.
 */
export const lora: PluginFactory<LoraOptions> = definePlugin<LoraOptions, ResolvedOptions>({
  name: 'lora',
  version: '0.1.0',
  options,
  async setup(api, settings) {
    const adapt = settings.from === undefined ? await fresh(api, settings) : await loaded(api, settings, settings.from);

    api.hooks.model.transformModel.tap(async (model, { seed }): Promise<Model> => {
      const before = adapterStateOf(model.graph);
      if (before?.adapters.some((adapter) => ownerOf(adapter) === api.name) === true) {
        throw api.error('ANNEAL_E_MODEL', 'the model already has adapters', { fix: 'use `lora` in one stage only' });
      }
      const graph = await adapt(model.graph, seed);
      const state = adapterStateOf(graph) as AdapterState;
      if (before !== undefined) checkAlike(api, before, state);
      const { dora } = state;
      const adapters = state.adapters.slice(before?.adapters.length ?? 0);
      const ranks = [...new Set(adapters.map(({ r }) => r))].toSorted((a, b) => a - b);
      api.logger.info(`adapting ${adapters.length} layers with rank ${ranks.join(', ')}${dora ? ' (DoRA)' : ''}`);
      if (api.name === 'lora') return { ...model, graph };
      const own = adapters.map((adapter) => ({ ...adapter, owner: api.name }));
      return {
        ...model,
        graph: withAdapterState(graph, { ...state, adapters: [...(before?.adapters ?? []), ...own] }),
      };
    });

    api.hooks.compress.transformModel.tap(async (model) => ({ ...model, graph: await foldAdapters(model.graph) }), {
      stage: STAGE.FOLD,
    });

    api.hooks.emit.emit.tap(async (ctx) => {
      const state = adapterStateOf(ctx.trained.graph);
      const own = state?.adapters.filter((adapter) => ownerOf(adapter) === api.name) ?? [];
      if (state === undefined || own.length === 0) return;
      const graph = withAdapterState(ctx.trained.graph, { ...state, adapters: own });
      const files = await adapterFolder(graph, settings, ctx.task.kind);
      for (const [name, data] of files ?? []) await ctx.write(`${api.own('adapter')}/${name}`, data);
    });
  },
});

type Adapt = (graph: Graph, seed: number) => Promise<Graph>;

/** New adapters, on the layers that the options name. */
async function fresh(api: PluginApi, settings: ResolvedOptions): Promise<Adapt> {
  const selection = await createSelection(settings);
  return async (graph, seed) => {
    const layers = [...selectLayers(graph, selection).values()];
    if (layers.length === 0) throw noTarget(api, graph, settings);
    refuseTaken(api, graph, layers);
    if (settings.useDora) refuseEmbeddings(api, layers);
    warnOfUnknown(api, graph, settings);
    checkRanks(api, layers, settings, selection);
    const planned = await planAdapters(graph, layers, selection, settings, seed);
    const { loraDropout: dropout, useRslora: rslora, useDora: dora, modulesToSave } = settings;
    return insertAdapters(graph, planned, { dropout, rslora, dora, modulesToSave });
  };
}

/** The adapter of a folder. */
async function loaded(api: PluginApi, settings: ResolvedOptions, from: string): Promise<Adapt> {
  // Only here: new adapters need nothing of it.
  const { adapterFiles, openAdapter } = await import('./load.ts');
  const { dir, files } = adapterFiles(api.root, from);
  for (const file of files) api.dependsOn(file);
  return async (graph) => attachAdapter(graph, await openAdapter(dir), settings.loraDropout);
}

function noTarget(
  api: PluginApi,
  graph: Graph,
  { targetModules, excludeModules, modulesToSave }: ResolvedOptions,
): Error {
  const ends = [...new Set([...adaptableLayers(graph).values()].map(({ path }) => path.split('.').at(-1)))];
  const left = [...(typeof excludeModules === 'string' ? [excludeModules] : excludeModules), ...modulesToSave];
  return api.error(
    'ANNEAL_E_NO_TARGET',
    `no layer matches \`targetModules\` ${JSON.stringify(targetModules)}${
      left.length === 0 ? '' : ` and is neither excluded nor trained in full (${left.join(', ')})`
    }`,
    {
      path: ['targetModules'],
      fix:
        ends.length === 0
          ? 'this model has no layers for adapters'
          : `use ends of module paths, such as ${ends.join(', ')}`,
    },
  );
}

/** The sum of two adapters of one layer is an adapter of both ranks: one with that rank says it better. */
function refuseTaken(api: PluginApi, graph: Graph, layers: readonly { readonly path: string }[]): void {
  for (const adapter of adapterStateOf(graph)?.adapters ?? []) {
    if (!layers.some(({ path }) => path === adapter.path)) continue;
    throw api.error(
      'ANNEAL_E_OPTIONS',
      `the layer "${adapter.path}" has an adapter already, of \`${ownerOf(adapter)}\``,
      {
        path: ['targetModules'],
        fix: 'name other layers in `targetModules`',
      },
    );
  }
}

/** What is said of all adapters of a model is the same for all. */
function checkAlike(api: PluginApi, before: AdapterState, now: AdapterState): void {
  for (const [key, option] of [
    ['dora', 'useDora'],
    ['rslora', 'useRslora'],
  ] as const) {
    if (before[key] === now[key]) continue;
    throw api.error('ANNEAL_E_OPTIONS', `\`${option}\` must be as in the other instances, received ${now[key]}`, {
      path: [option],
      fix: `set \`${option}: ${before[key]}\``,
    });
  }
}

function refuseEmbeddings(api: PluginApi, layers: readonly { readonly kind: string; readonly path: string }[]): void {
  const table = layers.find(({ kind }) => kind === 'embedding');
  if (table === undefined) return;
  throw api.error('ANNEAL_E_OPTIONS', `\`useDora\` works on linear layers, received the embedding "${table.path}"`, {
    path: ['useDora'],
    fix: 'leave embeddings out of `targetModules`',
  });
}

/** A name that matches nothing is most likely misspelt. */
function warnOfUnknown(api: PluginApi, graph: Graph, { modulesToSave }: ResolvedOptions): void {
  const modules = [...graph.parameters.keys()].map(moduleOf);
  for (const name of modulesToSave) {
    if (DEFAULT_MODULES_TO_SAVE.includes(name) || modules.some((path) => isBelowAny(path, [name]))) continue;
    api.logger.warn(`\`modulesToSave\` names "${name}", which this model does not have`);
  }
}

/** A rank above the size of a layer costs more than training the layer. */
function checkRanks(
  api: PluginApi,
  layers: readonly { readonly path: string; readonly inDim: number; readonly outDim: number }[],
  settings: ResolvedOptions,
  selection: Selection,
): void {
  for (const { path, inDim, outDim } of layers) {
    const { r } = selection.sizeOf(path);
    const limit = Math.min(inDim, outDim);
    if (r <= limit) continue;
    throw api.error('ANNEAL_E_OPTIONS', `rank ${r} exceeds the layer "${path}" [${inDim}, ${outDim}]`, {
      path: [r === settings.r ? 'r' : 'rankPattern'],
      fix: `use a rank of at most ${limit}, or leave the layer out with \`excludeModules\``,
    });
  }
}
