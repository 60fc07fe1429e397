import { AnnealError, type JsonObject, random } from '@anneal/core';
import {
  type Graph,
  GraphBuilder,
  inline,
  type Node,
  type Parameter,
  rewrite,
  tensor,
  type TensorData,
  type Value,
} from '@anneal/graph';

import type { Pooling } from './options.ts';

/** The layer that gives each class its number: names of its weights in `Graph.parameters`. */
export interface Head {
  readonly weight: string;
  readonly bias: string | undefined;
  readonly inDim: number;
  readonly classes: number;
}

/** Operators between a head and the output that leave the axis of the classes alone. */
const MOVING: ReadonlySet<string> = new Set(['Cast', 'Gather', 'GatherND', 'Identity', 'Reshape', 'Slice', 'Squeeze']);

/** The last linear layer before an output; `undefined` when something else is there. */
export function headOf(graph: Graph, output: Value): Head | undefined {
  const producers = new Map<Value, Node>();
  for (const node of graph.nodes) for (const value of node.outputs) if (value) producers.set(value, node);
  const names = new Map<Value, string>([...graph.parameters].map(([name, { value }]) => [value, name]));
  let node = producers.get(output);
  while (node?.domain === '' && MOVING.has(node.op)) node = node.inputs[0] && producers.get(node.inputs[0]);
  let bias: string | undefined;
  if (node?.op === 'Add') {
    bias = node.inputs.map((value) => value && names.get(value)).find((name) => name !== undefined);
    node = node.inputs.map((value) => value && producers.get(value)).find((source) => source?.op === 'MatMul');
  }
  const matrix = node?.op === 'MatMul' ? node.inputs[1] : undefined;
  const weight = matrix && names.get(matrix);
  if (matrix === undefined || weight === undefined || matrix.rank !== 2) return undefined;
  const [inDim, classes] = matrix.dims as [number, number];
  return classes === output.shape.at(-1) ? { weight, bias, inDim, classes } : undefined;
}

/** New weights: normal with the standard deviation that config.json has, biases 0. */
function initial(name: string, shape: readonly number[], config: JsonObject, seed: number): TensorData {
  const size = shape.reduce((a, b) => a * b, 1);
  const { initializer_range: range } = config;
  const std = typeof range === 'number' ? range : 0.02;
  const isBias = shape.length === 1;
  return tensor('float32', shape, isBias ? new Float32Array(size) : random(seed, 'init', name).normal(size, { std }));
}

/** The graph with a head of as many classes, untrained. */
export function withNewHead(graph: Graph, head: Head, classes: number, config: JsonObject, seed: number): Graph {
  const shapes = new Map<string, readonly number[]>([[head.weight, [head.inDim, classes]]]);
  if (head.bias !== undefined) shapes.set(head.bias, [classes]);
  return rewrite(graph, {
    parameter: (name, { transposed }: Parameter, g) => {
      const shape = shapes.get(name);
      return shape && g.parameter(name, initial(name, shape, config, seed), { transposed });
    },
  });
}

/** Families whose head for sequences is called `score`. */
const SCORED: ReadonlySet<unknown> = new Set([
  'gpt2',
  'gpt_neo',
  'gpt_neox',
  'llama',
  'mistral',
  'phi3',
  'qwen2',
  'qwen3',
]);

/** What a head is added to. */
export interface Encoder {
  readonly graph: Graph;
  readonly config: JsonObject;
  readonly seed: number;
}

/** Name of the output that encoders without a head have. */
export const HIDDEN = 'last_hidden_state';

/** The graph with a linear layer over pooled vectors, and `logits` as its output. */
export function withAddedHead({ graph, config, seed }: Encoder, classes: number, pooling: Pooling): Graph {
  const g = new GraphBuilder();
  const { ops } = g;
  const inputs = Object.fromEntries(
    [...graph.inputs].map(([name, { dtype, shape }]) => [name, g.input(name, dtype, shape)]),
  );
  const hidden = inline(g, graph, { inputs })[HIDDEN] as Value;
  const width = hidden.shape.at(-1);
  if (hidden.rank !== 3 || typeof width !== 'number') {
    throw new AnnealError(
      'ANNEAL_E_MODEL',
      `\`${HIDDEN}\` is [${hidden.shape.join(', ')}], which no head can be put on`,
      {
        path: ['head'],
      },
    );
  }
  const path = SCORED.has(config['model_type']) ? 'score' : 'classifier';
  const logits = g.scope(path, () => {
    const vector = pooling === 'cls' ? first(g, hidden) : mean(g, hidden, inputs['attention_mask']);
    const [weight, bias] = [`${path}.weight`, `${path}.bias`];
    const product = ops.matmul(
      vector,
      g.parameter(weight, initial(weight, [width, classes], config, seed), { transposed: true }),
    );
    return ops.add(product, g.parameter(bias, initial(bias, [classes], config, seed)));
  });
  g.output('logits', logits);
  return g.build({ name: graph.name, opsets: graph.opsets, metadata: graph.metadata });
}

function first(g: GraphBuilder, hidden: Value): Value {
  return g.ops.take(hidden, g.scalar(0, 'int64'), { axis: 1 });
}

/** The mean over tokens that are no padding, as a product with the mask: `[batch, 1, seq] · [batch, seq, hidden]`. */
function mean(g: GraphBuilder, hidden: Value, attentionMask: Value | undefined): Value {
  const { ops } = g;
  if (attentionMask === undefined) return ops.mean(hidden, { axes: [1] });
  const mask = ops.cast(attentionMask, 'float32');
  // A row of padding alone has no tokens; its mean is 0.
  const count = ops.maximum(ops.sum(mask, { axes: [1], keepdims: true }), 1);
  return ops.squeeze(ops.matmul(ops.expandDims(ops.div(mask, count), [1]), hidden), [1]);
}
