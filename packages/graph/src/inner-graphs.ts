import type { Attribute, Attributes, Graph, Node, Value } from './ir.ts';

/** The graphs that a node runs: branches of `If`, bodies of `Loop` and `Scan`. */
export function innerGraphs({ attributes }: Pick<Node, 'attributes'>): Graph[] {
  return Object.values(attributes).flatMap((attribute) => ('graph' in attribute ? [attribute.graph] : []));
}

/** Values from around it that a graph uses. */
function capturesOf(graph: Graph): Set<Value> {
  const own = new Set<Value>([...graph.inputs.values(), ...graph.constants.keys()]);
  const captured = new Set<Value>();
  for (const { value } of graph.parameters.values()) own.add(value);
  const use = (value: Value | undefined): void => {
    if (value && !own.has(value)) captured.add(value);
  };
  for (const node of graph.nodes) {
    for (const value of usedBy(node)) use(value);
    for (const value of node.outputs) if (value) own.add(value);
  }
  for (const value of graph.outputs.values()) use(value);
  return captured;
}

/** Everything that a node reads: its inputs, and what its inner graphs use from around them. */
export function usedBy(node: Pick<Node, 'inputs' | 'attributes'>): readonly (Value | undefined)[] {
  const inner = innerGraphs(node);
  return inner.length === 0 ? node.inputs : [...node.inputs, ...inner.flatMap((graph) => [...capturesOf(graph)])];
}

/** Attributes whose inner graphs use other values from around them. */
export function withCaptures(attributes: Attributes, replaced: (value: Value) => Value): Attributes {
  if (!Object.values(attributes).some((attribute) => 'graph' in attribute)) return attributes;
  return Object.fromEntries(
    Object.entries(attributes).map(([name, attribute]): [string, Attribute] => [
      name,
      'graph' in attribute ? { graph: substitute(attribute.graph, replaced) } : attribute,
    ]),
  );
}

/** A graph whose own values stay what they are. */
function substitute(graph: Graph, replaced: (value: Value) => Value): Graph {
  const captured = capturesOf(graph);
  const map = (value: Value): Value => (captured.has(value) ? replaced(value) : value);
  const nodes = graph.nodes.map((node) => ({
    ...node,
    inputs: node.inputs.map((value) => value && map(value)),
    attributes: withCaptures(node.attributes, map),
  }));
  const outputs = new Map([...graph.outputs].map(([name, value]) => [name, map(value)]));
  return { ...graph, nodes, outputs };
}
