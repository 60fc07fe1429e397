import { parseEinsum } from '../infer/einsum.ts';
import { opKey } from '../infer/index.ts';
import { attr, type Graph, type Node, type Value } from '../ir.ts';

/** Floating-point operations of one pass, two for each multiplication and addition. */
export interface Work {
  /** Of matrix products, convolutions and attention; everything else is small beside them. */
  readonly flops: number;
  /** Share of each operator, largest first. */
  readonly byOp: readonly { readonly op: string; readonly flops: number }[];
  /** Operators that do such work and are not counted: sizes are not known, or there is no formula. */
  readonly notCounted: readonly string[];
}

/** Elements; `NaN` where a dimension is symbolic. */
function elements(shape: readonly (number | string)[]): number {
  return shape.reduce<number>((product, dim) => product * (typeof dim === 'number' ? dim : Number.NaN), 1);
}

const sizeOfOutput = ({ outputs }: Node): number => elements(outputs[0]?.shape ?? ['?']);
const dim = (value: Value | undefined, axis: number): number => elements([value?.shape.at(axis) ?? '?']);
const last = (node: Node): number => dim(node.inputs[0], -1);
const kernel = (node: Node, index: number = 1): number => elements(node.inputs[index]?.shape.slice(1) ?? ['?']);
const transposed = (node: Node): boolean => attr.int(node, 'transA', 0) === 1;

/** A product: sums of `depth` products for each element of the output. */
const product =
  (depth: (node: Node) => number) =>
  (node: Node): number =>
    2 * sizeOfOutput(node) * depth(node);

/** Each input element meets every weight of its channel once. */
const transposedConvolution = (node: Node): number => 2 * kernel(node) * elements(node.inputs[0]?.shape ?? ['?']);

function einsum(node: Node): number {
  const shapes = node.inputs.map((value) => value?.shape ?? []);
  const { sizes } = parseEinsum(attr.string(node, 'equation', ''), shapes);
  return shapes.length < 2 ? 0 : 2 * (shapes.length - 1) * elements([...sizes.values()]);
}

/** Scores and weighted values: two products over all keys for each element of the output. Hidden keys count too. */
const attention = (node: Node): number => {
  const keys =
    node.outputs[1]?.shape.at(-2) ?? (node.inputs[1]?.rank === 3 ? node.inputs[1] : node.inputs[0])?.shape.at(1);
  return 4 * sizeOfOutput(node) * elements([keys ?? '?']);
};

/** `Attention` of opset 23: queries meet keys, and scores meet values, whether heads have an axis or not. */
const standardAttention = ({ inputs, outputs }: Node): number => {
  const [queries, keys, , , past] = inputs;
  const length = dim(keys, -2) + (past ? dim(past, -2) : 0);
  return 2 * length * (elements(queries?.shape ?? ['?']) + elements(outputs[0]?.shape ?? ['?']));
};

/** `Attention` of com.microsoft, which projects its input first. */
const projectingAttention = (node: Node): number => {
  const [x, weight, , , past] = node.inputs;
  const length = dim(x, 1) + (past ? dim(past, -2) : 0);
  return 2 * elements(x?.shape ?? ['?']) * dim(weight, -1) + 4 * sizeOfOutput(node) * length;
};

const FLOPS: Readonly<Record<string, (node: Node) => number>> = {
  MatMul: product(last),
  MatMulInteger: product(last),
  QLinearMatMul: product(last),
  'anneal.Int8Linear': product(last),
  'com.microsoft.DynamicQuantizeMatMul': product(last),
  'com.microsoft.MatMulIntegerToFloat': product(last),
  'com.microsoft.MatMulNBits': product(last),
  'com.microsoft.FusedMatMul': product((node) => dim(node.inputs[0], transposed(node) ? -2 : -1)),
  Gemm: product((node) => dim(node.inputs[0], transposed(node) ? 0 : 1)),
  Conv: product(kernel),
  ConvInteger: product(kernel),
  QLinearConv: product((node) => kernel(node, 3)),
  ConvTranspose: transposedConvolution,
  Einsum: einsum,
  Attention: standardAttention,
  'com.microsoft.Attention': projectingAttention,
  'com.microsoft.GroupQueryAttention': attention,
  'com.microsoft.MultiHeadAttention': attention,
};
/** Operators without a formula that may be most of the work. */
const HEAVY = /Attention|LSTM|GRU|RNN|^(If|Loop|Scan)$|MoE/;

export function workOf(graph: Graph): Work {
  const byOp = new Map<string, number>();
  const notCounted = new Set<string>();
  for (const node of graph.nodes) {
    const key = opKey(node.domain, node.op);
    const flops = Object.hasOwn(FLOPS, key) ? FLOPS[key]?.(node) : undefined;
    if (flops !== undefined && Number.isFinite(flops)) byOp.set(key, (byOp.get(key) ?? 0) + flops);
    else if (flops !== undefined || HEAVY.test(node.op)) notCounted.add(key);
  }
  const sorted = [...byOp].map(([op, flops]) => ({ op, flops })).sort((a, b) => b.flops - a.flops);
  return { flops: sorted.reduce((sum, { flops }) => sum + flops, 0), byOp: sorted, notCounted: [...notCounted] };
}
