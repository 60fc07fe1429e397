import { attr, DTYPES, type Graph, isFloat, type Node, opKey, STOP, type Value, VJP } from '@anneal/graph';

/** A tensor of the file and what it takes. */
export interface TensorStat {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: number;
}

/** A node that gradients cannot pass. */
export interface Obstacle {
  readonly op: string;
  readonly count: number;
  readonly reason: string;
}

export interface GraphStats {
  readonly name: string;
  readonly opsets: Readonly<Record<string, number>>;
  readonly inputs: readonly {
    readonly name: string;
    readonly dtype: string;
    readonly shape: readonly (number | string)[];
  }[];
  readonly outputs: GraphStats['inputs'];
  readonly nodes: number;
  /** How often each operator occurs, most often first. */
  readonly ops: readonly { readonly op: string; readonly count: number }[];
  /** Elements of all weights. */
  readonly parameters: number;
  readonly parameterBytes: number;
  /** Bytes of weights by type. */
  readonly bytesByType: Readonly<Record<string, number>>;
  /** Largest weights first. */
  readonly tensors: readonly TensorStat[];
  /** Operators on the way from float weights to the outputs that have no gradient; empty: differentiable. */
  readonly obstacles: readonly Obstacle[];
}

/** Multiplications and additions of matrix products and convolutions; everything else is small beside them. */
export interface FlopStats {
  readonly flops: number;
  readonly dims: Readonly<Record<string, number>>;
  /** Share of each operator, largest first. */
  readonly byOp: readonly { readonly op: string; readonly flops: number }[];
  /** Operators that do such work and are not counted. */
  readonly notCounted: readonly string[];
}

const elements = (shape: readonly (number | string)[]): number =>
  shape.reduce<number>((product, dim) => product * Number(dim), 1);

const lastDim = (node: Node): number => Number(node.inputs[0]?.shape.at(-1));
const weightDims = (node: Node): number => elements(node.inputs[1]?.shape.slice(1) ?? []);

/** Length of the sums that one output element is made of, by operator. */
const DEPTH: Readonly<Record<string, (node: Node) => number>> = {
  MatMul: lastDim,
  MatMulInteger: lastDim,
  QLinearMatMul: lastDim,
  'com.microsoft.DynamicQuantizeMatMul': lastDim,
  'com.microsoft.MatMulIntegerToFloat': lastDim,
  'com.microsoft.MatMulNBits': lastDim,
  'com.microsoft.FusedMatMul': (node) => Number(node.inputs[0]?.shape.at(attr.int(node, 'transA', 0) === 1 ? -2 : -1)),
  Gemm: (node) => Number(node.inputs[0]?.shape.at(attr.int(node, 'transA', 0) === 1 ? 0 : 1)),
  Conv: weightDims,
  ConvInteger: weightDims,
  QLinearConv: (node) => elements(node.inputs[3]?.shape.slice(1) ?? []),
  // Each input element meets every weight of its channel once: per input, not per output.
  ConvTranspose: (node) =>
    (weightDims(node) * elements(node.inputs[0]?.shape ?? [])) / elements(node.outputs[0]?.shape ?? []),
};
const HEAVY = /Attention|^Einsum$|LSTM|GRU|RNN/;

function histogram(nodes: readonly Node[]): { op: string; count: number }[] {
  const counts = new Map<string, number>();
  for (const node of nodes) {
    const key = opKey(node.domain, node.op);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return [...counts].map(([op, count]) => ({ op, count })).sort((a, b) => b.count - a.count || (a.op < b.op ? -1 : 1));
}

/** Nodes on a way from float weights to an output through float values. */
function gradientPath(graph: Graph): readonly Node[] {
  const active = new Set<Value>();
  for (const { value } of graph.parameters.values()) if (isFloat(value.dtype)) active.add(value);
  const forward = graph.nodes.filter((node) => {
    if (!node.inputs.some((value) => value !== undefined && active.has(value))) return false;
    const floats = node.outputs.filter((value) => value !== undefined && isFloat(value.dtype));
    for (const value of floats) if (value !== undefined) active.add(value);
    return floats.length > 0 || isRefused(node);
  });
  // Integers that a quantizing operator makes end a path for good; the operator itself is the obstacle.
  const wanted = new Set<Value>(graph.outputs.values());
  for (const node of [...graph.nodes].reverse()) {
    if (!node.outputs.some((value) => value !== undefined && wanted.has(value))) continue;
    for (const value of node.inputs) if (value !== undefined) wanted.add(value);
  }
  return forward.filter((node) => node.outputs.some((value) => value !== undefined && wanted.has(value)));
}

function refusal(node: Node): string | undefined {
  const key = opKey(node.domain, node.op);
  if (Object.hasOwn(STOP, key)) {
    const { kind, reason } = STOP[key as keyof typeof STOP];
    return kind === 'error' ? reason : undefined;
  }
  return Object.hasOwn(VJP, key) ? undefined : 'no rule is known for this operator';
}
const isRefused = (node: Node): boolean => refusal(node) !== undefined;

function obstaclesOf(graph: Graph): readonly Obstacle[] {
  const refused = gradientPath(graph).filter(isRefused);
  return histogram(refused).map(({ op, count }) => {
    const node = refused.find((candidate) => opKey(candidate.domain, candidate.op) === op) as Node;
    return { op, count, reason: refusal(node) as string };
  });
}

/** What a graph consists of; reads no weights. */
export function graphStats(graph: Graph): GraphStats {
  const tensors = [...graph.parameters].map(([name, { data }]): TensorStat => {
    const bytes = Math.ceil((elements(data.shape) * DTYPES[data.dtype].bits) / 8);
    return { name, dtype: data.dtype, shape: data.shape, bytes };
  });
  const bytesByType: Record<string, number> = {};
  for (const { dtype, bytes } of tensors) bytesByType[dtype] = (bytesByType[dtype] ?? 0) + bytes;
  const ports = (values: ReadonlyMap<string, Value>): GraphStats['inputs'] =>
    [...values].map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
  return {
    name: graph.name,
    opsets: graph.opsets,
    inputs: ports(graph.inputs),
    outputs: ports(graph.outputs),
    nodes: graph.nodes.length,
    ops: histogram(graph.nodes),
    parameters: tensors.reduce((sum, { shape }) => sum + elements(shape), 0),
    parameterBytes: tensors.reduce((sum, { bytes }) => sum + bytes, 0),
    bytesByType,
    tensors: tensors.sort((a, b) => b.bytes - a.bytes),
    obstacles: obstaclesOf(graph),
  };
}

/** Work of one forward pass of a graph whose dimensions are numbers. */
export function flopStats(graph: Graph, dims: Readonly<Record<string, number>>): FlopStats {
  const byOp = new Map<string, number>();
  const notCounted = new Set<string>();
  for (const node of graph.nodes) {
    const key = opKey(node.domain, node.op);
    const depth = DEPTH[key]?.(node);
    const size = elements(node.outputs[0]?.shape ?? []);
    const flops = depth === undefined ? Number.NaN : 2 * size * depth;
    if (Number.isFinite(flops)) byOp.set(key, (byOp.get(key) ?? 0) + flops);
    else if (depth !== undefined || HEAVY.test(node.op)) notCounted.add(key);
  }
  const sorted = [...byOp].map(([op, flops]) => ({ op, flops })).sort((a, b) => b.flops - a.flops);
  return { flops: sorted.reduce((sum, { flops }) => sum + flops, 0), dims, byOp: sorted, notCounted: [...notCounted] };
}
