import { type CompileOptions, type Graph, rematerialize } from '@anneal/graph';
import type { DeviceName } from './devices.ts';
import { fuse, hasFixedWork } from './lower/fuse.ts';
import { lower } from './lower/index.ts';
import type { SessionConfig } from './protocol.ts';

/** Training programs come optimized; what the runtime alone can do is to compute from weights once. */
export function optimizationOf(graph: Graph, purpose: SessionConfig['purpose']): SessionConfig['optimization'] {
  if (purpose === 'inference') return 'all';
  return hasFixedWork(graph) ? 'basic' : 'disabled';
}

/** The graph that the runtime gets. */
export function prepare(
  source: Graph,
  { purpose, loss }: Pick<CompileOptions, 'purpose' | 'loss'>,
  device: DeviceName = 'cpu',
): Graph {
  if (purpose !== 'training') return lower(source, device);
  // Last of all: what is computed again looks like what could be computed once.
  const fused = fuse(lower(source, device), device);
  return loss === undefined ? fused : rematerialize(fused, loss);
}

/** The module of the first node of each operator: where an error of that operator most likely is. */
export function modulesOf(graph: Graph): Map<string, string> {
  const modules = new Map<string, string>();
  for (const { op, scope } of graph.nodes) if (!modules.has(op)) modules.set(op, scope);
  return modules;
}
