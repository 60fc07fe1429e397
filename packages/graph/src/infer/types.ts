import type { DType } from '../dtype.ts';
import { GraphError } from '../error.ts';
import type { Attributes, Dim, Shape, Value } from '../ir.ts';
import type { TensorData } from '../tensor.ts';

/** Element type and shape of a value. */
export interface TensorType {
  /** Of the elements. */
  readonly dtype: DType;
  /** Symbols are sizes that are left open. */
  readonly shape: Shape;
}

/** What a rule sees of the node whose outputs it types. */
export interface InferContext {
  /** Key of the operator, for messages. */
  readonly op: string;
  /** `undefined` where an optional input is left out. */
  readonly inputs: readonly (Value | undefined)[];
  /** Of the node. */
  readonly attributes: Attributes;
  /** Number of outputs that the node has. */
  readonly outputCount: number;
  /** The contents of an input when it is a constant, as numbers. */
  constant(index: number): readonly number[] | undefined;
  /** The raw constant. */
  constantTensor(index: number): TensorData | undefined;
  /** A symbol that no other value uses, for dimensions that depend on data. */
  freshDim(hint: string): string;
}

/** Types of a node's outputs, from its inputs. Throws `ANNEAL_E_SHAPE` or `ANNEAL_E_DTYPE`. */
export type InferRule = (ctx: InferContext) => readonly TensorType[];

/** The key of an operator in every table: the name, with its domain in front unless it is ai.onnx. */
export function opKey(domain: string, op: string): string {
  return domain === '' || domain === 'ai.onnx' ? op : `${domain}.${op}`;
}

export function required(ctx: InferContext, index: number): Value {
  const value = ctx.inputs[index];
  if (value === undefined) throw new GraphError('ANNEAL_E_OP', `${ctx.op}: input ${index} is missing`);
  return value;
}

export function shapeError(ctx: InferContext, message: string): GraphError {
  const received = ctx.inputs.map((v) => (v ? `${v.name}: ${v.dtype}[${v.shape.join(', ')}]` : '(none)')).join('; ');
  return new GraphError('ANNEAL_E_SHAPE', `${ctx.op}: ${message}; received ${received}`);
}

/** Resolves a possibly negative axis. */
export function axisOf(ctx: InferContext, axis: number, rank: number): number {
  const resolved = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || resolved < 0 || resolved >= rank) {
    throw shapeError(ctx, `axis ${axis} is outside a tensor of rank ${rank}`);
  }
  return resolved;
}

/** NumPy broadcasting of two shapes; `undefined` when they do not fit. Two different symbols stay undecided: a fresh one. */
export function broadcastShapes(a: Shape, b: Shape): Shape | undefined {
  const rank = Math.max(a.length, b.length);
  const out: Dim[] = [];
  for (let i = 0; i < rank; i++) {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    if (x === y || y === 1) out.push(x);
    else if (x === 1) out.push(y);
    else if (typeof x === 'number' && typeof y === 'number') return undefined;
    else if (typeof x === 'number') out.push(x);
    else if (typeof y === 'number') out.push(y);
    else out.push(`(${x}|${y})`);
  }
  return out;
}

export function broadcastAll(ctx: InferContext, values: readonly Value[]): Shape {
  let shape: Shape = [];
  for (const value of values) {
    const next = broadcastShapes(shape, value.shape);
    if (next === undefined) throw shapeError(ctx, 'shapes do not broadcast');
    shape = next;
  }
  return shape;
}

export function sameDType(ctx: InferContext, values: readonly Value[]): DType {
  const first = values[0];
  if (first === undefined) throw new GraphError('ANNEAL_E_OP', `${ctx.op}: needs at least one input`);
  for (const value of values) {
    if (value.dtype !== first.dtype) {
      throw new GraphError(
        'ANNEAL_E_DTYPE',
        `${ctx.op}: inputs must have one dtype, received ${values.map((v) => `${v.name}: ${v.dtype}`).join(', ')}`,
        { fix: `cast one of them: ops.cast(x, '${first.dtype}')` },
      );
    }
  }
  return first.dtype;
}

/** Product of dims; `undefined` when one is symbolic. */
export function product(dims: Shape): number | undefined {
  let out = 1;
  for (const dim of dims) {
    if (typeof dim === 'string') return undefined;
    out *= dim;
  }
  return out;
}
