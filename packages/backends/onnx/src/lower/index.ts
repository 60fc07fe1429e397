import { type Graph, type GraphBuilder, type Node, opKey, rewrite } from '@anneal/graph';
import type { DeviceName } from '../devices.ts';
import { COMPOSED, type Composition } from './composed.ts';
import { refuseInt8, WEBGPU } from './webgpu.ts';
import { widen } from './widen.ts';

type Compositions = Readonly<Record<string, Composition>>;

const NO_INT8: Compositions = { 'anneal.Int8Linear': refuseInt8 };

/** What a device composes, before what all do. */
const LACKED: Readonly<Record<DeviceName, Compositions>> = {
  cpu: {},
  webgpu: WEBGPU,
  cuda: NO_INT8,
  coreml: NO_INT8,
  dml: NO_INT8,
};

/**
 * The graph with everything that the CPU provider of ONNX Runtime 1.30 lacks, or computes wrongly, composed of what it
 * has: whole operators by `COMPOSED`, element types by `widen`.
 */
export function lower(graph: Graph, device: DeviceName = 'cpu'): Graph {
  const tables = [LACKED[device], COMPOSED];
  const version = (domain: string): number => graph.opsets[domain] ?? 1;
  return rewrite(graph, {
    node: (node, inputs, g) => {
      const key = opKey(node.domain, node.op);
      return inScope(g, node, () => {
        for (const table of tables) {
          const composed = Object.hasOwn(table, key) ? table[key]?.(node, inputs, g, version) : undefined;
          if (composed !== undefined) return composed;
        }
        return widen(key, node, inputs, g) ?? (device === 'webgpu' ? withoutAbsent(node, inputs, g) : undefined);
      });
    },
  });
}

/** Without inputs at the end that are not there: the Conv of WebGPU would read one, and end the process. */
function withoutAbsent(node: Node, inputs: Node['inputs'], g: GraphBuilder): Node['outputs'] | undefined {
  const length = inputs.findLastIndex((value) => value !== undefined) + 1;
  if (length === inputs.length) return undefined;
  return g.node(node.op, inputs.slice(0, length), {
    domain: node.domain,
    attributes: node.attributes,
    outputs: node.outputs.map((value) => value !== undefined),
    types: node.outputs.map((value) => ({ dtype: value?.dtype ?? 'float32', shape: value?.shape ?? [] })),
  });
}

/** Runs `fn` so that its nodes belong to the module of the node that they replace. */
function inScope<T>(g: GraphBuilder, { scope }: Node, fn: () => T): T {
  return scope === '' ? fn() : g.scope(scope, fn);
}
