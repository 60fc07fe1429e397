import { definePlugin, type PluginFactory } from '@anneal/core';

import { runAudit } from './audit/audit.ts';
import { createLexicon } from './names/groups.ts';
import { findSources, loadNames } from './names/load.ts';
import { type BiasAuditOptions, options, type ResolvedOptions } from './options.ts';

/**
 * Asks whether a text classifier's answer depends on whose first name a text has, by swapping names (counterfactual
 * fairness: Kusner et al., 2017; counterfactual token fairness: Garg et al., 2019). Taps `evaluate.auditModel`; writes the
 * section `bias`.
 */
export const biasAudit: PluginFactory<BiasAuditOptions> = definePlugin<BiasAuditOptions, ResolvedOptions>({
  name: 'bias-audit',
  version: '0.1.0',
  options,
  async setup(api, settings) {
    // A package that is missing is found before anything is trained.
    const sources = await findSources(settings.groups, api.root);
    for (const source of sources.values()) if ('module' in source) api.dependsOn(source.module.witness);

    api.hooks.evaluate.auditModel.tap(async (ctx, report) => {
      const lists = new Map<string, readonly string[]>();
      for (const [group, source] of sources) lists.set(group, await loadNames(group, source));
      report(api.own('bias'), await runAudit(ctx, createLexicon(lists), settings, api.logger));
    });
  },
});
