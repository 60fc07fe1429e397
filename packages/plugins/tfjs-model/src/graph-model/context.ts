import {
  type Dim,
  type DType,
  formatError,
  type GraphBuilder,
  type GraphError,
  type Ops,
  type TensorData,
  type Value,
} from '@anneal/graph';

import type { Json } from '../format/json.ts';
import { isBuffer, parameterName } from '../names.ts';
import { Traced } from '../trace/traced.ts';
import { type Ids, Item } from './item.ts';

/** Makes the outputs of an operator of TensorFlow from its inputs. */
export type OpRule = (node: OpContext) => Item | Value | readonly (Item | Value)[];

/** What the nodes of one graph share. */
export interface GraphState {
  readonly g: GraphBuilder;
  readonly file: string;
  /** Weights of the file by name. */
  readonly tensors: ReadonlyMap<string, TensorData>;
  readonly texts: ReadonlyMap<string, readonly string[]>;
  /** Ids by what they were made of. */
  readonly ids: Map<string, Ids>;
  /** A new input for ids of text, of which there are `buckets`. */
  readonly idsInput: (buckets: number) => Value;
}

/** What a rule sees of its node. */
export class OpContext {
  /** The graph being built. */
  readonly g: GraphBuilder;
  /** Of the graph being built. */
  readonly ops: Ops;
  /** What nodes of the model share. */
  readonly state: GraphState;
  /** Of the node. */
  readonly name: string;
  /** Its operator. */
  readonly op: string;
  /** In order. */
  readonly inputs: readonly Item[];
  /** Where errors are. */
  readonly place: Json;

  constructor(state: GraphState, name: string, op: string, inputs: readonly Item[], place: Json) {
    this.state = state;
    this.g = state.g;
    this.ops = state.g.ops;
    this.name = name;
    this.op = op;
    this.inputs = inputs;
    this.place = place;
  }

  /** An error that names the node. */
  error(message: string, fix?: string): GraphError {
    return formatError(
      { file: this.place.file, node: this.name },
      `${this.op}: ${message}`,
      fix === undefined ? {} : { fix },
    );
  }

  /** An input that must be there. */
  item(index: number): Item {
    const item = this.inputs[index];
    if (item === undefined) throw this.error(`input ${index} is missing`);
    return item;
  }

  /** An input that is a tensor. */
  traced(index: number): Traced {
    return this.item(index).traced(() => this.error(`input ${index} is text, which is not part of the graph`));
  }

  /** An input with the axes of TensorFlow. */
  x(index: number): Value {
    return this.traced(index).last;
  }

  /** Integers that must be known. */
  ints(index: number): readonly number[] {
    const contents = this.dims(index);
    if (contents.every((dim) => typeof dim === 'number')) return contents as readonly number[];
    throw this.error(`input ${index} must be known, received ${contents.join(', ')}`);
  }

  /** An input that is a known integer. */
  int(index: number): number {
    const [value, ...rest] = this.ints(index);
    if (value === undefined || rest.length > 0) throw this.error(`input ${index} must be one number`);
    return value;
  }

  /** Integers that follow from shapes. */
  dims(index: number): readonly Dim[] {
    const { contents } = this.item(index);
    if (contents === undefined) throw this.error(`input ${index} must not depend on data`);
    return contents;
  }

  /** Axes, counted from the front. */
  axes(index: number, rank: number): readonly number[] {
    return this.ints(index).map((axis) => this.axis(axis, rank));
  }

  /** An axis, counted from the front. */
  axis(axis: number, rank: number): number {
    const resolved = axis < 0 ? axis + rank : axis;
    if (resolved < 0 || resolved >= rank) throw this.error(`there is no axis ${axis} of ${rank}`);
    return resolved;
  }

