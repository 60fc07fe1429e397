import { attr, type Attributes, GraphError, type Node, type TensorData, type Value } from '@anneal/graph';

import { permuted } from '../trace/windows.ts';
import { type Emitter, parameterPath, type Ref, tfAttr } from './emitter.ts';

/** Writes one operator of ONNX as operators of TensorFlow. */
export type WriteRule = (node: WriteContext) => void;

/** What a rule sees of its node. */
export class WriteContext {
  readonly e: Emitter;
  readonly node: Node;
  readonly #data: ReadonlyMap<Value, TensorData>;

  /** `data` holds what is known of values: constants and parameters. */
  constructor(e: Emitter, node: Node, data: ReadonlyMap<Value, TensorData>) {
    this.e = e;
    this.node = node;
    this.#data = data;
  }

  get attributes(): Attributes {
    return this.node.attributes;
  }

  error(message: string): GraphError {
    const { op, scope } = this.node;
    return new GraphError('ANNEAL_E_OP', `${op} cannot be written as a model of TensorFlow.js: ${message}`, {
      at: scope === '' ? undefined : { module: scope },
      fix: 'write the model as ONNX, or replace the operator (compress.transformModel)',
    });
  }

  value(index: number): Value {
    const value = this.node.inputs[index];
    if (value === undefined) throw this.error(`input ${index} is missing`);
    return value;
  }

  has(index: number): boolean {
    return this.node.inputs[index] !== undefined;
  }

  /** An input with its axes as in the graph. */
  x(index: number): Ref {
    return this.e.first(this.value(index));
  }

  int(name: string, fallback: number): number {
    return attr.int(this.node, name, fallback);
  }

  float(name: string, fallback: number): number {
    return attr.float(this.node, name, fallback);
  }

  text(name: string, fallback: string): string {
    return attr.string(this.node, name, fallback);
  }

  ints(name: string): readonly number[] | undefined {
    return attr.ints(this.node, name);
  }

  /** The contents of an input, when they are known. */
  data(index: number): TensorData | undefined {
    const value = this.node.inputs[index];
    return value && this.#data.get(value);
  }

  /** Integers that must be known. */
  known(index: number, what: string): readonly number[] {
    const data = this.data(index);
    if (data === undefined) throw this.error(`${what} must not depend on data`);
    return Array.from(data.data, Number);
  }

  /** A node of TensorFlow; `T` is the type of the output. */
  tf(op: string, inputs: readonly Ref[], attributes: Readonly<Record<string, unknown>> = {}): Ref {
    const { scope } = this.node;
    const type = this.node.inputs.find((input) => input !== undefined)?.dtype ?? 'float32';
    const name = scope === '' ? op : `${scope.replaceAll('.', '/')}/${op}`;
    return this.e.node(op, inputs, { T: tfAttr.type(type), ...attributes }, name);
  }

  /** The output, with its axes as in the graph. */
  out(ref: Ref, index: number = 0): void {
    const value = this.node.outputs[index];
    if (value !== undefined) this.e.set(value, { first: ref });
  }

  /** The output, with its channels last. */
  outLast(ref: Ref): void {
    const [value] = this.node.outputs;
    if (value !== undefined) this.e.set(value, { last: ref });
  }

  /** A tensor that is known, in another order of its axes; a computed one is transposed when the model runs. */
  moved(index: number, perm: readonly number[], shape?: readonly number[]): Ref {
    const value = this.value(index);
    const data = this.data(index);
    if (data === undefined) {
      const transposed = this.e.transpose(this.e.first(value), perm, value.dtype);
      return shape === undefined ? transposed : this.tf('Reshape', [transposed, this.e.ints(shape)]);
    }
    const own = permuted(data, perm);
    return this.e.weight(shape === undefined ? own : { ...own, shape }, parameterPath(value.name));
  }

  /** An input as an operand of tensors of `rank` axes whose channels are last. */
  operandLast(index: number, rank: number): Ref {
    const value = this.value(index);
    if (value.rank === rank) return this.e.last(value);
    if (value.rank === 0) return this.e.first(value);
    const full = [...Array.from({ length: rank - value.rank }, () => 1), ...value.shape];
    const perm = [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1];
    const data = this.data(index);
    if (data !== undefined) {
      return this.e.weight(permuted({ ...data, shape: full as number[] }, perm), parameterPath(value.name));
    }
    const known = full.map((dim) => (typeof dim === 'number' ? dim : -1));
    if (known.filter((dim) => dim === -1).length > 1) throw this.error('sizes must be known');
    const reshaped = this.tf('Reshape', [this.e.first(value), this.e.ints(known)]);
    return this.e.transpose(reshaped, perm, value.dtype);
  }
}
