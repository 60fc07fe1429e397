import { type Graph, type LinearLayer, linearLayers, type Node } from '@anneal/graph';

import type { ResolvedOptions } from './options.ts';

/** Whether a module path ends with one of the names, at a dot: PEFT's rule for lists. */
export function endsWithAny(path: string, names: readonly string[]): boolean {
  return names.some((name) => path === name || path.endsWith(`.${name}`));
}

/** The value of the first pattern that a path ends with. */
export function byPattern(path: string, patterns: Readonly<Record<string, number>>, fallback: number): number {
  return Object.entries(patterns).find(([name]) => endsWithAny(path, [name]))?.[1] ?? fallback;
}

/** The linear layers that get adapters, by node. */
export function targetLayers(
  graph: Graph,
  { targetModules, excludeModules, modulesToSave }: ResolvedOptions,
): ReadonlyMap<Node, LinearLayer> {
  const matches = matcher(targetModules);
  return new Map(
    [...linearLayers(graph)].filter(
      ([, { path }]) => matches(path) && !endsWithAny(path, excludeModules) && !endsWithAny(path, modulesToSave),
    ),
  );
}

function matcher(targets: string | readonly string[]): (path: string) => boolean {
  if (typeof targets !== 'string') return (path) => endsWithAny(path, targets);
  if (targets === 'all-linear') return () => true;
  const pattern = new RegExp(`^(?:${targets})$`);
  return (path) => pattern.test(path);
}
