import type { GraphBuilder } from '../../builder.ts';
import { attr, type Attributes, Value } from '../../ir.ts';

/** What an operator on sequences is given. */
export interface SequenceCall {
  readonly op: string;
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes: Attributes;
  readonly g: GraphBuilder;
  /** The elements of a tensor that is known by now. */
  readonly known: (value: Value) => ArrayLike<number> | undefined;
}

/** More tensors than any model keeps in a list. */
const MAX_LENGTH = 10_000;

/**
 * Lists of tensors. They exist only while a model is read: which tensors they hold is known then, unless it depends on
 * what the model is given, which is not supported.
 */
export class Sequences {
  readonly #items = new Map<Value, readonly Value[]>();

  has(value: Value | undefined): boolean {
    return value !== undefined && this.#items.has(value);
  }

  /** Whether a node makes or uses a list. */
  concerns(op: string, inputs: readonly (Value | undefined)[]): boolean {
    return (op !== 'Identity' && Object.hasOwn(OPS, op)) || inputs.some((value) => this.has(value));
  }

  /** The output of a node; `undefined` when it depends on what is not known. */
  apply(call: SequenceCall): Value | undefined {
    const rule = Object.hasOwn(OPS, call.op) ? OPS[call.op] : undefined;
    const result = rule?.(call, (index) => this.#listOf(call.inputs[index]));
    return Array.isArray(result) ? this.#store(call.op, result as readonly Value[]) : (result as Value | undefined);
  }

  #listOf(value: Value | undefined): readonly Value[] | undefined {
    return value && this.#items.get(value);
  }

  /** Stands for a list among the values of a scope. */
  #store(op: string, items: readonly Value[]): Value {
    const value = new Value(op, items[0]?.dtype ?? 'float32', []);
    this.#items.set(value, items);
    return value;
  }
}

type List = readonly Value[];
type Rule = (call: SequenceCall, list: (index: number) => List | undefined) => Value | List | undefined;

/** A position in a list of `length`, from the end when it is negative; `end` when the input is left out. */
function positionOf({ inputs, known }: SequenceCall, index: number, length: number, end: number): number | undefined {
  const value = inputs[index];
  const at = value ? known(value)?.[0] : end;
  const position = at !== undefined && at < 0 ? at + length : at;
  return position !== undefined && position >= 0 && position <= length ? position : undefined;
}

const at: Rule = (call, list) => {
  const items = list(0);
  const position = items && positionOf(call, 1, items.length, -1);
  return position === undefined ? undefined : items?.[position];
};

const insert: Rule = (call, list) => {
  const [items, added] = [list(0), call.inputs[1]];
  const position = items && positionOf(call, 2, items.length, items.length);
  if (items === undefined || added === undefined || position === undefined) return undefined;
  return [...items.slice(0, position), added, ...items.slice(position)];
};

const erase: Rule = (call, list) => {
  const items = list(0);
  const position = items && positionOf(call, 1, items.length, items.length - 1);
  return position === undefined ? undefined : items?.filter((_, i) => i !== position);
};

const construct: Rule = ({ inputs }) => inputs.filter((value): value is Value => value !== undefined);

const concat: Rule = (call, list) => {
  const items = list(0);
  if (items === undefined || items.length === 0) return undefined;
  const axis = attr.int(call, 'axis', 0);
  const stacked = attr.int(call, 'new_axis', 0) === 1;
  const parts = stacked ? items.map((item) => call.g.ops.expandDims(item, [axis])) : items;
  return call.g.ops.concat(parts, { axis });
};

const split: Rule = (call) => {
  const [x, given] = call.inputs;
  const axis = attr.int(call, 'axis', 0);
  const total = x?.shape.at(axis);
  const sizes = given && call.known(given);
  if (x === undefined) return undefined;
  if (given?.rank === 1 && !sizes) return splitBy(call, x, given, axis);
  if (typeof total !== 'number' || (given && !sizes)) return undefined;
  const pieces = piecesOf(total, given?.rank === 1, sizes);
  if (pieces === undefined) return undefined;
  const parts = pieces.length === 1 ? [x] : call.g.ops.split(x, pieces, { axis });
  // Only pieces of one element can lose the axis.
  const flat = given === undefined && attr.int(call, 'keepdims', 1) === 0;
  return flat ? parts.map((part) => call.g.ops.squeeze(part, [axis])) : parts;
};

/** Pieces of sizes that are known when the model runs; how many there are is known now. */
function splitBy({ g }: SequenceCall, x: Value, sizes: Value, axis: number): List | undefined {
  const [count] = sizes.shape;
  if (typeof count !== 'number' || count < 1 || count > MAX_LENGTH) return undefined;
  const inputs = [x, g.ops.cast(sizes, 'int64')];
  return g.node('Split', inputs, { outputs: count, attributes: { axis: { int: axis } } }) as Value[];
}

/** Sizes of pieces: those of a list, equal ones with a shorter last, or ones. */
function piecesOf(total: number, isList: boolean, sizes: ArrayLike<number> | undefined): number[] | undefined {
  if (sizes && isList) return Array.from(sizes);
  const size = sizes?.[0] ?? 1;
  if (size < 1 || total / size > MAX_LENGTH) return undefined;
  return Array.from({ length: Math.ceil(total / size) }, (_, i) => Math.min(size, total - i * size));
}

const OPS: Readonly<Record<string, Rule>> = {
  ConcatFromSequence: concat,
  Identity: (_, list) => list(0),
  SequenceAt: at,
  SequenceConstruct: construct,
  SequenceEmpty: () => [],
  SequenceErase: erase,
  SequenceInsert: insert,
  SequenceLength: (call, list) => {
    const items = list(0);
    return items && call.g.scalar(items.length, 'int64');
  },
  SplitToSequence: split,
};