  /**
   * An input as a parameter laid out in another way; a tensor that is computed is changed by nodes, with `otherwise`.
   */
  kernel(index: number, form: (data: TensorData) => TensorData, otherwise: (x: Value) => Value): Value {
    const { weight } = this.item(index);
    const source = this.place.get('input').items()[index]?.string() ?? '';
    const name = parameterName(source);
    if (weight === undefined || weight.dtype !== 'float32') return otherwise(this.x(index));
    const known = this.g.findParameter(name);
    const data = form(weight);
    if (known === undefined) return this.g.parameter(name, data, { trainable: !isBuffer(name) });
    return known.value.shape.join() === data.shape.join() ? known.value : otherwise(this.x(index));
  }

  /** An attribute as the file has it. */
  attr(key: string): Json {
    return this.place.get('attr').exists ? this.place.get('attr').get(key) : this.place.get('attr');
  }

  /** An attribute that is an integer. */
  attrInt(key: string, fallback?: number): number {
    const place = this.attr(key);
    return place.exists ? place.get('i').int(fallback) : place.int(fallback);
  }

  /** An attribute that is a number. */
  attrFloat(key: string, fallback: number): number {
    const place = this.attr(key);
    if (!place.exists) return fallback;
    // Zeros are left out of the file.
    return place.get('f').number(0);
  }

  /** An attribute that is true or false. */
  attrBool(key: string, fallback: boolean = false): boolean {
    const place = this.attr(key);
    return place.exists ? place.get('b').boolean(false) : fallback;
  }

  /** An attribute that is a text. */
  attrText(key: string, fallback?: string): string {
    const place = this.attr(key);
    return place.exists ? decoded(place.get('s')) : place.string(fallback);
  }

  /** An attribute that is a list of integers. */
  attrInts(key: string, fallback: readonly number[]): readonly number[] {
    const place = this.attr(key);
    if (!place.exists) return fallback;
    const list = place.get('list').get('i');
    return list.exists ? list.items().map((item) => item.int()) : fallback;
  }

  /** An attribute that is a list of texts. */
  attrTexts(key: string): readonly string[] {
    const place = this.attr(key);
    if (!place.exists || !place.get('list').exists) return [];
    const list = place.get('list').get('s');
    return list.exists ? list.items().map(decoded) : [];
  }

  /** The type that an attribute names, as the graph has it: all integers are int64. */
  attrType(key: string): DType {
    return typeOf(this.attr(key).get('type'));
  }

  /** A tensor in the order of TensorFlow. */
  result(value: Value): Item {
    return Item.of(Traced.last(this.g, value));
  }
}

const TYPES: Readonly<Record<string, DType>> = {
  DT_FLOAT: 'float32',
  DT_HALF: 'float32',
  DT_DOUBLE: 'float32',
  DT_BFLOAT16: 'float32',
  DT_INT32: 'int64',
  DT_INT64: 'int64',
  DT_INT16: 'int64',
  DT_INT8: 'int64',
  DT_UINT8: 'int64',
  DT_BOOL: 'bool',
};
/** Numbers of types, which some writers use in place of names. */
const TYPE_NUMBERS: Readonly<Record<number, string>> = {
  1: 'DT_FLOAT',
  2: 'DT_DOUBLE',
  3: 'DT_INT32',
  4: 'DT_UINT8',
  5: 'DT_INT16',
  6: 'DT_INT8',
  7: 'DT_STRING',
  9: 'DT_INT64',
  10: 'DT_BOOL',
  14: 'DT_BFLOAT16',
  19: 'DT_HALF',
};

/** `DT_STRING`, `DT_FLOAT` … */
export function typeName(place: Json): string {
  return typeof place.value === 'number' ? (TYPE_NUMBERS[place.value] ?? String(place.value)) : place.string();
}

export function typeOf(place: Json): DType {
  const name = typeName(place);
  const found = Object.hasOwn(TYPES, name) ? TYPES[name] : undefined;
  if (found === undefined) throw place.error(`tensors of type ${name} are not supported`);
  return found;
}

/** Bytes as JSON has them: base64, or a list of numbers. */
export function decoded(place: Json): string {
  if (place.isArray) return String.fromCharCode(...place.items().map((item) => item.int(undefined, 0) & 0xff));
  try {
    return atob(place.string(''));
  } catch {
    throw place.error('must be base64');
  }
}
