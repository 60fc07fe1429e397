import { attr, type Graph, type Node, type Value } from './ir.ts';

/** A product with a weight matrix: what adapters, quantization and pruning work on. */
export interface LinearLayer {
  /** Module path: the weight's name without `.weight`. */
  readonly path: string;
  /** Name of the weight in `Graph.parameters`, `[in, out]`. */
  readonly weight: string;
  /** Size of its input. */
  readonly inDim: number;
  /** Size of its output. */
  readonly outDim: number;
}

/** The products `x @ W` with a parameter `W` of two dimensions, by node, in execution order. */
export function linearLayers(graph: Graph): ReadonlyMap<Node, LinearLayer> {
  const names = new Map<Value, string>([...graph.parameters].map(([name, { value }]) => [value, name]));
  const layers = new Map<Node, LinearLayer>();
  for (const node of graph.nodes) {
    if (node.op !== 'MatMul' || node.domain !== '') continue;
    const value = node.inputs[1];
    const weight = value && names.get(value);
    if (value === undefined || weight === undefined || value.rank !== 2) continue;
    const [inDim, outDim] = value.dims as [number, number];
    layers.set(node, { path: weight.replace(/\.weight$/, ''), weight, inDim, outDim });
  }
  return layers;
}

/** The look-ups of rows in a table of two dimensions, by node: `inDim` is the number of rows, `outDim` their width. */
export function embeddingLayers(graph: Graph): ReadonlyMap<Node, LinearLayer> {
  const names = new Map<Value, string>([...graph.parameters].map(([name, { value }]) => [value, name]));
  const layers = new Map<Node, LinearLayer>();
  for (const node of graph.nodes) {
    const [table] = node.inputs;
    const weight = table && names.get(table);
    if (node.op !== 'Gather' || table === undefined || weight === undefined || table.rank !== 2) continue;
    if (attr.int(node, 'axis', 0) !== 0) continue;
    const [inDim, outDim] = table.dims as [number, number];
    layers.set(node, { path: weight.replace(/\.weight$/, ''), weight, inDim, outDim });
  }
  return layers;
}
