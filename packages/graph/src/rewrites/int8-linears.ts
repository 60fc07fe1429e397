import { type LinearLayer, linearLayers } from '../linear-layers.ts';
import { type Graph, type Node, Value } from '../ir.ts';
import type { Ops } from '../ops/types.ts';
import { loadTensor, tensor, type TensorData, type TensorSource } from '../tensor.ts';
import { rewrite } from '../transform.ts';

/** A matrix `[in, out]` as int8 with a scale for each output, in both orientations. */
export interface Int8Matrix {
  /** int8 `[in, out]`. */
  readonly weight: TensorData;
  /** int8 `[out, in]`: the same numbers, for the backward pass. */
  readonly transposed: TensorData;
  /** float32 `[out]`. */
  readonly scale: TensorData;
}

/** Name of the transposed weight, where gradients look for it. */
export function int8TwinName(name: string): string {
  return `${name}::transposed`;
}

/**
 * Rounds a matrix to int8 with one scale per output: `w ≈ q · max|w| / 127`.
 *
 * @param source float32 `[in, out]`; with `transposed`, `[out, in]` as tables of embeddings are.
 */
export async function int8Matrix(source: TensorSource, options: { transposed?: boolean } = {}): Promise<Int8Matrix> {
  const { shape, data } = await loadTensor(source);
  const [rows, columns] = shape as [number, number];
  const values = data as Float32Array;
  const [inDim, outDim] = options.transposed ? [columns, rows] : [rows, columns];
  const [stepIn, stepOut] = options.transposed ? [1, columns] : [columns, 1];
  const weight = new Int8Array(values.length);
  const transposed = new Int8Array(values.length);
  const scale = new Float32Array(outDim);
  for (let i = 0; i < inDim; i++) {
    for (let j = 0; j < outDim; j++) {
      scale[j] = Math.max(scale[j] as number, Math.abs(values[i * stepIn + j * stepOut] as number));
    }
  }
  // A column of zeros has any scale.
  for (let j = 0; j < outDim; j++) scale[j] = (scale[j] as number) / 127 || 1;
  for (let i = 0; i < inDim; i++) {
    for (let j = 0; j < outDim; j++) {
      const level = Math.round((values[i * stepIn + j * stepOut] as number) / (scale[j] as number));
      weight[i * outDim + j] = level;
      transposed[j * inDim + i] = level;
    }
  }
  return {
    weight: tensor('int8', [inDim, outDim], weight),
    transposed: tensor('int8', [outDim, inDim], transposed),
    scale: tensor('float32', [outDim], scale),
  };
}

/**
 * `dY Wᵀ` on the same kernels: the scales of the columns go into dY, and every row is divided by its largest element,
 * because rows of gradients differ by orders of magnitude and the kernel has one step for all.
 */
export function int8InputGradient(ops: Ops, dy: Value, transposed: Value, scale: Value): Value {
  const folded = ops.mul(dy, scale);
  const largest = rowMaximum(ops, folded);
  const unit = ops.constant(tensor('float32', [1], [1]));
  return ops.mul(ops.int8Matmul(ops.div(folded, largest), transposed, unit), largest);
}

/** Not 0: a row of zeros stays one. */
function rowMaximum(ops: Ops, x: Value): Value {
  return ops.maximum(ops.max(ops.abs(x), { axes: [-1], keepdims: true }), 1e-30);
}

/**
 * The graph with the frozen linear layers in int8, forward and backward: a quarter of the memory traffic, and kernels
 * that are several times faster where the processor has 8-bit dot products. Weights are float32 and not trainable, the
 * others stay; call it after adapters were added.
 *
 * @param isTarget Which of the frozen layers; those that lose too much can stay as they are. @defaultValue all
 */
export async function int8Linears(
  graph: Graph,
  isTarget: (layer: LinearLayer) => boolean = () => true,
): Promise<Graph> {
  const layers = new Map<Node, LinearLayer>();
  const matrices = new Map<string, Int8Matrix>();
  for (const [node, layer] of linearLayers(graph)) {
    const parameter = graph.parameters.get(layer.weight);
    if (parameter === undefined || parameter.trainable || parameter.data.dtype !== 'float32') continue;
    if (!isTarget(layer)) continue;
    layers.set(node, layer);
    if (!matrices.has(layer.weight)) matrices.set(layer.weight, await int8Matrix(parameter.data));
  }
  const twins = new Map<string, TensorData>();
  const quantized = rewrite(graph, {
    node: (node, [x], g) => {
      const layer = layers.get(node);
      const matrix = layer && matrices.get(layer.weight);
      if (matrix === undefined || layer === undefined || x === undefined) return undefined;
      const shared = (name: string, data: TensorData): Value => g.findParameter(name)?.value ?? g.parameter(name, data);
      const weight = shared(`${layer.weight}::int8`, matrix.weight);
      twins.set(int8TwinName(weight.name), matrix.transposed);
      return [g.scope(node.scope, () => g.ops.int8Matmul(x, weight, shared(`${layer.weight}::scale`, matrix.scale)))];
    },
  });
  return withTwins(quantized, twins);
}

/** Parameters that nothing uses until the graph is differentiated. */
function withTwins(graph: Graph, twins: ReadonlyMap<string, TensorData>): Graph {
  const parameters = new Map(graph.parameters);
  for (const [name, data] of twins) {
    const value = new Value(name, data.dtype, data.shape);
    parameters.set(name, { value, data, trainable: false, transposed: false });
  }
  return { ...graph, parameters };
}
