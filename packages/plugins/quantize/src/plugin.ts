import { definePlugin, type Model, type PluginApi, type PluginFactory, STAGE } from '@anneal/core';

import { options, type QuantizeOptions, type ResolvedOptions } from './options.ts';
import { belongsTo, quantizeGraph } from './quantize.ts';
import { SCHEMES } from './schemes.ts';

/**
 * Replaces float32 weights by smaller ones (Jacob et al., 2018, section 2; per-channel weights as Krishnamoorthi, 2018,
 * section 2.3). Core compares the result with the full-precision model and says so in the report.
 */
export const quantize: PluginFactory<QuantizeOptions> = definePlugin<QuantizeOptions, ResolvedOptions>({
  name: 'quantize',
  version: '0.1.0',
  options,
  setup(api, settings) {
    api.hooks.compress.transformModel.tap(
      async (model, ctx) => {
        const { scheme, exclude } = settings;
        warnOfUnknown(api, model, exclude);
        const { graph, linears, tables, stored } = await quantizeGraph(model.graph, settings, (name, parameter) =>
          ctx.mayCompress(name, parameter),
        );
        if (linears.length + tables.length + stored.length === 0) {
          throw api.error('ANNEAL_E_NO_TARGET', 'no weight can be quantized', {
            fix: `lower \`minElements\` (now ${settings.minElements}) or shorten \`exclude\``,
          });
        }
        const what =
          stored.length > 0
            ? `${stored.length} weights`
            : `${linears.length} linear layers and ${tables.length} tables`;
        api.logger.info(`quantized ${what} to ${scheme}`);
        return { ...model, graph, variant: SCHEMES[scheme].variant };
      },
      { stage: STAGE.QUANTIZE },
    );
  },
});

/** A name that matches nothing is most likely misspelt. */
function warnOfUnknown(api: PluginApi, { graph }: Model, exclude: readonly string[]): void {
  for (const name of exclude) {
    if ([...graph.parameters.keys()].some((parameter) => belongsTo(parameter, name))) continue;
    api.logger.warn(`\`exclude\` names "${name}", which this model does not have`);
  }
}
