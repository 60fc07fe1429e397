import { type Node, type Value } from '@anneal/graph';

/**
 * The order in which ONNX Runtime's sequential executor runs nodes: depth first from the last node without consumers
 * to the first, and of a node's producers the one latest in the file first. It is not the order of the file.
 *
 * Source: `GraphViewer::GraphViewer` and `Graph::ReverseDFSFrom`, onnxruntime 1.30; checked against its profiler.
 */
export function executionOrder(nodes: readonly Node[]): readonly Node[] {
  const producer = new Map<Value, number>();
  nodes.forEach(({ outputs }, at) => {
    for (const value of outputs) if (value) producer.set(value, at);
  });
  const sources = nodes.map(({ inputs }) => {
    const found = new Set<number>();
    for (const value of inputs) {
      const at = value && producer.get(value);
      if (at !== undefined) found.add(at);
    }
    return [...found].sort((a, b) => a - b);
  });
  const consumed = new Set(sources.flat());
  const order: Node[] = [];
  const entered = new Set<number>();
  // A negative entry says that everything which that node needs has run.
  const stack = nodes.map((_, at) => at).filter((at) => !consumed.has(at));
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    if (at < 0) order.push(nodes[~at] as Node);
    else if (!entered.has(at)) {
      entered.add(at);
      stack.push(~at);
      for (const source of sources[at] as number[]) if (!entered.has(source)) stack.push(source);
    }
  }
  return order;
}
