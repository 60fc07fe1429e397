import { random } from '@anneal/core';
import {
  type Graph,
  type GraphBuilder,
  loadTensor,
  type NodeRewriter,
  rewrite,
  tensor,
  type TensorData,
  type Value,
  withParameters,
} from '@anneal/graph';

import { ADAPTER_WEIGHT, type AdapterKind, KINDS } from './kinds.ts';
import type { ResolvedOptions } from './options.ts';
import { byPattern, endsWithAny, type TargetLayer, targetLayers } from './targets.ts';

/** One adapter: `y = x W + scale · (x A) B` with A `[in, r]`, B `[r, out]`; rows of tables for embeddings. */
export interface Adapter {
  readonly path: string;
  readonly kind: AdapterKind;
  readonly r: number;
  readonly alpha: number;
  readonly scale: number;
}

/** Key of `Graph.metadata` that tells which layers have adapters: it travels with the graph through files. */
const METADATA = 'anneal.lora';
/** Last part of the scope of an adapter's nodes. */
const SCOPE = 'lora';

/** Names of an adapter's weights, as PEFT has them. */
export function adapterWeights({ path, kind }: Pick<Adapter, 'path' | 'kind'>): {
  readonly a: string;
  readonly b: string;
} {
  return { a: `${path}.${KINDS[kind].a}`, b: `${path}.${KINDS[kind].b}` };
}

/** The adapters of a graph. */
export function adaptersOf(graph: Graph): readonly Adapter[] {
  const text = graph.metadata[METADATA];
  return text === undefined ? [] : (JSON.parse(text) as Adapter[]);
}

/** The adapter that the options give to a layer. */
export function adapterFor({ path, kind }: TargetLayer, options: ResolvedOptions): Adapter {
  const r = byPattern(path, options.rankPattern, options.r);
  const alpha = byPattern(path, options.alphaPattern, options.loraAlpha);
  return { path, kind, r, alpha, scale: alpha / (options.useRslora ? Math.sqrt(r) : r) };
}

/** Adds adapters to the target layers, freezes everything else, and leaves `modulesToSave` trainable. */
export function addAdapters(graph: Graph, options: ResolvedOptions, seed: number): Graph {
  const layers = targetLayers(graph, options);
  const adapters = new Map([...layers].map(([node, layer]) => [node, { layer, adapter: adapterFor(layer, options) }]));
  const add: NodeRewriter = (node, inputs, g) => {
    const found = adapters.get(node);
    if (found === undefined) return undefined;
    const { layer, adapter } = found;
    const rules = KINDS[layer.kind];
    const x = inputs[1 - rules.weightInput] as Value;
    const [a, b] = adapterParameters(g, layer, adapter, options, seed);
    const y = g.one(node.op, inputs, {
      attributes: node.attributes,
      scope: node.scope,
      names: [node.outputs[0]?.name],
    });
    return g.scope(`${layer.path}.${SCOPE}`, () => {
      const { ops } = g;
      const dropped = layer.kind === 'linear' ? ops.dropout(x, { rate: options.loraDropout }) : x;
      return [ops.add(y, ops.mul(ops.matmul(rules.apply(g, dropped, a), b), adapter.scale))];
    });
  };
  const adapted = rewrite(graph, { node: add });
  const frozen = withParameters(adapted, (name, { trainable }) => ({
    trainable: ADAPTER_WEIGHT.test(name)
      ? trainable
      : endsWithAny(name.replace(/\.(weight|bias)$/, ''), options.modulesToSave),
  }));
  const list = [...adapters.values()].map(({ adapter }) => adapter);
  return { ...frozen, metadata: { ...graph.metadata, [METADATA]: JSON.stringify(list) } };
}

/** A and B in the graph; a weight that several nodes use has one adapter. */
function adapterParameters(
  g: GraphBuilder,
  { path, kind, inDim, outDim }: TargetLayer,
  adapter: Adapter,
  options: ResolvedOptions,
  seed: number,
): readonly [Value, Value] {
  const { a, b } = adapterWeights(adapter);
  const known = [g.findParameter(a)?.value, g.findParameter(b)?.value] as const;
  if (known[0] !== undefined && known[1] !== undefined) return [known[0], known[1]];
  const { r } = adapter;
  const gaussian = options.initLoraWeights === 'gaussian';
  const start = KINDS[kind].initial(random(seed, 'lora', path), inDim, r, outDim, gaussian);
  const flags = { trainable: true, transposed: true };
  return [
    g.parameter(a, tensor('float32', [inDim, r], start.a), flags),
    g.parameter(b, tensor('float32', [r, outDim], start.b), flags),
  ];
}

/** The graph with `W + scale · A B` in place of every adapted weight and no adapters. */
export async function foldAdapters(graph: Graph): Promise<Graph> {
  const adapters = adaptersOf(graph);
  if (adapters.length === 0) return graph;
  const folded = new Map<string, TensorData>();
  for (const adapter of adapters) {
    const { path, scale } = adapter;
    const { a, b } = adapterWeights(adapter);
    const [weight, left, right] = await Promise.all([`${path}.weight`, a, b].map((name) => parameterData(graph, name)));
    folded.set(`${path}.weight`, addProduct(weight as TensorData, left as TensorData, right as TensorData, scale));
  }
  const scopes = new Set(adapters.map(({ path }) => `${path}.${SCOPE}`));
  // The sum at the end of each adapter becomes its first operand; what fed the second is then dead and goes.
  const plain = rewrite(graph, {
    node: (node, inputs) => (node.op === 'Add' && scopes.has(node.scope) ? [inputs[0]] : undefined),
  });
  const { [METADATA]: _, ...metadata } = plain.metadata;
  return {
    ...withParameters(plain, (name) => {
      const data = folded.get(name);
      return data && { data };
    }),
    metadata,
  };
}

async function parameterData(graph: Graph, name: string): Promise<TensorData> {
  const parameter = graph.parameters.get(name);
  if (parameter === undefined) throw new Error(`the graph has no parameter "${name}"`);
  return loadTensor(parameter.data);
}

/** `W + scale · A B`, accumulated in double precision. */
function addProduct(w: TensorData, a: TensorData, b: TensorData, scale: number): TensorData {
  const [rows, cols] = w.shape as [number, number];
  const rank = a.shape[1] as number;
  const out = new Float32Array(rows * cols);
  const row = new Float64Array(cols);
  for (let i = 0; i < rows; i++) {
    row.fill(0);
    for (let k = 0; k < rank; k++) {
      const left = Number(a.data[i * rank + k]);
      for (let j = 0; j < cols; j++) row[j] = (row[j] as number) + left * Number(b.data[k * cols + j]);
    }
    for (let j = 0; j < cols; j++) out[i * cols + j] = Number(w.data[i * cols + j]) + scale * (row[j] as number);
  }
  return tensor('float32', w.shape, out);
}
