import { definePlugin, type PluginFactory, STAGE } from '@anneal/core';

import { options, type QuantizeOptions, type ResolvedOptions } from './options.ts';
import { quantizeGraph } from './quantize.ts';
import { SCHEMES } from './schemes.ts';

/**
 * Replaces float weights by integers (Jacob et al., 2018, section 2; per-channel weights as Krishnamoorthi, 2018,
 * section 2.3). The result is compared with the full-precision model by the core and said in the report.
 */
export const quantize: PluginFactory<QuantizeOptions> = definePlugin<QuantizeOptions, ResolvedOptions>({
  name: 'quantize',
  version: '0.1.0',
  options,
  setup(api, settings) {
    api.hooks.compress.transformModel.tap(
      async (model, ctx) => {
        const { graph, linears, tables } = await quantizeGraph(model.graph, settings, ctx.mayCompress);
        if (linears.length + tables.length === 0) {
          throw api.error('ANNEAL_E_NO_TARGET', 'no weight can be quantized', {
            fix: `lower \`minElements\` (now ${settings.minElements}) or shorten \`exclude\``,
          });
        }
        api.logger.info(`quantized ${linears.length} linear layers and ${tables.length} tables to ${settings.scheme}`);
        return { ...model, graph, variant: SCHEMES[settings.scheme].variant };
      },
      { stage: STAGE.QUANTIZE },
    );
  },
});
