import type { Graph, LinearLayer, Node } from '@anneal/graph';

import { type AdapterKind, KINDS } from './kinds.ts';
import type { ResolvedOptions } from './options.ts';
import { endsWithAny, isBelowAny, pathMatcher, valuesByEnd } from './patterns.ts';

/** A layer that can have an adapter. */
export interface TargetLayer extends LinearLayer {
  readonly kind: AdapterKind;
}

/** Output layers, which `'all-linear'` leaves out as PEFT does. */
const HEADS: readonly string[] = ['classifier', 'score', 'lm_head'];

/** What the options say of layers, with every pattern compiled. */
export interface Selection {
  isTarget(layer: TargetLayer): boolean;
  /** Rank and alpha of a layer. */
  sizeOf(path: string): { readonly r: number; readonly alpha: number };
}

/** @throws AnnealError `ANNEAL_E_OPTIONS` for a regular expression that is none. */
export async function createSelection(options: ResolvedOptions): Promise<Selection> {
  const { targetModules, excludeModules, modulesToSave, r, loraAlpha } = options;
  const wanted = targetModules === 'all-linear' ? undefined : await pathMatcher(targetModules, ['targetModules']);
  const excluded = await pathMatcher(excludeModules, ['excludeModules']);
  const ranks = await valuesByEnd(options.rankPattern, ['rankPattern']);
  const alphas = await valuesByEnd(options.alphaPattern, ['alphaPattern']);
  const isWanted = ({ path, kind }: TargetLayer): boolean =>
    wanted === undefined ? kind === 'linear' && !endsWithAny(path, HEADS) : wanted(path);
  return {
    isTarget: (layer) => isWanted(layer) && !excluded(layer.path) && !isBelowAny(layer.path, modulesToSave),
    sizeOf: (path) => ({ r: ranks(path) ?? r, alpha: alphas(path) ?? loraAlpha }),
  };
}

/** Layers that can have adapters, by node: those with float32 weights. */
export function adaptableLayers(graph: Graph): ReadonlyMap<Node, TargetLayer> {
  return new Map(
    (Object.keys(KINDS) as AdapterKind[]).flatMap((kind) =>
      [...KINDS[kind].layers(graph)]
        .filter(([, { weight }]) => graph.parameters.get(weight)?.data.dtype === 'float32')
        .map(([node, layer]): [Node, TargetLayer] => [node, { ...layer, kind }]),
    ),
  );
}
