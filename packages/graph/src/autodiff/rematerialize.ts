import { GraphError } from '../error.ts';
import { opKey, type OpKey } from '../infer/index.ts';
import { usedBy } from '../inner-graphs.ts';
import type { Graph, Node, Value } from '../ir.ts';
import { byteLengthOf } from '../tensor.ts';
import { copyNode, rewrite } from '../transform.ts';
import { FlowNetwork } from './min-cut.ts';

/**
 * Computes cheap intermediate results of the forward pass again in the backward pass, where that needs less memory than
 * keeping them: activations from their arguments, normalised values from the residual stream. Products with weights are
 * never repeated. Which values are kept is a minimum cut over their sizes (as Horace He and Shangdi Yu do in "Transcending
 * runtime-memory tradeoffs in checkpointing by being fusion aware", MLSys 2023); of equal ones the later are kept, so that
 * nothing is repeated for nothing.
 *
 * The runtime must neither merge the copies with what they repeat nor compute them before they are needed.
 *
 * @param loss Name of the output that the forward pass ends in. What it does not depend on is the backward pass.
 * @throws GraphError `ANNEAL_E_GRAPH` when there is no such output.
 */
export function rematerialize(graph: Graph, loss: string): Graph {
  const producers = producersOf(graph);
  const forward = ancestors(producers, lossOf(graph, loss));
  const repeated = repeatedValues(graph, producers, forward);
  if (repeated.size === 0) return graph;
  const kept = new Map<Value, Value | undefined>();
  const copies = new Map<Value, Value | undefined>();
  return rewrite(graph, {
    node: (node, inputs, g) => {
      node.inputs.forEach((value, i) => value && kept.set(value, inputs[i]));
      if (forward.has(node)) return undefined;
      const copyOf = (value: Value): Value | undefined => {
        if (!repeated.has(value)) return kept.get(value);
        if (!copies.has(value)) {
          const producer = producers.get(value) as Node;
          const outputs = copyNode(
            g,
            producer,
            producer.inputs.map((input) => input && copyOf(input)),
            (shape) => shape,
          );
          producer.outputs.forEach((output, i) => output && copies.set(output, outputs[i]));
        }
        return copies.get(value);
      };
      const late = node.inputs.map((value, i) => (value && repeated.has(value) ? copyOf(value) : inputs[i]));
      return copyNode(g, node, late, (shape) => shape);
    },
  });
}

function lossOf(graph: Graph, name: string): Value {
  const value = graph.outputs.get(name);
  if (value !== undefined) return value;
  throw new GraphError('ANNEAL_E_GRAPH', `rematerialize: the graph has no output "${name}"`, {
    fix: `its outputs are ${[...graph.outputs.keys()].join(', ')}`,
  });
}

function producersOf({ nodes }: Graph): ReadonlyMap<Value, Node> {
  const producers = new Map<Value, Node>();
  for (const node of nodes) for (const value of node.outputs) if (value) producers.set(value, node);
  return producers;
}

function ancestors(producers: ReadonlyMap<Value, Node>, value: Value): ReadonlySet<Node> {
  const found = new Set<Node>();
  const first = producers.get(value);
  if (first) found.add(first);
  for (const node of found) {
    for (const input of usedBy(node)) {
      const producer = input && producers.get(input);
      if (producer) found.add(producer);
    }
  }
  return found;
}

/** The values of the forward pass that the backward pass should compute again. */
function repeatedValues(
  graph: Graph,
  producers: ReadonlyMap<Value, Node>,
  forward: ReadonlySet<Node>,
): ReadonlySet<Value> {
  const network = new FlowNetwork();
  const [source, sink] = [network.point(), network.point()];
  const ends = new Map<Value, { readonly start: number; readonly end: number }>();
  const pending: Value[] = [];
  /** A pipe as wide as the value is large: cut, it is kept. Weights and inputs are there anyway. */
  const endsOf = (value: Value): { readonly start: number; readonly end: number } | undefined => {
    const known = ends.get(value);
    if (known !== undefined || !producers.has(value)) return known;
    const made = { start: network.point(), end: network.point() };
    network.pipe(made.start, made.end, bytes(value));
    ends.set(value, made);
    pending.push(value);
    return made;
  };
  const outputs = new Set(graph.outputs.values());
  for (const node of graph.nodes) {
    if (forward.has(node)) continue;
    for (const value of usedBy(node)) {
      const producer = value && producers.get(value);
      if (value === undefined || producer === undefined || !forward.has(producer)) continue;
      // An output is kept in any case.
      if (!outputs.has(value)) network.pipe(endsOf(value)?.end as number, sink, Number.POSITIVE_INFINITY);
    }
  }
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    const producer = producers.get(value) as Node;
    const { start } = ends.get(value) as { start: number };
    if (!isCheap(producer)) network.pipe(source, start, Number.POSITIVE_INFINITY);
    else
      for (const input of producer.inputs) {
        const before = input && endsOf(input);
        if (before) network.pipe(before.end, start, Number.POSITIVE_INFINITY);
      }
  }
  const side = network.sinkSide(source, sink);
  return new Set([...ends].flatMap(([value, { start }]) => (side.has(start) ? [value] : [])));
}

function bytes({ dtype, shape }: Value): number {
  return shape.every((dim) => typeof dim === 'number') ? byteLengthOf(dtype, shape as number[]) : 0;
}

/** Operators that pass over their inputs once: what they cost is memory traffic. */
const CHEAP: ReadonlySet<string> = new Set<OpKey>([
  'Abs',
  'Add',
  'And',
  'Cast',
  'Clip',
  'Concat',
  'Cos',
  'Div',
  'Elu',
  'Equal',
  'Exp',
  'Expand',
  'Flatten',
  'Gelu',
  'Greater',
  'GreaterOrEqual',
  'HardSigmoid',
  'HardSwish',
  'Identity',
  'LayerNormalization',
  'LeakyRelu',
  'Less',
  'LessOrEqual',
  'Max',
  'Min',
  'Mish',
  'Mul',
  'Neg',
  'Not',
  'Or',
  'RMSNormalization',
  'Reciprocal',
  'Relu',
  'Reshape',
  'RotaryEmbedding',
  'Sigmoid',
  'Sign',
  'SimplifiedLayerNormalization',
  'Sin',
  'Slice',
  'Softplus',
  'Split',
  'Sqrt',
  'Squeeze',
  'Sub',
  'Swish',
  'Tanh',
  'Tile',
  'Transpose',
  'Trilu',
  'Unsqueeze',
  'Where',
  'anneal.StopGradient',
  'com.microsoft.BiasGelu',
  'com.microsoft.FastGelu',
  'com.microsoft.Gelu',
  'com.microsoft.QuickGelu',
  'com.microsoft.RotaryEmbedding',
]);

function isCheap({ domain, op }: Node): boolean {
  return CHEAP.has(opKey(domain, op));
}
