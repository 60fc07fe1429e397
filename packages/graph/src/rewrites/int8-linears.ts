import type { GraphBuilder } from '../builder.ts';
import { linearLayers } from '../linear-layers.ts';
import { attr, type Graph, type Node, type Value } from '../ir.ts';
import type { Int8LayerValues, Ops } from '../ops/types.ts';
import { checkRange } from '../formats/source.ts';
import { type LazyTensor, loadTensor, tensor, type TensorData, type TensorSource } from '../tensor.ts';
import { rewrite } from '../transform.ts';

/** A matrix `[in, out]` as int8 with a scale for each output. */
export interface Int8Matrix {
  /** int8 `[in, out]`, rounded when it is read: all layers of a model are never in memory together. */
  readonly weight: LazyTensor;
  /** float32 `[out]`. */
  readonly scale: TensorData;
}

/** How the elements of a matrix `[in, out]` lie in what it is made from. */
interface Layout {
  readonly inDim: number;
  readonly outDim: number;
  readonly stepIn: number;
  readonly stepOut: number;
}

/**
 * Rounds a matrix to int8 with one scale per output: `w ≈ q · max|w| / 127`.
 *
 * @param source float32 `[in, out]`; with `transposed`, `[out, in]`.
 */
export async function int8Matrix(
  source: TensorSource,
  { transposed = false }: { transposed?: boolean } = {},
): Promise<Int8Matrix> {
  const [rows, columns] = source.shape as [number, number];
  const layout = transposed
    ? { inDim: columns, outDim: rows, stepIn: 1, stepOut: columns }
    : { inDim: rows, outDim: columns, stepIn: columns, stepOut: 1 };
  const scale = scalesOf((await loadTensor(source)).data as Float32Array, layout);
  const size = rows * columns;
  const weight: LazyTensor = {
    dtype: 'int8',
    shape: [layout.inDim, layout.outDim],
    source: {
      name: 'a matrix rounded to int8',
      size,
      read: async (offset, length) => {
        checkRange(weight.source, offset, length);
        return rounded((await loadTensor(source)).data as Float32Array, scale, layout, offset, length);
      },
    },
    offset: 0,
  };
  return { weight, scale: tensor('float32', [layout.outDim], scale) };
}

function scalesOf(values: Float32Array, { inDim, outDim, stepIn, stepOut }: Layout): Float32Array {
  const scale = new Float32Array(outDim);
  for (let i = 0; i < inDim; i++) {
    for (let j = 0; j < outDim; j++) {
      scale[j] = Math.max(scale[j] as number, Math.abs(values[i * stepIn + j * stepOut] as number));
    }
  }
  // A column of zeros has any scale.
  return scale.map((largest) => largest / 127 || 1);
}

/** Added to a double and taken away again it leaves an integer, rounded half to even: much faster than `Math.round`. */
const ROUND = 1.5 * 2 ** 52;

/** Elements `offset…offset + length` of the rounded matrix. */
function rounded(
  values: Float32Array,
  scale: Float32Array,
  { outDim, stepIn, stepOut }: Layout,
  offset: number,
  length: number,
): Uint8Array {
  const levels = new Int8Array(length);
  for (let at = 0; at < length;) {
    const first = (offset + at) % outDim;
    const from = ((offset + at - first) / outDim) * stepIn;
    for (let j = first; j < outDim && at < length; j++, at++) {
      levels[at] = (values[from + j * stepOut] as number) / (scale[j] as number) + ROUND - ROUND;
    }
  }
  return new Uint8Array(levels.buffer);
}

/** A matrix for the forward pass, and its transpose for the backward one: each rounded with scales of its own columns. */
export interface Int8Layer {
  /** `[in, out]`. */
  readonly forward: Int8Matrix;
  /** `[out, in]`, rounded on its own. */
  readonly backward: Int8Matrix;
  /** See `ops.int8Linear`. @defaultValue `false` */
  readonly rowwise?: boolean | undefined;
}

/**
 * Rounds a weight in both orientations.
 *
 * @param source float32 `[in, out]`; with `transposed`, `[out, in]` as tables of embeddings are.
 */
