import { random } from '@anneal/core';
import {
  type Graph,
  type GraphBuilder,
  loadTensor,
  type Node,
  type NodeRewriter,
  rewrite,
  tensor,
  type TensorData,
  type Value,
  withParameters,
} from '@anneal/graph';

import { columnNorms, MIN_NORM } from './columns.ts';
import { KINDS } from './kinds.ts';
import type { ResolvedOptions } from './options.ts';
import { isBelowAny } from './patterns.ts';
import {
  type Adapter,
  type AdapterState,
  adapterStateOf,
  adapterWeights,
  isAdapterWeight,
  moduleOf,
  withAdapterState,
} from './state.ts';
import { adaptableLayers, type Selection, type TargetLayer } from './targets.ts';

/** An adapter with the values that it starts from, as the graph holds them: A `[in, r]`, B `[r, out]`. */
export interface PlannedAdapter {
  readonly adapter: Adapter;
  readonly a: TensorData;
  readonly b: TensorData;
  /** `[out]`, of DoRA. */
  readonly magnitude?: TensorData | undefined;
}

/** Last part of the scope of an adapter's nodes: the last of them adds the update to the layer's output. */
const SCOPE = 'lora';

/** The layers that a selection wants, one entry for each node that uses them. */
export function selectLayers(graph: Graph, selection: Selection): ReadonlyMap<Node, TargetLayer> {
  const layers = [...adaptableLayers(graph)].filter(([, { weight }]) => !isAdapterWeight(weight));
  return new Map(layers.filter(([, layer]) => selection.isTarget(layer)));
}

/** New adapters for layers: A random, B zero, so that the model starts as it is. */
export async function planAdapters(
  graph: Graph,
  layers: Iterable<TargetLayer>,
  selection: Selection,
  options: ResolvedOptions,
  seed: number,
): Promise<readonly PlannedAdapter[]> {
  const planned = new Map<string, PlannedAdapter>();
  for (const { path, kind, inDim, outDim, weight } of layers) {
    const key = `${kind}:${path}`;
    if (planned.has(key)) continue;
    const { r, alpha } = selection.sizeOf(path);
    const adapter: Adapter = { path, kind, r, alpha, scale: scaleOf(alpha, r, options.useRslora) };
    const gaussian = options.initLoraWeights === 'gaussian';
    const start = KINDS[kind].initial(random(seed, 'lora', path), inDim, r, outDim, gaussian);
    planned.set(key, {
      adapter,
      a: tensor('float32', [inDim, r], start.a),
      b: tensor('float32', [r, outDim], start.b),
      magnitude: options.useDora ? await lengthsOf(graph, weight) : undefined,
    });
  }
  return [...planned.values()];
}

/** `alpha / r`, or with rank stabilisation `alpha / sqrt(r)`. */
export function scaleOf(alpha: number, r: number, rslora: boolean): number {
  return alpha / (rslora ? Math.sqrt(r) : r);
}

async function lengthsOf(graph: Graph, name: string): Promise<TensorData> {
  const { shape, data } = await parameterData(graph, name);
  const columns = shape[1] as number;
  return tensor('float32', [columns], Float32Array.from(columnNorms(data as Float32Array, columns)));
}

/** A parameter's elements. */
export async function parameterData(graph: Graph, name: string): Promise<TensorData> {
  const parameter = graph.parameters.get(name);
  if (parameter === undefined) throw new Error(`the graph has no parameter "${name}"`);
  return loadTensor(parameter.data);
}

/**
 * Adds adapters to those that are there, freezes everything else, and leaves the modules to save trainable. Nodes that share a weight share its
 * adapter.
 */
export function insertAdapters(
  graph: Graph,
  planned: readonly PlannedAdapter[],
  { dropout, ...facts }: Omit<AdapterState, 'adapters'> & { readonly dropout: number },
): Graph {
  const known = adapterStateOf(graph);
  const modulesToSave = [...new Set([...(known?.modulesToSave ?? []), ...facts.modulesToSave])];
  const byLayer = new Map(planned.map((plan) => [`${plan.adapter.kind}:${plan.adapter.path}`, plan]));
  const layers = adaptableLayers(graph);
  const node: NodeRewriter = (original, inputs, g) => {
    const layer = layers.get(original);
    const plan = layer && byLayer.get(`${layer.kind}:${layer.path}`);
    if (plan === undefined) return undefined;
    const [output] = original.outputs;
    const { attributes, scope } = original;
    const y = g.one(original.op, inputs, { attributes, scope, names: [output?.name] });
    return [
      g.scope(`${plan.adapter.path}.${SCOPE}`, () =>
        g.ops.add(
          y,
          g.scope('update', () => update(g, plan, inputs as Value[], y, dropout)),
        ),
      ),
    ];
  };
  const adapted = withParameters(rewrite(graph, { node }), (name) => ({
    trainable: isAdapterWeight(name) || isBelowAny(moduleOf(name), modulesToSave),
  }));
  const adapters = [...(known?.adapters ?? []), ...planned.map(({ adapter }) => adapter)];
  return withAdapterState(adapted, { ...facts, modulesToSave, adapters });
}

/** What an adapter adds to the output `y` of its layer. */
function update(g: GraphBuilder, plan: PlannedAdapter, inputs: readonly Value[], y: Value, rate: number): Value {
  const { ops } = g;
  const { kind, scale } = plan.adapter;
  const rules = KINDS[kind];
  const names = adapterWeights(plan.adapter);
  const parameter = (name: string, data: TensorData, transposed: boolean): Value =>
    g.findParameter(name)?.value ?? g.parameter(name, data, { trainable: true, transposed });
  const [a, b] = [parameter(names.a, plan.a, true), parameter(names.b, plan.b, true)];
  const [weight, x] = [inputs[rules.weightInput] as Value, inputs[1 - rules.weightInput] as Value];
  const dropped = kind === 'linear' ? ops.dropout(x, { rate }) : x;
  // Scaled where it is narrow: r columns instead of all.
  const low = ops.matmul(ops.mul(rules.apply(g, dropped, a), scale), b);
  if (plan.magnitude === undefined) return low;
  // Liu et al., "DoRA", 2024, equation 5; the norm is a constant for the gradient (section 4.3).
  const magnitude = parameter(names.magnitude, plan.magnitude, false);
  const moved = ops.add(weight, ops.matmul(a, ops.mul(b, scale)));
  const norm = ops.stopGradient(ops.maximum(ops.norm(moved, { axes: [0] }), MIN_NORM));
  const stretch = ops.div(magnitude, norm);
  const base = dropped === x ? y : ops.matmul(dropped, weight);
  return ops.add(ops.mul(ops.sub(stretch, 1), base), ops.mul(stretch, low));
}

/** Whether a node is the one that adds an adapter's update. */
export function isUpdateSum(node: Node, { path }: Adapter): boolean {
  return node.op === 'Add' && node.scope === `${path}.${SCOPE}`;
}
