import type { DType } from '../dtype.ts';
import { GraphError } from '../error.ts';
import { attr, type Node } from '../ir.ts';
import { sizeOf } from '../tensor.ts';
import type { NdArray } from './array.ts';
import { broadcastOffsets, broadcastStatic, resolveAxis } from './strided.ts';

/** One application of an operator to numbers. */
export interface Call {
  readonly node: Node;
  readonly inputs: readonly (NdArray | undefined)[];
  /** Version of the operator set that the node belongs to. */
  readonly opset: number;
}

/** A computed tensor before it is rounded to the dtype that inference gave the output. */
export interface Result {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/** What an operator computes, in doubles; outputs that the node does not have may be given or left out. */
export type Kernel = (call: Call) => Result | readonly Result[];

/** An input that must be there. */
export function arg({ node, inputs }: Call, index: number): NdArray {
  const value = inputs[index];
  if (value === undefined) throw new GraphError('ANNEAL_E_OP', `${node.op}: input ${index} is missing`);
  return value;
}

/** An optional scalar input. */
export function scalarArg({ inputs }: Call, index: number, fallback: number): number {
  return inputs[index]?.data[0] ?? fallback;
}

/** Integers given as an input or, in older operator sets, as an attribute. */
export function intsArg({ node, inputs }: Call, index: number, name: string): readonly number[] | undefined {
  const given = inputs[index];
  return given ? Array.from(given.data) : attr.ints(node, name);
}

/** The dtype of an output. */
export function outputDType({ node }: Call, index: number = 0): DType {
  const value = node.outputs[index];
  if (value === undefined) throw new GraphError('ANNEAL_E_OP', `${node.op}: output ${index} is not there`);
  return value.dtype;
}

/** The node's `axis` attribute, resolved. */
export function axisArg({ node }: Call, rank: number, fallback: number): number {
  return resolveAxis(node.op, attr.int(node, 'axis', fallback), rank);
}

export function shapeMismatch({ node, inputs }: Call, message: string): GraphError {
  const received = inputs.map((x) => (x ? `${x.dtype}[${x.shape}]` : '(none)')).join(', ');
  return new GraphError('ANNEAL_E_SHAPE', `${node.op}: ${message}; received ${received}`);
}

/** Applies a function to every element. */
export function map(x: NdArray, f: (value: number) => number): Result {
  return { shape: x.shape, data: x.data.map((value) => f(value)) };
}

/** Applies a function to every tuple of elements of two or three broadcast tensors. */
export function zip(op: string, arrays: readonly NdArray[], f: (a: number, b: number, c: number) => number): Result {
  const shape = broadcastStatic(
    op,
    arrays.map((x) => x.shape),
  );
  const data = new Float64Array(sizeOf(shape));
  const [a, b, c] = arrays.map((x) => {
    const at = broadcastOffsets(x.shape, shape);
    return (i: number): number => x.data[at[i] as number] as number;
  });
  for (let i = 0; i < data.length; i++) data[i] = f(a?.(i) ?? 0, b?.(i) ?? 0, c?.(i) ?? 0);
  return { shape, data };
}
