import { type Node, type OpKey, opKey } from '@anneal/graph';
import { isOnHost } from './host.ts';

/** Operands that are sizes, axes, bounds: numbers that the host needs, by position. */
const HOST_INPUTS: Partial<Record<OpKey, readonly number[]>> = {
  ConstantOfShape: [0],
  CumSum: [1],
  Expand: [1],
  OneHot: [1, 2],
  Pad: [1, 2, 3],
  Range: [0, 1, 2],
  ReduceL1: [1],
  ReduceL2: [1],
  ReduceLogSum: [1],
  ReduceLogSumExp: [1],
  ReduceMax: [1],
  ReduceMean: [1],
  ReduceMin: [1],
  ReduceProd: [1],
  ReduceSum: [1],
  ReduceSumSquare: [1],
  Reshape: [1],
  Slice: [1, 2, 3, 4],
  Split: [1],
  Squeeze: [1],
  Tile: [1],
  TopK: [1],
  Trilu: [1],
  Unsqueeze: [1],
};

/** Positions of the operands that the host reads: for an operator that is computed there, all. */
export function hostInputs(node: Node): readonly number[] {
  const key = opKey(node.domain, node.op);
  if (isOnHost(key, node)) return Array.from(node.inputs, (_, i) => i);
  return Object.hasOwn(HOST_INPUTS, key) ? (HOST_INPUTS[key as OpKey] ?? []) : [];
}
