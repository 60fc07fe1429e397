import type { DType } from './dtype.ts';
import { GraphError } from './error.ts';
import type { TensorData, TensorSource } from './tensor.ts';

/** A dimension: a number, or a symbol such as `'batch'` that `bind` replaces by a number. */
export type Dim = number | string;
/** Sizes, outermost axis first. */
export type Shape = readonly Dim[];

/**
 * One tensor of a graph: produced by a node, or an input, a parameter or a constant. Identity is the object; `name` is
 * a hint that writers make unique.
 */
export class Value {
  /** A hint that writers make unique. */
  readonly name: string;
  /** Of the elements. */
  readonly dtype: DType;
  /** Symbols are sizes that are left open. */
  readonly shape: Shape;

  constructor(name: string, dtype: DType, shape: Shape) {
    this.name = name;
    this.dtype = dtype;
    this.shape = shape;
  }

  /**
   * The shape as numbers.
   *
   * @throws GraphError `ANNEAL_E_SYMBOLIC_DIM` when a dimension is still symbolic.
   */
  get dims(): readonly number[] {
    for (const dim of this.shape) {
      if (typeof dim === 'string') {
        throw new GraphError(
          'ANNEAL_E_SYMBOLIC_DIM',
          `"${this.name}" has the symbolic dimension \`${dim}\` in [${this.shape.join(', ')}], a number is needed`,
          { fix: `bind it first: bind(graph, { ${JSON.stringify(dim)}: 128 })` },
        );
      }
    }
    return this.shape as readonly number[];
  }

  /** Number of dimensions. */
  get rank(): number {
    return this.shape.length;
  }
}

/** An ONNX attribute, tagged by its type because `1` as an int and as a float differ in the file. */
export type Attribute =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly string: string }
  | { readonly ints: readonly number[] }
  | { readonly floats: readonly number[] }
  | { readonly strings: readonly string[] }
  | { readonly tensor: TensorData }
  | { readonly graph: Graph };

/** By name. */
export type Attributes = Readonly<Record<string, Attribute>>;

/** Fields of a file that the schema here does not know, as protobuf has them: written again as they were. */
export type UnknownFields = readonly {
  readonly no: number;
  readonly wireType: number;
  readonly data: Uint8Array<ArrayBufferLike>;
}[];

/** One application of an operator, with ONNX semantics. */
export interface Node {
  /** ONNX `op_type`. */
  readonly op: string;
  /** `''` is ai.onnx. */
  readonly domain: string;
  /** `undefined` where an optional input is left out. */
  readonly inputs: readonly (Value | undefined)[];
  /** `undefined` where an optional output is not wanted. */
  readonly outputs: readonly (Value | undefined)[];
  /** As ONNX defines them for the operator. */
  readonly attributes: Attributes;
  /** Module path of the layer it belongs to, e.g. `bert.encoder.layer.0.attention.self.query`; `''` when unknown. */
  readonly scope: string;
  /** Its name in the file that it came from, for people: nothing refers to it, and it need not be unique. */
  readonly name?: string | undefined;
  /** Of the file that it came from. */
  readonly unknown?: UnknownFields | undefined;
}

/** A named weight. Its key in `Graph.parameters` is the module path as in the source checkpoint. */
export interface Parameter {
  /** The weight as nodes use it. */
  readonly value: Value;
  /** Its elements, or where they lie. */
  readonly data: TensorSource;
  /** Whether training changes it. */
  readonly trainable: boolean;
  /**
   * The graph holds the checkpoint's tensor transposed: a linear layer's weight is `[in, out]` here and `[out, in]` in
   * PyTorch checkpoints. Writers of checkpoints transpose back.
   */
  readonly transposed: boolean;
  /** Of the file that it came from. */
  readonly unknown?: UnknownFields | undefined;
}

/**
 * A computation with ONNX semantics. Immutable: rewrites return a new graph and share what did not change.
 * `nodes` are in topological order.
 */
export interface Graph {
  /** For people. */
  readonly name: string;
  /** Version of each operator set, by domain. */
  readonly opsets: Readonly<Record<string, number>>;
  /** What a run is fed, by name. */
  readonly inputs: ReadonlyMap<string, Value>;
  /** What a run returns, by name. */
  readonly outputs: ReadonlyMap<string, Value>;
  /** In an order in which they can run. */
  readonly nodes: readonly Node[];
  /** Weights by module path. */
  readonly parameters: ReadonlyMap<string, Parameter>;
  /** Elements of values that nothing changes. */
  readonly constants: ReadonlyMap<Value, TensorData>;
  /** Free-form properties, kept in ONNX `metadata_props`. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Of the file that it came from. */
  readonly unknown?: UnknownFields | undefined;
}

/** The operator sets that graphs are built with: opset 21 runs on every provider of ONNX Runtime 1.30. */
export const DEFAULT_OPSETS: Readonly<Record<string, number>> = { '': 21, 'com.microsoft': 1 };

/** Reads attributes with defaults; a wrong type is an error that names the node. */
export const attr = {
  int: (node: Pick<Node, 'op' | 'attributes'>, name: string, fallback: number): number =>
    read(node, name, 'int', fallback),
  float: (node: Pick<Node, 'op' | 'attributes'>, name: string, fallback: number): number =>
    read(node, name, 'float', fallback),
  string: (node: Pick<Node, 'op' | 'attributes'>, name: string, fallback: string): string =>
    read(node, name, 'string', fallback),
  ints: (node: Pick<Node, 'op' | 'attributes'>, name: string): readonly number[] | undefined =>
    read<'ints', readonly number[] | undefined>(node, name, 'ints', undefined),
  tensor: (node: Pick<Node, 'op' | 'attributes'>, name: string): TensorData | undefined =>
    read<'tensor', TensorData | undefined>(node, name, 'tensor', undefined),
} as const;

function read<K extends string, T>(node: Pick<Node, 'op' | 'attributes'>, name: string, kind: K, fallback: T): T {
  const attribute = node.attributes[name] as Record<string, unknown> | undefined;
  if (attribute === undefined) return fallback;
  if (!(kind in attribute)) {
    throw new GraphError(
      'ANNEAL_E_OP',
      `${node.op}: attribute \`${name}\` must be of type ${kind}, received ${Object.keys(attribute).join()}`,
    );
  }
  return attribute[kind] as T;
}

/** A node's output that must exist. */
export function output(node: Node, index: number = 0): Value {
  const value = node.outputs[index];
  if (value === undefined) throw new GraphError('ANNEAL_E_GRAPH', `${node.op}: output ${index} is not there`);
  return value;
}

/** A node's input that must exist. */
export function input(node: Node, index: number): Value {
  const value = node.inputs[index];
  if (value === undefined) throw new GraphError('ANNEAL_E_OP', `${node.op}: input ${index} is missing`);
  return value;
}