export async function int8Layer(
  source: TensorSource,
  { transposed = false }: { transposed?: boolean } = {},
): Promise<Int8Layer> {
  return {
    forward: await int8Matrix(source, { transposed }),
    backward: await int8Matrix(source, { transposed: !transposed }),
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
  return int8RowwiseMatmul(ops, dy, transposed, scale);
}

/** `x W` in int8, every row of x divided by its largest element. */
export function int8RowwiseMatmul(ops: Ops, x: Value, weight: Value, scale: Value): Value {
  const largest = rowMaximum(ops, x);
  return ops.mul(ops.int8Matmul(ops.div(x, largest), weight, scale), largest);
}

/** The largest magnitude of each row, without a pass that writes all of them. Not 0: a row of zeros stays one. */
function rowMaximum(ops: Ops, x: Value): Value {
  const last = { axes: [-1], keepdims: true };
  return ops.maximum(ops.maximum(ops.max(x, last), ops.neg(ops.min(x, last))), 1e-30);
}

/** The frozen float32 weights of linear layers in int8, by name; also of output layers that are tied to a table. */
export async function int8Layers(graph: Graph): Promise<Map<string, Int8Layer>> {
  const layers = new Map<string, Int8Layer>();
  for (const { weight, transposed } of products(graph).values()) {
    const parameter = graph.parameters.get(weight);
    if (parameter === undefined || parameter.trainable || parameter.data.dtype !== 'float32') continue;
    if (!layers.has(weight)) layers.set(weight, await int8Layer(parameter.data, { transposed }));
  }
  return layers;
}

/**
 * The graph with the given layers in int8, forward and backward: a quarter of the memory traffic, and kernels that are
 * several times faster where the processor has 8-bit dot products. Call it after adapters were added.
 *
 * @param layers By name of the weight, from {@link int8Layers}; those that lose too much are left out.
 */
export function int8Linears(graph: Graph, layers: ReadonlyMap<string, Int8Layer>): Graph {
  const places = products(graph);
  return rewrite(graph, {
    node: (node, [x], g) => {
      const weight = places.get(node)?.weight;
      const layer = weight === undefined ? undefined : layers.get(weight);
      if (weight === undefined || layer === undefined || x === undefined) return undefined;
      const { rowwise } = layer;
      return [g.scope(node.scope, () => g.ops.int8Linear(x, int8Values(g, weight, layer), { rowwise }))];
    },
  });
}

/** The parameters of a layer in int8, named after its weight. */
export function int8Values(g: GraphBuilder, weight: string, { forward, backward }: Int8Layer): Int8LayerValues {
  const shared = (part: string, data: TensorSource): Value =>
    g.findParameter(`${weight}::${part}`)?.value ?? g.parameter(`${weight}::${part}`, data);
  return {
    weight: shared('int8', forward.weight),
    scale: shared('scale', forward.scale),
    transposed: shared('transposed', backward.weight),
    transposedScale: shared('transposed::scale', backward.scale),
  };
}

/** A product with a weight `[in, out]`, or with one that is `transposed`, as tables of embeddings are. */
interface Place {
  readonly weight: string;
  readonly transposed: boolean;
}

function products(graph: Graph): ReadonlyMap<Node, Place> {
  const places = new Map<Node, Place>();
  for (const [node, { weight }] of linearLayers(graph)) places.set(node, { weight, transposed: false });
  const names = new Map<Value | undefined, string>([...graph.parameters].map(([name, { value }]) => [value, name]));
  for (const node of graph.nodes) {
    const [, table] = node.inputs;
    const weight = names.get(table);
    if (node.op !== 'FusedMatMul' || table?.rank !== 2 || weight === undefined || !isTiedProduct(node)) continue;
    places.set(node, { weight, transposed: true });
  }
  return places;
}

function isTiedProduct(node: Node): boolean {
  const others = ['transA', 'transBatchA', 'transBatchB'];
  return (
    attr.int(node, 'transB', 0) === 1 &&
    attr.float(node, 'alpha', 1) === 1 &&
    others.every((name) => attr.int(node, name, 0) === 0)
  );
}
