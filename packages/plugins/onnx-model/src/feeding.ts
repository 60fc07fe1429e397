import { type Graph, GraphBuilder, inline, type Value } from '@anneal/graph';

import { PAST } from './axes.ts';

/**
 * The graph with only the inputs that data fills: unused ones go, a cache of earlier tokens is empty, and positions are
 * counted from the attention mask, as Transformers does it.
 */
export function fedByData(graph: Graph): Graph {
  const used = new Set<Value | undefined>(graph.nodes.flatMap(({ inputs }) => inputs));
  for (const value of graph.outputs.values()) used.add(value);
  const g = new GraphBuilder();
  const inputs: Record<string, Value> = {};
  const isMade = (name: string): boolean => PAST.test(name) || name === 'position_ids';
  for (const [name, value] of graph.inputs) {
    if (used.has(value) && !isMade(name)) inputs[name] = g.input(name, value.dtype, value.shape);
  }
  const ids = inputs['input_ids'] ?? Object.values(inputs)[0];
  const left = new Set<string>();
  for (const [name, value] of graph.inputs) {
    if (inputs[name] !== undefined || ids === undefined) continue;
    if (!used.has(value)) inputs[name] = g.scalar(0, value.dtype);
    else if (PAST.test(name)) inputs[name] = emptyPast(g, ids, value);
    else if (value.rank === 2) inputs[name] = positions(g, ids, inputs['attention_mask'], value);
    else left.add(name);
  }
  const outputs = inline(g, graph, { inputs });
  for (const [name, value] of Object.entries(outputs)) g.output(name, value);
  return g.build({ name: graph.name, opsets: graph.opsets, metadata: graph.metadata });
}

/** `[batch, heads, 0, size]`. */
function emptyPast(g: GraphBuilder, ids: Value, past: Value): Value {
  const batch = g.one('Shape', [ids], { attributes: { start: { int: 0 }, end: { int: 1 } } });
  const rest = g.ints(past.shape.slice(1).map((dim) => (typeof dim === 'number' ? dim : 0)));
  const zeros = g.one('ConstantOfShape', [g.one('Concat', [batch, rest], { attributes: { axis: { int: 0 } } })]);
  return g.ops.cast(zeros, past.dtype);
}

/** The place of each token among those that are no padding; of padding, that of the last one. */
function positions(g: GraphBuilder, ids: Value, mask: Value | undefined, wanted: Value): Value {
  const { ops } = g;
  const counted = mask === undefined ? ops.add(ops.mul(ids, 0), 1) : mask;
  const count = g.one('CumSum', [ops.cast(counted, wanted.dtype), g.scalar(1, 'int64')]);
  return ops.maximum(ops.sub(count, 1), 0);
}
