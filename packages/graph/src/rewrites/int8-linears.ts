import { type LinearLayer, linearLayers } from '../linear-layers.ts';
import type { Graph, Node, Value } from '../ir.ts';
import type { Ops } from '../ops/types.ts';
import { loadTensor, tensor, type TensorData, type TensorSource } from '../tensor.ts';
import { rewrite } from '../transform.ts';

/** A matrix `[in, out]` as int8 with a scale for each output. */
export interface Int8Matrix {
  /** int8 `[in, out]`. */
  readonly weight: TensorData;
  /** float32 `[out]`. */
  readonly scale: TensorData;
}

/**
 * Rounds a matrix to int8 with one scale per output: `w ≈ q · max|w| / 127`.
 *
 * @param source float32 `[in, out]`; with `transposed`, `[out, in]`.
 */
export async function int8Matrix(source: TensorSource, options: { transposed?: boolean } = {}): Promise<Int8Matrix> {
  const { shape, data } = await loadTensor(source);
  const [rows, columns] = shape as [number, number];
  const values = data as Float32Array;
  const [inDim, outDim] = options.transposed ? [columns, rows] : [rows, columns];
  const [stepIn, stepOut] = options.transposed ? [1, columns] : [columns, 1];
  const scale = new Float32Array(outDim);
  for (let i = 0; i < inDim; i++) {
    for (let j = 0; j < outDim; j++) {
      scale[j] = Math.max(scale[j] as number, Math.abs(values[i * stepIn + j * stepOut] as number));
    }
  }
  // A column of zeros has any scale.
  for (let j = 0; j < outDim; j++) scale[j] = (scale[j] as number) / 127 || 1;
  const weight = new Int8Array(values.length);
  for (let i = 0; i < inDim; i++) {
    for (let j = 0; j < outDim; j++) {
      weight[i * outDim + j] = Math.round((values[i * stepIn + j * stepOut] as number) / (scale[j] as number));
    }
  }
  return { weight: tensor('int8', [inDim, outDim], weight), scale: tensor('float32', [outDim], scale) };
}

/** A matrix for the forward pass, and its transpose for the backward one: each rounded with scales of its own columns. */
export interface Int8Layer {
  readonly forward: Int8Matrix;
  readonly backward: Int8Matrix;
}

/** @param source float32 `[in, out]`; with `transposed`, `[out, in]` as tables of embeddings are. */
export async function int8Layer(
  source: TensorSource,
  { transposed = false }: { transposed?: boolean } = {},
): Promise<Int8Layer> {
  const data = await loadTensor(source);
  return {
    forward: await int8Matrix(data, { transposed }),
    backward: await int8Matrix(data, { transposed: !transposed }),
  };
}

/**
 * `dY Wᵀ` on the same kernels, with a transposed weight that was rounded on its own: its scales belong to the columns of
 * the result, so that dY needs none. Every row of dY is divided by its largest element, because rows of gradients differ
 * by orders of magnitude and the kernel has one step for all.
 *
 * @param transposed int8 `[out, in]`.
 * @param scale float32 `[in]`.
 */
export function int8InputGradient(ops: Ops, dy: Value, transposed: Value, scale: Value): Value {
  const largest = rowMaximum(ops, dy);
  return ops.mul(ops.int8Matmul(ops.div(dy, largest), transposed, scale), largest);
}

/** The largest magnitude of each row, without a pass that writes all of them. Not 0: a row of zeros stays one. */
function rowMaximum(ops: Ops, x: Value): Value {
  const last = { axes: [-1], keepdims: true };
  return ops.maximum(ops.maximum(ops.max(x, last), ops.neg(ops.min(x, last))), 1e-30);
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
  const layers = new Map<Node, string>();
  const matrices = new Map<string, Int8Layer>();
  for (const [node, layer] of linearLayers(graph)) {
    const parameter = graph.parameters.get(layer.weight);
    if (parameter === undefined || parameter.trainable || parameter.data.dtype !== 'float32') continue;
    if (!isTarget(layer)) continue;
    layers.set(node, layer.weight);
    if (!matrices.has(layer.weight)) matrices.set(layer.weight, await int8Layer(parameter.data));
  }
  return rewrite(graph, {
    node: (node, [x], g) => {
      const name = layers.get(node);
      const layer = name === undefined ? undefined : matrices.get(name);
      if (layer === undefined || x === undefined) return undefined;
      const shared = (part: string, data: TensorData): Value =>
        g.findParameter(`${name}::${part}`)?.value ?? g.parameter(`${name}::${part}`, data);
      const values = {
        weight: shared('int8', layer.forward.weight),
        scale: shared('scale', layer.forward.scale),
        transposed: shared('transposed', layer.backward.weight),
        transposedScale: shared('transposed::scale', layer.backward.scale),
      };
      return [g.scope(node.scope, () => g.ops.int8Linear(x, values))];
    },
  });
}
