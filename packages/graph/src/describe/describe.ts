import { stopOf } from '../autodiff/stop.ts';
import { type DType, isFloat } from '../dtype.ts';
import { opKey } from '../infer/index.ts';
import { usedBy } from '../inner-graphs.ts';
import type { Graph, Node, Shape, Value } from '../ir.ts';
import { byteLengthOf, sizeOf } from '../tensor.ts';
import { type Memory, memoryOf, type TensorStat } from './memory.ts';
import { type Work, workOf } from './work.ts';

/** An input or output. */
export interface Port {
  /** As the file has it. */
  readonly name: string;
  /** Of the elements. */
  readonly dtype: DType;
  /** Symbols are sizes that are left open. */
  readonly shape: Shape;
}

/** An operator that gradients cannot pass. */
export interface Obstacle {
  /** Key of the operator. */
  readonly op: string;
  /** How many nodes of it are in the way. */
  readonly count: number;
  /** In words. */
  readonly reason: string;
  /** What to do about it. */
  readonly fix: string | undefined;
  /** The modules that these nodes are in, as far as they are known. */
  readonly modules: readonly string[];
  /** The first result of each of these nodes, by which it is found in the file. */
  readonly results: readonly string[];
}

/** What a graph consists of, as plain data. */
export interface GraphDescription {
  /** Of the graph. */
  readonly name: string;
  /** Version of each operator set, by domain. */
  readonly opsets: Readonly<Record<string, number>>;
  /** What it is fed. */
  readonly inputs: readonly Port[];
  /** What it returns. */
  readonly outputs: readonly Port[];
  /** Number of nodes. */
  readonly nodes: number;
  /** How often each operator occurs, most often first. */
  readonly ops: readonly { readonly op: string; readonly count: number }[];
  /** Elements of all weights. */
  readonly parameters: number;
  /** Of all weights. */
  readonly parameterBytes: number;
  /** Bytes of weights by element type. */
  readonly bytesByType: Readonly<Record<string, number>>;
  /** Weights, largest first. */
  readonly tensors: readonly TensorStat[];
  /** What lies between float weights and outputs and has no gradient; empty: all of the graph is differentiable. */
  readonly obstacles: readonly Obstacle[];
  /** Of one forward pass. */
  readonly memory: Memory;
  /** Of one forward pass. */
  readonly work: Work;
}

/**
 * Describes a graph without reading its weights: operators, weights, memory and work of one pass, and what gradients
 * cannot pass. Memory and work cover what has numbers for sizes: `bind` the graph first.
 */
export function describeGraph(graph: Graph): GraphDescription {
  const tensors = [...graph.parameters].map(
    ([
      name,
      {
        data: { dtype, shape },
      },
    ]): TensorStat => ({
      name,
      dtype,
      shape,
      bytes: byteLengthOf(dtype, shape),
    }),
  );
  const bytesByType: Record<string, number> = {};
  for (const { dtype, bytes } of tensors) bytesByType[dtype] = (bytesByType[dtype] ?? 0) + bytes;
  return {
    name: graph.name,
    opsets: graph.opsets,
    inputs: ports(graph.inputs),
    outputs: ports(graph.outputs),
    nodes: graph.nodes.length,
    ops: histogram(graph.nodes),
    parameters: tensors.reduce((sum, { shape }) => sum + sizeOf(shape), 0),
    parameterBytes: tensors.reduce((sum, { bytes }) => sum + bytes, 0),
    bytesByType,
    tensors: tensors.sort((a, b) => b.bytes - a.bytes),
    obstacles: obstaclesOf(graph),
    memory: memoryOf(graph),
    work: workOf(graph),
  };
}

function ports(values: ReadonlyMap<string, Value>): Port[] {
  return [...values].map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
}

function histogram(nodes: readonly Node[]): { op: string; count: number }[] {
  const counts = new Map<string, number>();
  for (const { domain, op } of nodes) counts.set(opKey(domain, op), (counts.get(opKey(domain, op)) ?? 0) + 1);
  return [...counts].map(([op, count]) => ({ op, count })).sort((a, b) => b.count - a.count || (a.op < b.op ? -1 : 1));
}

const isRefused = (node: Node): boolean => stopOf(node)?.kind === 'error';

function obstaclesOf(graph: Graph): Obstacle[] {
  const refused = gradientPath(graph).filter(isRefused);
  return histogram(refused).map(({ op, count }) => {
    const nodes = refused.filter((node) => opKey(node.domain, node.op) === op);
    const { reason = '', fix } = stopOf(nodes[0] as Node) ?? {};
    return {
      op,
      count,
      reason,
      fix,
      modules: [...new Set(nodes.map(({ scope }) => scope))].filter((name) => name !== ''),
      results: nodes.map(({ outputs }) => outputs.find((value) => value !== undefined)?.name ?? ''),
    };
  });
}

/** Nodes on a way from float weights to an output through float values. */
function gradientPath(graph: Graph): readonly Node[] {
  const active = new Set<Value>();
  for (const { value } of graph.parameters.values()) if (isFloat(value.dtype)) active.add(value);
  const forward = graph.nodes.filter((node) => {
    if (!usedBy(node).some((value) => value && active.has(value)) || stopOf(node)?.kind === 'zero') return false;
    const floats = node.outputs.filter((value) => value && isFloat(value.dtype));
    for (const value of floats) if (value) active.add(value);
    // Integers that a quantizing operator makes end a path for good; the operator itself is the obstacle.
    return floats.length > 0 || isRefused(node);
  });
  const wanted = new Set<Value>(graph.outputs.values());
  for (const node of [...graph.nodes].reverse()) {
    if (!node.outputs.some((value) => value && wanted.has(value))) continue;
    for (const value of usedBy(node)) if (value) wanted.add(value);
  }
  return forward.filter((node) => node.outputs.some((value) => value && wanted.has(value)));
}
