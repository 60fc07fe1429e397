import { usedBy } from '../inner-graphs.ts';
import type { Graph, Node, Shape, Value } from '../ir.ts';
import type { DType } from '../dtype.ts';
import { byteLengthOf } from '../tensor.ts';

/** A tensor and what it takes. */
export interface TensorStat {
  /** As in the graph. */
  readonly name: string;
  /** Of the elements. */
  readonly dtype: DType;
  /** Outermost axis first. */
  readonly shape: readonly number[];
  /** Of all elements. */
  readonly bytes: number;
}

/** Bytes of what nodes compute, besides weights. */
export interface Memory {
  /** Most that is alive at once when nodes run in order and each result goes after its last use. */
  readonly peakBytes: number;
  /** The node at which that is. */
  readonly peakAt: { readonly op: string; readonly scope: string } | undefined;
  /** All results together, as a backward pass keeps them at worst. */
  readonly totalBytes: number;
  /** Results, largest first. */
  readonly tensors: readonly TensorStat[];
  /** Results whose size is not known before the model runs; they are in no number here. */
  readonly unknown: number;
}

export function statOf({ name, dtype, shape }: { name: string; dtype: DType; shape: Shape }): TensorStat | undefined {
  if (!shape.every((dim) => typeof dim === 'number')) return undefined;
  const sizes = shape as readonly number[];
  return { name, dtype, shape: sizes, bytes: byteLengthOf(dtype, sizes) };
}

export function memoryOf(graph: Graph): Memory {
  const lastUse = new Map<Value, Node | undefined>();
  for (const node of graph.nodes) for (const value of usedBy(node)) if (value) lastUse.set(value, node);
  for (const value of graph.outputs.values()) lastUse.set(value, undefined);
  const alive = new Map<Value, number>();
  const tensors: TensorStat[] = [];
  let [now, peakBytes, unknown] = [0, 0, 0];
  let peakAt: Node | undefined;
  for (const node of graph.nodes) {
    for (const value of node.outputs) {
      const stat = value && statOf(value);
      if (stat) {
        tensors.push(stat);
        alive.set(value as Value, stat.bytes);
        now += stat.bytes;
      } else if (value) unknown++;
    }
    if (now > peakBytes) [peakBytes, peakAt] = [now, node];
    for (const value of new Set([...usedBy(node), ...node.outputs])) {
      const unused = value && !lastUse.has(value);
      if (value && (unused || lastUse.get(value) === node)) {
        now -= alive.get(value) ?? 0;
        alive.delete(value);
      }
    }
  }
  return {
    peakBytes,
    peakAt: peakAt && { op: peakAt.op, scope: peakAt.scope },
    totalBytes: tensors.reduce((sum, { bytes }) => sum + bytes, 0),
    tensors: tensors.sort((a, b) => b.bytes - a.bytes),
    unknown,
  };
}
