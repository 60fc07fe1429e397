import { type Graph, type GraphBuilder, type Node, opKey, rewrite } from '@anneal/graph';
import { COMPOSED } from './composed.ts';
import { widen } from './widen.ts';

/**
 * The graph with everything that the CPU provider of ONNX Runtime 1.30 lacks, or computes wrongly, composed of what it
 * has: whole operators by `COMPOSED`, element types by `widen`.
 */
export function lower(graph: Graph): Graph {
  const version = (domain: string): number => graph.opsets[domain] ?? 1;
  return rewrite(graph, {
    node: (node, inputs, g) => {
      const key = opKey(node.domain, node.op);
      const compose = Object.hasOwn(COMPOSED, key) ? COMPOSED[key] : undefined;
      return inScope(g, node, () => compose?.(node, inputs, g, version) ?? widen(key, node, inputs, g));
    },
  });
}

/** Runs `fn` so that its nodes belong to the module of the node that they replace. */
function inScope<T>(g: GraphBuilder, { scope }: Node, fn: () => T): T {
  return scope === '' ? fn() : g.scope(scope, fn);
}
