import {
  attr,
  type Graph,
  linearLayers,
  loadTensor,
  type Node,
  type NodeRewriter,
  type Parameter,
  rewrite,
  type TensorData,
  type Value,
} from '@anneal/graph';

import { quantizeRows } from './int8.ts';
import type { ResolvedOptions } from './options.ts';
import { type LinearContext, SCHEMES } from './schemes.ts';

/** A graph with low-precision products and tables, and the weights that were replaced. */
export interface QuantizedGraph {
  readonly graph: Graph;
  readonly linears: readonly string[];
  readonly tables: readonly string[];
}

/** Quantizes what the options and `mayQuantize` allow. */
export async function quantizeGraph(
  graph: Graph,
  options: ResolvedOptions,
  mayQuantize: (name: string, parameter: Parameter) => boolean = () => true,
): Promise<QuantizedGraph> {
  const allowed = (name: string): boolean => {
    const parameter = graph.parameters.get(name);
    if (parameter === undefined || parameter.data.dtype !== 'float32' || parameter.data.shape.length !== 2)
      return false;
    if (parameter.data.shape.reduce((a, b) => a * b, 1) < options.minElements) return false;
    const path = name.replace(/\.weight$/, '');
    const excluded = options.exclude.some((end) => path === end || path.endsWith(`.${end}`));
    return !excluded && mayQuantize(name, parameter);
  };
  const linears = new Map(
    [...linearLayers(graph)].filter(([, { weight }]) => allowed(weight)).map(([node, { weight }]) => [node, weight]),
  );
  const tables = options.embeddings ? embeddingTables(graph, allowed) : new Map<Node, string>();
  const data = new Map<string, TensorData>();
  for (const name of [...linears.values(), ...tables.values()]) {
    if (!data.has(name)) data.set(name, await loadTensor((graph.parameters.get(name) as Parameter).data));
  }

  const scheme = SCHEMES[options.scheme];
  const context: LinearContext = { limit: options.reduceRange ? 63 : 127, shared: new Map() };
  const replace: NodeRewriter = (node, inputs, g) => {
    const weight = linears.get(node);
    const [first, second] = inputs as [Value, Value];
    if (weight !== undefined) {
      return [g.scope(node.scope, () => scheme.linear(g, first, data.get(weight) as TensorData, weight, context))];
    }
    const table = tables.get(node);
    if (table === undefined) return undefined;
    return g.scope(node.scope, () => {
      const { values, scales } = quantizeRows(data.get(table) as TensorData);
      const rows = g.ops.take(g.parameter(`${table}_quantized`, values), second);
      const scale = g.ops.take(g.parameter(`${table}_scale`, scales), second);
      return [g.ops.mul(g.ops.cast(rows, 'float32'), scale)];
    });
  };
  return {
    graph: rewrite(graph, { node: replace }),
    linears: [...new Set(linears.values())],
    tables: [...new Set(tables.values())],
  };
}

/** Look-ups in a table that nothing else uses: a tied table must stay as it is for the other use. */
function embeddingTables(graph: Graph, allowed: (name: string) => boolean): Map<Node, string> {
  const names = new Map<Value, string>([...graph.parameters].map(([name, { value }]) => [value, name]));
  const uses = new Map<Value, number>();
  for (const node of graph.nodes)
    for (const value of node.inputs) if (value) uses.set(value, (uses.get(value) ?? 0) + 1);
  const tables = new Map<Node, string>();
  for (const node of graph.nodes) {
    const [table] = node.inputs;
    const name = table && names.get(table);
    if (node.op !== 'Gather' || name === undefined || attr.int(node, 'axis', 0) !== 0) continue;
    if (uses.get(table as Value) === 1 && allowed(name)) tables.set(node, name);
  }
  return tables;
}
