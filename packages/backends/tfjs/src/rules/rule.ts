import { attr, GraphError, type Node, type TensorData, toNumbers } from '@anneal/graph';
import type { Kernels, Tensor } from '../device/kernels.ts';
import type { Slot, Step } from '../plan.ts';

/** One application of an operator to tensors of the device. */
export interface Call {
  readonly k: Kernels;
  readonly inputs: readonly (Tensor | undefined)[];
  /** What the host has read of the operands. */
  readonly host: readonly (TensorData | undefined)[];
}

export type Execute = (call: Call) => Tensor | readonly Tensor[];

/** From what is known of a node when it is compiled to what it does in every run. */
export type Rule = (step: Step) => Execute;

/** An operand that must be there. */
export function arg({ inputs }: Pick<Call, 'inputs'>, index: number): Tensor {
  const value = inputs[index];
  if (value === undefined) throw new GraphError('ANNEAL_E_OP', `input ${index} is missing`);
  return value;
}

/** Numbers of an operand that the host has. */
export function numbers({ host }: Pick<Call, 'host'>, index: number): readonly number[] | undefined {
  const data = host[index];
  return data && Array.from(toNumbers(data));
}

/** Integers given as an operand or, in older operator sets, as an attribute. */
export function ints(step: Step, call: Call, index: number, name: string): readonly number[] | undefined {
  return numbers(call, index) ?? attr.ints(step, name);
}

/** The same number for all, when the operand is a constant of one element. */
export function constantScalar({ constants }: Step, index: number): number | undefined {
  const data = constants[index];
  return data?.data.length === 1 ? toNumbers(data)[0] : undefined;
}

export function axisOf(axis: number, rank: number): number {
  const resolved = axis < 0 ? axis + rank : axis;
  if (resolved < 0 || resolved >= Math.max(1, rank)) {
    throw new GraphError('ANNEAL_E_SHAPE', `axis ${axis} is outside a tensor of rank ${rank}`);
  }
  return resolved;
}

export function axisAttribute(step: Pick<Node, 'op' | 'attributes'>, rank: number, fallback: number): number {
  return axisOf(attr.int(step, 'axis', fallback), rank);
}

/** The type of an output that must be there. */
export function outputSlot({ op, outputTypes }: Step, index: number = 0): Slot {
  const slot = outputTypes[index];
  if (slot === undefined) throw new GraphError('ANNEAL_E_OP', `${op}: output ${index} is not there`);
  return slot;
}

/** A static shape; `undefined` while a dimension is not known. */
export function staticShape({ shape }: Slot): readonly number[] | undefined {
  return shape.every((dim) => typeof dim === 'number') ? (shape as readonly number[]) : undefined;
}
