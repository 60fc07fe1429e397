import { type DType, GraphError, type TensorData, type Value } from '@anneal/graph';

/** A node of TensorFlow's graphs as the JSON has it. */
export interface TfNode {
  readonly name: string;
  readonly op: string;
  readonly input: readonly string[];
  readonly attr: Readonly<Record<string, unknown>>;
}

/** A result of a node: `name`, or `name:1`. */
export type Ref = string;

/** A tensor on its way into TensorFlow's graph: with the axes of ONNX, and with its channels last where that is needed. */
export interface Emitted {
  readonly first?: Ref | undefined;
  readonly last?: Ref | undefined;
}

/** `DT_FLOAT` and so on: TensorFlow.js has integers of 32 bits. */
export function tfType(dtype: DType): string {
  if (dtype === 'bool') return 'DT_BOOL';
  return dtype.startsWith('float') || dtype === 'bfloat16' ? 'DT_FLOAT' : 'DT_INT32';
}

export const tfAttr = {
  int: (i: number): unknown => ({ i: String(i) }),
  float: (f: number): unknown => ({ f }),
  bool: (b: boolean): unknown => ({ b }),
  text: (s: string): unknown => ({ s: btoa(s) }),
  type: (dtype: DType): unknown => ({ type: tfType(dtype) }),
  ints: (values: readonly number[]): unknown => ({ list: { i: values.map(String) } }),
  texts: (values: readonly string[]): unknown => ({ list: { s: values.map((value) => btoa(value)) } }),
} as const;

/** `dense.weight` as TensorFlow names things: `dense/weight`. */
export function parameterPath(name: string): string {
  return name.replaceAll('.', '/');
}

/** Collects the nodes and weights of a graph model. Nodes that no output needs are left out at the end. */
export class Emitter {
  readonly nodes: TfNode[] = [];
  readonly weights: Map<string, TensorData> = new Map();
  readonly #values = new Map<Value, { first?: Ref | undefined; last?: Ref | undefined }>();
  readonly #data: ReadonlyMap<Value, TensorData>;
  readonly #names = new Set<string>();
  readonly #known = new Map<string, Ref>();

  /** `data` holds what is known of values: constants and parameters, declared when something uses them. */
  constructor(data: ReadonlyMap<Value, TensorData>) {
    this.#data = data;
  }

  /** A name that no other node has. */
  unique(wanted: string): string {
    const base = wanted.replaceAll(/[^\w./-]/g, '_').replace(/^[^\w]+/, '') || 'node';
    let name = base;
    for (let n = 1; this.#names.has(name); n++) name = `${base}_${n}`;
    this.#names.add(name);
    return name;
  }

  node(op: string, input: readonly Ref[], attr: Readonly<Record<string, unknown>> = {}, name: string = op): Ref {
    const own = this.unique(name);
    this.nodes.push({ name: own, op, input, attr });
    return own;
  }

  weight(data: TensorData, name: string): Ref {
    const own = this.unique(name);
    this.weights.set(own, data);
    // The value lies in the files of weights; what stands here says only that it is one.
    const attr = { dtype: tfAttr.type(data.dtype), value: { tensor: { dtype: tfType(data.dtype), tensorShape: {} } } };
    this.nodes.push({ name: own, op: 'Const', input: [], attr });
    return own;
  }

  /** Integers, shared where they are equal. */
  ints(values: readonly number[], dims: readonly number[] = [values.length]): Ref {
    return this.#shared(`i[${dims.join()}]${values.join()}`, () =>
      this.weight({ dtype: 'int32', shape: dims, data: Int32Array.from(values) }, 'ints'),
    );
  }

  int(value: number): Ref {
    return this.ints([value], []);
  }

  float(value: number): Ref {
    return this.#shared(`f${Object.is(value, -0) ? '-0' : value}`, () =>
      this.weight({ dtype: 'float32', shape: [], data: Float32Array.of(value) }, 'float'),
    );
  }

  #shared(key: string, make: () => Ref): Ref {
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const made = make();
    this.#known.set(key, made);
    return made;
  }

  set(value: Value, { first, last }: Emitted): void {
    this.#values.set(value, { first, last });
  }

  has(value: Value): boolean {
    return this.#values.has(value);
  }

  /** The tensor with the axes that it has in the graph. */
  first(value: Value): Ref {
    const own = this.#of(value);
    return (own.first ??= this.transpose(own.last as Ref, order(value.rank, 'first'), value.dtype));
  }

  /** The tensor with its second axis moved to the end. */
  last(value: Value): Ref {
    const own = this.#of(value);
    return (own.last ??= this.transpose(own.first as Ref, order(value.rank, 'last'), value.dtype));
  }

  /** Whether it was computed with its channels last. */
  isLast(value: Value): boolean {
    return this.#of(value).first === undefined;
  }

  #of(value: Value): { first?: Ref | undefined; last?: Ref | undefined } {
    const found = this.#values.get(value);
    if (found !== undefined) return found;
    const made = { first: this.#leaf(value) };
    this.#values.set(value, made);
    return made;
  }

  #leaf(value: Value): Ref {
    const data = this.#data.get(value);
    if (data === undefined) throw new GraphError('ANNEAL_E_GRAPH', `nothing gives "${value.name}"`);
    return this.weight(data, parameterPath(value.name));
  }

  transpose(x: Ref, perm: readonly number[], dtype: DType): Ref {
    return this.node('Transpose', [x, this.ints(perm)], { T: tfAttr.type(dtype), Tperm: tfAttr.type('int32') });
  }
}

function order(rank: number, to: 'first' | 'last'): readonly number[] {
  const rest = Array.from({ length: rank - 2 }, (_, i) => i);
  return to === 'last' ? [0, ...rest.map((i) => i + 2), 1] : [0, rank - 1, ...rest.map((i) => i + 1)];
}
