import { random } from '@anneal/core';
import {
  type Graph,
  type LinearLayer,
  loadTensor,
  type NodeRewriter,
  rewrite,
  tensor,
  type TensorData,
  withParameters,
} from '@anneal/graph';

import type { ResolvedOptions } from './options.ts';
import { byPattern, endsWithAny, targetLayers } from './targets.ts';

/** One adapter: `y = x W + scale · (x A) B` with A `[in, r]`, B `[r, out]`. */
export interface Adapter {
  readonly path: string;
  readonly r: number;
  readonly alpha: number;
  readonly scale: number;
}

/** Key of `Graph.metadata` that tells which layers have adapters: it travels with the graph through files. */
const METADATA = 'anneal.lora';
/** Last part of the scope of an adapter's nodes. */
const SCOPE = 'lora';

/** Names of an adapter's weights; the prefix is PEFT's. */
export const adapterWeights = (path: string): { readonly a: string; readonly b: string } => ({
  a: `${path}.lora_A.weight`,
  b: `${path}.lora_B.weight`,
});

/** The adapters of a graph. */
export function adaptersOf(graph: Graph): readonly Adapter[] {
  const text = graph.metadata[METADATA];
  return text === undefined ? [] : (JSON.parse(text) as Adapter[]);
}

/** The adapter that the options give to a layer. */
export function adapterFor({ path }: LinearLayer, options: ResolvedOptions): Adapter {
  const r = byPattern(path, options.rankPattern, options.r);
  const alpha = byPattern(path, options.alphaPattern, options.loraAlpha);
  return { path, r, alpha, scale: alpha / (options.useRslora ? Math.sqrt(r) : r) };
}

/** Adds adapters to the target layers, freezes everything else, and leaves `modulesToSave` trainable. */
export function addAdapters(graph: Graph, options: ResolvedOptions, seed: number): Graph {
  const layers = targetLayers(graph, options);
  const adapters = new Map([...layers].map(([node, layer]) => [node, { layer, adapter: adapterFor(layer, options) }]));
  const add: NodeRewriter = (node, [x, w], g) => {
    const found = adapters.get(node);
    if (found === undefined || x === undefined || w === undefined) return undefined;
    const { layer, adapter } = found;
    const { ops } = g;
    const names = adapterWeights(layer.path);
    const a = g.parameter(names.a, initialA(layer, adapter, options, seed), { trainable: true, transposed: true });
    const b = g.parameter(
      names.b,
      tensor('float32', [adapter.r, layer.outDim], new Float32Array(adapter.r * layer.outDim)),
      {
        trainable: true,
        transposed: true,
      },
    );
    const y = g.one('MatMul', [x, w], { scope: node.scope, names: [node.outputs[0]?.name] });
    return g.scope(`${layer.path}.${SCOPE}`, () => {
      const dropped = ops.dropout(x, { rate: options.loraDropout });
      const update = ops.mul(ops.matmul(ops.matmul(dropped, a), b), adapter.scale);
      return [ops.add(y, update)];
    });
  };
  const adapted = rewrite(graph, { node: add });
  const frozen = withParameters(adapted, (name, { trainable }) => ({
    trainable: /\.lora_[AB]\.weight$/.test(name)
      ? trainable
      : endsWithAny(name.replace(/\.(weight|bias)$/, ''), options.modulesToSave),
  }));
  const list = [...adapters.values()].map(({ adapter }) => adapter);
  return { ...frozen, metadata: { ...graph.metadata, [METADATA]: JSON.stringify(list) } };
}

/** PEFT's initial A: Kaiming uniform with a = √5, which is uniform in ±1/√in; or gaussian with std 1/r. */
function initialA({ inDim, path }: LinearLayer, { r }: Adapter, options: ResolvedOptions, seed: number): TensorData {
  const stream = random(seed, 'lora', path);
  const bound = 1 / Math.sqrt(inDim);
  const data =
    options.initLoraWeights === 'gaussian'
      ? stream.normal(inDim * r, { std: 1 / r })
      : stream.uniform(inDim * r, { min: -bound, max: bound });
  return tensor('float32', [inDim, r], data);
}

/** The graph with `W + scale · A B` in place of every adapted weight and no adapters. */
export async function foldAdapters(graph: Graph): Promise<Graph> {
  const adapters = adaptersOf(graph);
  if (adapters.length === 0) return graph;
  const folded = new Map<string, TensorData>();
  for (const { path, scale } of adapters) {
    const { a, b } = adapterWeights(path);
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
