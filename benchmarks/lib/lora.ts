import type { Model } from '@anneal/core';

import { insertAdapters, planAdapters, selectLayers } from '../../packages/plugins/lora/src/adapters.ts';
import type { ResolvedOptions } from '../../packages/plugins/lora/src/options.ts';
import { createSelection } from '../../packages/plugins/lora/src/targets.ts';

const LORA: ResolvedOptions = {
  r: 8,
  loraAlpha: 16,
  loraDropout: 0,
  targetModules: ['q_proj', 'v_proj'],
  excludeModules: [],
  modulesToSave: [],
  rankPattern: {},
  alphaPattern: {},
  useRslora: false,
  useDora: false,
  initLoraWeights: true,
} as ResolvedOptions;

/** The model with adapters of rank 8 on the projections of queries and values. */
export async function withLora(model: Model): Promise<Model> {
  const selection = await createSelection(LORA);
  const targets = [...selectLayers(model.graph, selection).values()];
  const planned = await planAdapters(model.graph, targets, selection, LORA, 1);
  const facts = { dropout: 0, rslora: false, dora: false, modulesToSave: [] };
  return { ...model, graph: insertAdapters(model.graph, planned, facts) };
}
