import { GraphBuilder } from './builder.ts';
import type { TensorType } from './infer/index.ts';
import { withCaptures } from './inner-graphs.ts';
import type { Dim, Graph, Node, Parameter, Shape, Value } from './ir.ts';

/**
 * Replaces one node while a graph is copied: returns the values of its outputs, or `undefined` to keep it. `inputs`
 * are the node's inputs in the new graph.
 */
export type NodeRewriter = (
  node: Node,
  inputs: readonly (Value | undefined)[],
  g: GraphBuilder,
) => readonly (Value | undefined)[] | undefined;

/** Replaces one parameter while a graph is copied: returns its value in the new graph, or `undefined` to keep it. */
export type ParameterRewriter = (name: string, parameter: Parameter, g: GraphBuilder) => Value | undefined;

/** Replaces one input while a graph is copied: returns its value in the new graph, or `undefined` to keep it. */
export type InputRewriter = (name: string, value: Value, g: GraphBuilder) => Value | undefined;

/** How {@link inline} copies. */
export interface InlineOptions {
  /** Values for the graph's inputs; those left out are declared as inputs of the new graph. */
  readonly inputs?: Readonly<Record<string, Value>> | undefined;
  /** Numbers (or other symbols) for symbolic dimensions. */
  readonly dims?: Readonly<Record<string, Dim>> | undefined;
  /** What a node becomes. */
  readonly node?: NodeRewriter | undefined;
  /** What an input becomes. */
  readonly input?: InputRewriter | undefined;
  /** What a parameter becomes. */
  readonly parameter?: ParameterRewriter | undefined;
}

/**
 * Copies `graph` into `g`, typing every node anew, and returns the values of its outputs by name. This is how graphs are
 * composed, bound to sizes and rewritten.
 */
export function inline(g: GraphBuilder, graph: Graph, options: InlineOptions = {}): Record<string, Value> {
  const { inputs = {}, dims = {}, node: rewrite, input: rewriteInput, parameter: rewriteParameter } = options;
  const map = new Map<Value, Value>();
  const own = <T>(record: Readonly<Record<string, T>>, name: string): T | undefined =>
    Object.hasOwn(record, name) ? record[name] : undefined;
  const bound = (shape: Shape): Shape => shape.map((dim) => (typeof dim === 'string' ? (own(dims, dim) ?? dim) : dim));
  for (const [name, value] of graph.inputs) {
    const given = own(inputs, name) ?? rewriteInput?.(name, value, g);
    map.set(value, given ?? g.input(name, value.dtype, bound(value.shape)));
  }
  for (const [name, parameter] of graph.parameters) {
    const { data, ...facts } = parameter;
    const kept = (): Value => g.findParameter(name)?.value ?? g.parameter(name, data, facts);
    map.set(parameter.value, rewriteParameter?.(name, parameter, g) ?? kept());
  }
  for (const [value, data] of graph.constants) map.set(value, g.constant(data, value.name));
  for (const original of graph.nodes) {
    const node = capturing(original, map);
    // What the graph does not have itself belongs to the graph around it.
    const args = node.inputs.map((value) => value && (map.get(value) ?? value));
    const results = rewrite?.(node, args, g) ?? copyNode(g, node, args, bound);
    node.outputs.forEach((value, i) => {
      const result = results[i];
      if (value && result) map.set(value, result);
    });
  }
  return Object.fromEntries([...graph.outputs].map(([name, value]) => [name, map.get(value) ?? value]));
}

/** The node with its inner graphs using the values of the new graph. */
function capturing(node: Node, map: ReadonlyMap<Value, Value>): Node {
  const attributes = withCaptures(node.attributes, (value) => map.get(value) ?? value);
  return attributes === node.attributes ? node : { ...node, attributes };
}

/** Appends a node of another graph, typed anew; `Shape` of a static tensor becomes a constant. */
export function copyNode(
  g: GraphBuilder,
  node: Node,
  inputs: readonly (Value | undefined)[],
  bound: (shape: Shape) => Shape,
): readonly (Value | undefined)[] {
  const shape = knownShape(node, inputs);
  if (shape !== undefined) return [g.ints(shape)];
  return g.node(node.op, inputs, {
    domain: node.domain,
    attributes: node.attributes,
    outputs: node.outputs.map((value) => value !== undefined),
    names: node.outputs.map((value) => value?.name),
    scope: node.scope,
    name: node.name,
    unknown: node.unknown,
    types: node.outputs.map((value): TensorType => ({
      dtype: value?.dtype ?? 'float32',
      shape: bound(value?.shape ?? []),
    })),
  });
}

/** The result of a `Shape` node whose input is static by now. */
function knownShape(node: Node, inputs: readonly (Value | undefined)[]): readonly number[] | undefined {
  const [x] = inputs;
  if (node.op !== 'Shape' || node.domain !== '' || x === undefined) return undefined;
  const at = (name: string, fallback: number): number => {
    const attribute = node.attributes[name];
    return attribute && 'int' in attribute ? attribute.int : fallback;
  };
  const part = x.shape.slice(at('start', 0), at('end', x.rank));
  return part.every((dim) => typeof dim === 'number') ? (part as readonly number[]) : undefined;
}

/** A copy of the graph with nodes or parameters replaced. */
export function rewrite(graph: Graph, options: InlineOptions): Graph {
  const g = new GraphBuilder();
  const outputs = inline(g, graph, options);
  for (const [name, value] of Object.entries(outputs)) g.output(name, value);
  return g.build(graph);
}

/** The graph with symbolic dimensions replaced: `bind(graph, { batch: 8, sequence: 128 })`. */
export function bind(graph: Graph, dims: Readonly<Record<string, Dim>>): Graph {
  return rewrite(graph, { dims });
}

/** The graph with other weights; names that are not given keep theirs. */
export function withParameters(
  graph: Graph,
  update: (name: string, parameter: Parameter) => Partial<Omit<Parameter, 'value'>> | undefined,
): Graph {
  const parameters = new Map(
    [...graph.parameters].map(([name, parameter]) => [name, { ...parameter, ...update(name, parameter) }]),
  );
  return { ...graph, parameters };
}

/** Every value of the graph, for readers. */
export function valuesOf(graph: Graph): Set<Value> {
  const values = new Set<Value>([...graph.inputs.values(), ...graph.constants.keys()]);
  for (const { value } of graph.parameters.values()) values.add(value);
  for (const node of graph.nodes) for (const value of node.outputs) if (value) values.add(value);
  return values;
}

/** Sizes needed to bind a graph: the symbols of its inputs. */
export function symbolsOf(graph: Graph): Set<string> {
  const symbols = new Set<string>();
  for (const value of graph.inputs.values()) {
    for (const dim of value.shape) if (typeof dim === 'string') symbols.add(dim);
  }
  return symbols;
}
