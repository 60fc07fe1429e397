import { AnnealError } from '@anneal/core';
import {
  attr,
  type Graph,
  linearLayers,
  loadTensor,
  type Node,
  type NodeRewriter,
  type Parameter,
  type ParameterRewriter,
  rewrite,
  sizeOf,
  type TensorData,
  type Value,
} from '@anneal/graph';

import type { ResolvedOptions } from './options.ts';
import { type Scheme, type SchemeContext, SCHEMES, type WeightRef } from './schemes.ts';

/** A graph at low precision, and the names of the weights that were replaced. */
export interface QuantizedGraph {
  /** With the new weights. */
  readonly graph: Graph;
  /** Weights of products. */
  readonly linears: readonly string[];
  /** Tables whose rows are looked up. */
  readonly tables: readonly string[];
  /** Weights that are only stored at low precision. */
  readonly stored: readonly string[];
}

/**
 * Quantizes what the options and `mayQuantize` allow.
 *
 * @throws AnnealError `ANNEAL_E_MODEL` when a weight is not finite.
 */
export async function quantizeGraph(
  graph: Graph,
  options: ResolvedOptions,
  mayQuantize: (name: string, parameter: Parameter) => boolean = () => true,
): Promise<QuantizedGraph> {
  const scheme = SCHEMES[options.scheme];
  const allowed = [...graph.parameters]
    .filter(([name, parameter]) => isAllowed(name, parameter, options) && mayQuantize(name, parameter))
    .map(([name]) => name);
  const { linears, tables, stored } = chooseWeights(graph, scheme, new Set(allowed), options);
  const weights = new Map<string, WeightRef>();
  for (const name of [...linears.values(), ...tables.values(), ...stored]) {
    if (!weights.has(name)) weights.set(name, { name, data: await finite(graph, name) });
  }
  const weightOf = (name: string): WeightRef => weights.get(name) as WeightRef;
  const kept = new Set<string>();

  const context: SchemeContext = { limit: options.reduceRange ? 63 : 127, shared: new Map() };
  const node: NodeRewriter = (original, inputs, g) => {
    const [first, second] = inputs as [Value, Value];
    const [weight, table] = [linears.get(original), tables.get(original)];
    return g.scope(original.scope, () => {
      if (weight !== undefined) return [scheme.linear?.(g, first, weightOf(weight), context)];
      return table === undefined ? undefined : [scheme.table?.(g, second, weightOf(table))];
    });
  };
  const parameter: ParameterRewriter = (name, _, g) => {
    if (!stored.has(name)) return undefined;
    const value = scheme.stored?.(g, weightOf(name));
    if (value === undefined) kept.add(name);
    return value;
  };
  return {
    graph: rewrite(graph, { node, parameter }),
    linears: [...new Set(linears.values())],
    tables: [...new Set(tables.values())],
    stored: [...stored].filter((name) => !kept.has(name)),
  };
}

function isAllowed(name: string, { data }: Parameter, { minElements, exclude }: ResolvedOptions): boolean {
  if (data.dtype !== 'float32' || sizeOf(data.shape) < minElements) return false;
  return !exclude.some((end) => belongsTo(name, end));
}

/** Whether a parameter belongs to a module whose path ends with `end`, or to one below it. */
export function belongsTo(parameter: string, end: string): boolean {
  return `.${parameter}.`.includes(`.${end}.`);
}

interface Choice {
  /** Names of weights by the node that uses them. */
  readonly linears: ReadonlyMap<Node, string>;
  readonly tables: ReadonlyMap<Node, string>;
  readonly stored: ReadonlySet<string>;
}

/** A weight is replaced where all of its uses are: otherwise the file would hold it twice. */
function chooseWeights(graph: Graph, scheme: Scheme, allowed: ReadonlySet<string>, options: ResolvedOptions): Choice {
  const products = new Map([...linearLayers(graph)].map(([node, { weight }]) => [node, weight]));
  const lookUps = lookUpsOf(graph);
  const uses = usesOf(graph);
  const complete = (nodes: ReadonlyMap<Node, string>, use: unknown): ReadonlyMap<Node, string> => {
    if (use === undefined) return new Map();
    const counts = new Map<string, number>();
    for (const name of nodes.values()) counts.set(name, (counts.get(name) ?? 0) + 1);
    return new Map([...nodes].filter(([, name]) => allowed.has(name) && counts.get(name) === uses.get(name)));
  };
  const linears = complete(products, scheme.linear);
  const tables = complete(lookUps, options.embeddings ? scheme.table : undefined);
  const skipped = options.embeddings ? new Set<string>() : new Set(lookUps.values());
  const stored = [...allowed].filter((name) => scheme.stored !== undefined && !skipped.has(name));
  return { linears, tables, stored: new Set(stored) };
}

/** Nodes that look up rows of a parameter of two dimensions, with its name. */
function lookUpsOf(graph: Graph): ReadonlyMap<Node, string> {
  const names = new Map<Value, string>([...graph.parameters].map(([name, { value }]) => [value, name]));
  const found = new Map<Node, string>();
  for (const node of graph.nodes) {
    const [table] = node.inputs;
    const name = table && names.get(table);
    if (node.op !== 'Gather' || name === undefined || attr.int(node, 'axis', 0) !== 0) continue;
    if (table?.rank === 2) found.set(node, name);
  }
  return found;
}

/** How often each parameter is used: by nodes, and as an output. */
function usesOf(graph: Graph): ReadonlyMap<string, number> {
  const counts = new Map<Value, number>();
  const count = (value: Value | undefined): void => {
    if (value !== undefined) counts.set(value, (counts.get(value) ?? 0) + 1);
  };
  for (const node of graph.nodes) node.inputs.forEach(count);
  for (const value of graph.outputs.values()) count(value);
  return new Map([...graph.parameters].map(([name, { value }]) => [name, counts.get(value) ?? 0]));
}

async function finite(graph: Graph, name: string): Promise<TensorData> {
  const data = await loadTensor((graph.parameters.get(name) as Parameter).data);
  const bad = (data.data as Float32Array).findIndex((value) => !Number.isFinite(value));
  if (bad < 0) return data;
  throw new AnnealError('ANNEAL_E_MODEL', `the weight "${name}" has ${data.data[bad]} at element ${bad}`, {
    plugin: 'quantize',
    fix: 'the weights are damaged, or training went astray: check the stage before',
  });
}
