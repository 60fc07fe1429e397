import { formatError } from '../error.ts';
import type { GraphProto, NodeProto } from './proto/onnx_pb.ts';

/**
 * The nodes of one graph, each after everything it uses. ONNX demands that order, yet some writers do not keep it.
 *
 * @throws GraphError `ANNEAL_E_FORMAT` for a cycle, or a value that two nodes produce.
 */
export function sortNodes(nodes: readonly NodeProto[], file: string): readonly NodeProto[] {
  const producer = new Map<string, number>();
  nodes.forEach((node, i) => {
    for (const name of node.output) {
      if (name === '') continue;
      if (producer.has(name)) {
        throw formatError({ file, tensor: name, node: node.name }, 'two nodes produce a value of this name');
      }
      producer.set(name, i);
    }
  });
  const needs = nodes.map((node) => {
    const found = new Set<number>();
    for (const name of usedNames(node)) {
      const at = producer.get(name);
      if (at !== undefined) found.add(at);
    }
    return found;
  });
  if (needs.every((found, i) => [...found].every((at) => at < i))) return nodes;
  return topological(nodes, needs, file);
}

function topological(nodes: readonly NodeProto[], needs: readonly ReadonlySet<number>[], file: string): NodeProto[] {
  const users = nodes.map((): number[] => []);
  const waiting = needs.map((found, i) => {
    for (const at of found) users[at]?.push(i);
    return found.size;
  });
  const ready = [...nodes.keys()].filter((i) => waiting[i] === 0);
  const sorted: NodeProto[] = [];
  for (const i of ready) {
    sorted.push(nodes[i] as NodeProto);
    for (const user of users[i] as number[]) {
      const left = (waiting[user] as number) - 1;
      waiting[user] = left;
      if (left === 0) ready.push(user);
    }
  }
  if (sorted.length < nodes.length) {
    const stuck = nodes[waiting.findIndex((left) => left > 0)];
    throw formatError({ file, node: stuck?.name }, 'the node needs its own output: the graph has a cycle');
  }
  return sorted;
}

/** Names that a node uses, also inside its inner graphs. */
function* usedNames(node: NodeProto): Generator<string> {
  yield* node.input;
  for (const { g } of node.attribute) if (g) yield* usedInside(g);
}

/** Names from outside that a graph uses. */
function* usedInside(graph: GraphProto): Generator<string> {
  const own = new Set([...graph.input, ...graph.initializer].map(({ name }) => name));
  for (const { output } of graph.node) for (const name of output) own.add(name);
  for (const node of graph.node) for (const name of usedNames(node)) if (!own.has(name)) yield name;
  for (const { name } of graph.output) if (!own.has(name)) yield name;
}
