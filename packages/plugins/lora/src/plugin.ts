import { definePlugin, type PluginFactory, STAGE } from '@anneal/core';

import { adapterFor, adaptersOf, addAdapters, foldAdapters } from './adapters.ts';
import { type LoraOptions, options, type ResolvedOptions } from './options.ts';
import { adapterConfig, adapterTensors } from './peft.ts';
import { adaptableLayers, targetLayers } from './targets.ts';

/**
 * Low-rank adaptation (Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2021): the base is frozen, each
 * target layer learns `scale · A B`. Adapters are folded into the weights when the model is compressed, and written in
 * PEFT's format to `adapter/`.
 */
export const lora: PluginFactory<LoraOptions> = definePlugin<LoraOptions, ResolvedOptions>({
  name: 'lora',
  version: '0.1.0',
  options,
  setup(api, settings) {
    api.hooks.model.transformModel.tap((model, { seed }) => {
      const layers = [...targetLayers(model.graph, settings).values()];
      if (layers.length === 0) {
        const paths = [...adaptableLayers(model.graph).values()].map(({ path }) => path);
        const ends = [...new Set(paths.map((path) => path.split('.').at(-1)))];
        throw api.error(
          'ANNEAL_E_NO_TARGET',
          `no linear layer matches \`targetModules\` ${JSON.stringify(settings.targetModules)}`,
          {
            fix:
              ends.length === 0
                ? 'this model has no linear layers'
                : `use ends of module paths, such as ${ends.join(', ')}`,
          },
        );
      }
      if (adaptersOf(model.graph).length > 0) {
        throw api.error('ANNEAL_E_MODEL', 'the model already has adapters', { fix: 'use `lora` in one stage only' });
      }
      for (const layer of layers) {
        const { r } = adapterFor(layer, settings);
        const limit = Math.min(layer.inDim, layer.outDim);
        if (r > limit) {
          throw api.error(
            'ANNEAL_E_OPTIONS',
            `rank ${r} exceeds the layer "${layer.path}" [${layer.inDim}, ${layer.outDim}]`,
            {
              path: ['r'],
              fix: `use \`r\` of at most ${limit}, or leave the layer out with \`excludeModules\``,
            },
          );
        }
      }
      const graph = addAdapters(model.graph, settings, seed);
      api.logger.info(`adapting ${layers.length} layers with rank ${settings.r}`);
      return { ...model, graph };
    });

    api.hooks.compress.transformModel.tap(async (model) => ({ ...model, graph: await foldAdapters(model.graph) }), {
      stage: STAGE.FOLD,
    });

    api.hooks.emit.emit.tap(async ({ trained, task, write }) => {
      if (adaptersOf(trained.graph).length === 0) return;
      await write('adapter/adapter_config.json', adapterConfig(trained.graph, settings, task.kind));
      await write('adapter/adapter_model.safetensors', await adapterTensors(trained.graph, settings));
    });
  },
});
