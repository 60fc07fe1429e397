import { type Graph, type Node, opKey, type Value } from '@anneal/graph';

/** Operators that read an element before they write the one at its place, and no other after it. */
const ELEMENTWISE: ReadonlySet<string> = new Set(['Add', 'Div', 'Identity', 'Max', 'Min', 'Mul', 'Sub', 'Where']);
/** Operators whose result may be their input under another shape. */
const VIEWS: ReadonlySet<string> = new Set(['Flatten', 'Identity', 'Reshape', 'Squeeze', 'Unsqueeze']);

/**
 * The outputs among `updates` that may be written over the state that they replace. The runtime does not know that the two
 * share their memory, so that the order of the graph has to keep them apart: whatever reads the old value is needed for
 * the new one, whose operator goes from element to element.
 */
export function overwritable(graph: Graph, updates: Readonly<Record<string, string>>): Set<string> {
  const producers = new Map<Value, Node>();
  const readers = new Map<Value, Node[]>();
  for (const node of graph.nodes) {
    for (const value of node.outputs) if (value) producers.set(value, node);
    for (const value of node.inputs) {
      const known = value && readers.get(value);
      if (known) known.push(node);
      else if (value) readers.set(value, [node]);
    }
  }
  const outputs = new Set(graph.outputs.values());
  // What branches and loops read is not followed.
  const isFlat = graph.nodes.every(({ attributes }) => Object.values(attributes).every((value) => !('graph' in value)));
  const isSafe = (output: Value, old: Value): boolean => {
    const producer = producers.get(output);
    if (producer === undefined || !ELEMENTWISE.has(opKey(producer.domain, producer.op))) return false;
    if (output.shape.join() !== old.shape.join() || outputs.has(old)) return false;
    const before = ancestors(producer, producers);
    const views = [old];
    for (const view of views) {
      for (const reader of readers.get(view) ?? []) {
        if (!before.has(reader)) return false;
        if (reader === producer && view.shape.join() !== old.shape.join()) return false;
        if (reader === producer || !VIEWS.has(opKey(reader.domain, reader.op))) continue;
        const [value] = reader.outputs;
        if (value === undefined || outputs.has(value)) return false;
        views.push(value);
      }
    }
    return true;
  };
  const safe = new Set<string>();
  for (const [name, entry] of Object.entries(updates)) {
    const [output, old] = [graph.outputs.get(name), graph.inputs.get(entry)];
    if (output !== undefined && isFlat && (old === undefined || isSafe(output, old))) safe.add(name);
  }
  return safe;
}

/** The node and all that it depends on. */
function ancestors(node: Node, producers: ReadonlyMap<Value, Node>): ReadonlySet<Node> {
  const found = new Set([node]);
  // A set is visited in the order of insertion, what is added meanwhile included.
  for (const { inputs } of found) {
    for (const value of inputs) {
      const producer = value && producers.get(value);
      if (producer) found.add(producer);
    }
  }
  return found;
}
