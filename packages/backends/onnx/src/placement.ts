import { type Attributes, type Graph, GraphBuilder, type HostNodes, type Node, opKey, type Value } from '@anneal/graph';

/** Nodes that a device has kernels for, or not, all alike: of one operator, with the same attributes and types. */
interface Kind {
  readonly key: string;
  readonly nodes: Node[];
}

/**
 * The nodes of a graph that a device has no kernel for, by operator. The runtime says no more than that there are some;
 * each kind of node is asked for in a graph of its own. Sizes and indices that it computes on the CPU though the device
 * could are not among them.
 */
export async function hostNodes(graph: Graph, places: (one: Graph) => Promise<boolean>): Promise<readonly HostNodes[]> {
  const missing = new Map<string, Node[]>();
  for (const { key, nodes } of kindsOf(graph)) {
    const [node] = nodes as [Node];
    if (!hasInnerGraph(node.attributes) && (await places(alone(node, graph)))) continue;
    missing.set(key, [...(missing.get(key) ?? []), ...nodes]);
  }
  return [...missing].map(([op, nodes]) => ({
    op,
    count: nodes.length,
    modules: [...new Set(nodes.map(({ scope }) => scope).filter((scope) => scope !== ''))],
  }));
}

function kindsOf({ nodes, constants }: Graph): Iterable<Kind> {
  const kinds = new Map<string, Kind>();
  for (const node of nodes) {
    const key = opKey(node.domain, node.op);
    const types = [...node.inputs, ...node.outputs].map(
      (value) => value && [value.dtype, value.rank, constants.has(value)],
    );
    const signature = JSON.stringify([key, types, node.attributes], (_, value: unknown) =>
      typeof value === 'bigint' ? `${value}` : value,
    );
    const known = kinds.get(signature);
    if (known === undefined) kinds.set(signature, { key, nodes: [node] });
    else known.nodes.push(node);
  }
  return kinds.values();
}

/** A graph of one node, whose other inputs are fed. */
function alone(node: Node, { constants, opsets }: Graph): Graph {
  const g = new GraphBuilder();
  const copies = new Map<Value, Value>();
  const inputs = node.inputs.map((value) => {
    if (value === undefined) return undefined;
    const data = constants.get(value);
    const copy = copies.get(value) ?? (data ? g.constant(data) : g.input(`x${copies.size}`, value.dtype, value.shape));
    copies.set(value, copy);
    return copy;
  });
  const outputs = g.node(node.op, inputs, {
    domain: node.domain,
    attributes: node.attributes,
    outputs: node.outputs.map((value) => value !== undefined),
    types: node.outputs.map((value) => ({ dtype: value?.dtype ?? 'float32', shape: value?.shape ?? [] })),
  });
  outputs.forEach((value, i) => value && g.output(`y${i}`, value));
  return g.build({ opsets });
}

function hasInnerGraph(attributes: Attributes): boolean {
  return Object.values(attributes).some((value) => 'graph' in value || 'graphs' in value);
}
