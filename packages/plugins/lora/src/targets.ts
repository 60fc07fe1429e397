import type { Graph, LinearLayer, Node } from '@anneal/graph';

import { type AdapterKind, KINDS } from './kinds.ts';
import type { ResolvedOptions } from './options.ts';

/** Whether a module path ends with one of the names, at a dot: PEFT's rule for lists. */
export function endsWithAny(path: string, names: readonly string[]): boolean {
  return names.some((name) => path === name || path.endsWith(`.${name}`));
}

/** The value of the first pattern that a path ends with. */
export function byPattern(path: string, patterns: Readonly<Record<string, number>>, fallback: number): number {
  return Object.entries(patterns).find(([name]) => endsWithAny(path, [name]))?.[1] ?? fallback;
}

/** A layer that gets an adapter. */
export interface TargetLayer extends LinearLayer {
  readonly kind: AdapterKind;
}

/** Layers that can have adapters, by node. */
export function adaptableLayers(graph: Graph): ReadonlyMap<Node, TargetLayer> {
  return new Map(
    (Object.keys(KINDS) as AdapterKind[]).flatMap((kind) =>
      [...KINDS[kind].layers(graph)].map(([node, layer]): [Node, TargetLayer] => [node, { ...layer, kind }]),
    ),
  );
}

/** The layers that the options give an adapter, by node. */
export function targetLayers(
  graph: Graph,
  { targetModules, excludeModules, modulesToSave }: ResolvedOptions,
): ReadonlyMap<Node, TargetLayer> {
  const matches = matcher(targetModules);
  return new Map(
    [...adaptableLayers(graph)].filter(
      ([, layer]) =>
        matches(layer) && !endsWithAny(layer.path, excludeModules) && !endsWithAny(layer.path, modulesToSave),
    ),
  );
}

function matcher(targets: string | readonly string[]): (layer: TargetLayer) => boolean {
  if (typeof targets !== 'string') return ({ path }) => endsWithAny(path, targets);
  if (targets === 'all-linear') return ({ kind }) => kind === 'linear';
  const pattern = new RegExp(`^(?:${targets})$`);
  return ({ path }) => pattern.test(path);
}
