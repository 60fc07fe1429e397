import type { DType } from './dtype.ts';
import { GraphError } from './error.ts';
import { compositeTypes } from './infer/composites.ts';
import { INFER, type InferContext, inferRule, opKey, type TensorType } from './infer/index.ts';
import {
  type Attributes,
  DEFAULT_OPSETS,
  type Graph,
  type Node,
  type Parameter,
  type Shape,
  type UnknownFields,
  Value,
} from './ir.ts';
import { usedBy } from './inner-graphs.ts';
import { createOps } from './ops/create.ts';
import type { Ops } from './ops/types.ts';
import { type TensorData, tensor, type TensorSource } from './tensor.ts';

/** Longest constant that rules look into: shapes, axes and the like, of which tensors have a few. */
const MAX_VECTOR = 4096;

/** What a node has besides operator and inputs. */
export interface NodeOptions {
  /** @defaultValue `''`, ai.onnx */
  readonly domain?: string | undefined;
  /** As ONNX defines them for the operator. */
  readonly attributes?: Attributes | undefined;
  /** Number of outputs, or which of them are wanted. @defaultValue `1` */
  readonly outputs?: number | readonly boolean[] | undefined;
  /** Names for the outputs. */
  readonly names?: readonly (string | undefined)[] | undefined;
  /** Module path; the builder's current scope when absent. */
  readonly scope?: string | undefined;
  /** See `Node.name`. */
  readonly name?: string | undefined;
  /** Of the file that it came from. */
  readonly unknown?: UnknownFields | undefined;
  /** Output types for operators that have no inference rule. */
  readonly types?: readonly TensorType[] | undefined;
}

/** What a parameter has besides name and data. */
export interface ParameterOptions {
  /** @defaultValue `false` */
  readonly trainable?: boolean | undefined;
  /** See {@link Parameter.transposed}. @defaultValue `false` */
  readonly transposed?: boolean | undefined;
  /** Of the file that it came from. */
  readonly unknown?: UnknownFields | undefined;
}

/**
 * Builds a graph: `ops` appends nodes, every node is typed as it is added, so that errors come where the mistake is.
 *
 * ```ts
 * const g = new GraphBuilder();
 * const x = g.input('x', 'float32', ['batch', 4]);
 * g.output('y', g.ops.relu(g.ops.matmul(x, g.parameter('w', w))));
 * const graph = g.build();
 * ```
 */
export class GraphBuilder {
  /** Neutral operators that append to this graph. */
  readonly ops: Ops;
  /** The nodes so far, in order. Read-only to everyone else. */
  readonly nodes: Node[] = [];
  readonly #inputs = new Map<string, Value>();
  readonly #outputs = new Map<string, Value>();
  readonly #parameters = new Map<string, Parameter>();
  readonly #constants = new Map<Value, TensorData>();
  readonly #scalars = new Map<string, Value>();
  /** Symbolic dimensions of the inputs: none of them may be made up again. */
  readonly #symbols = new Set<string>();
  #scope = '';
  #counter = 0;

  readonly #outer: GraphBuilder | undefined;

  /** With `outer`, it builds a graph within that one: a branch or a loop body, which may use the values around it. */
  constructor(outer?: GraphBuilder) {
    this.#outer = outer;
    this.ops = createOps(this);
  }

  /** @throws GraphError `ANNEAL_E_GRAPH` when the name is taken. */
  input(name: string, dtype: DType, shape: Shape): Value {
    if (this.#inputs.has(name)) throw new GraphError('ANNEAL_E_GRAPH', `input "${name}" is declared twice`);
    const value = new Value(name, dtype, shape);
    for (const dim of shape) if (typeof dim === 'string') this.#symbols.add(dim);
    this.#inputs.set(name, value);
    return value;
  }

  /** @throws GraphError `ANNEAL_E_GRAPH` when the name is taken. */
  parameter(name: string, data: TensorSource, options: ParameterOptions = {}): Value {
    if (this.#parameters.has(name)) throw new GraphError('ANNEAL_E_GRAPH', `parameter "${name}" is declared twice`);
    const value = new Value(name, data.dtype, data.shape);
    const { trainable = false, transposed = false, unknown } = options;
    this.#parameters.set(name, { value, data, trainable, transposed, unknown });
    return value;
  }

  /** The parameter of that name, when the graph has it. */
  findParameter(name: string): Parameter | undefined {
    return this.#parameters.get(name);
  }

  /** The parameter that `value` is, when it is one. */
  parameterOf(value: Value): Parameter | undefined {
    const found = this.#parameters.get(value.name);
    return found?.value === value ? found : undefined;
  }

  /** A constant tensor. */
  constant(data: TensorData, name: string = `const_${this.#counter++}`): Value {
    const value = new Value(name, data.dtype, data.shape);
    this.#constants.set(value, data);
    return value;
  }

  /** A constant scalar; equal ones are shared. */
  scalar(value: number, dtype: DType): Value {
    const key = `${dtype}:${Object.is(value, -0) ? '-0' : value}`;
    let found = this.#scalars.get(key);
    if (found === undefined) {
      found = this.constant(tensor(dtype, [], [value]), `scalar_${dtype}_${value}`);
      this.#scalars.set(key, found);
    }
    return found;
  }

  /** A constant vector of int64, as shapes and axes are. */
  ints(values: readonly number[]): Value {
    const key = `int64[${values.join()}]`;
    let found = this.#scalars.get(key);
    if (found === undefined) {
      found = this.constant(tensor('int64', [values.length], values.map(BigInt)));
      this.#scalars.set(key, found);
    }
    return found;
  }

  /** The contents of a constant. */
  constantOf(value: Value): TensorData | undefined {
    return this.#constants.get(value) ?? this.#outer?.constantOf(value);
  }

  /** Appends a node and returns its outputs; a left-out output is `undefined`. */
  node(op: string, inputs: readonly (Value | undefined)[], options: NodeOptions = {}): (Value | undefined)[] {
    const { domain = '', attributes = {}, outputs = 1, names = [], scope = this.#scope, name, unknown } = options;
    const wanted = typeof outputs === 'number' ? Array.from({ length: outputs }, () => true) : outputs;
    const types = this.#infer(op, domain, inputs, attributes, wanted.length, options.types, scope);
    const values = wanted.map((want, i) => {
      const type = types[i];
      if (!want) return undefined;
      if (type === undefined) throw new GraphError('ANNEAL_E_OP', `${op}: has no output ${i}`);
      checkShape(op, type.shape);
      return new Value(names[i] ?? `${op}_${this.#counter++}`, type.dtype, type.shape);
    });
    this.nodes.push({ op, domain, inputs: [...inputs], outputs: values, attributes, scope, name, unknown });
    return values;
  }

  /**
   * Adds an optional output to a node that was built without it, as a gradient needs the statistics of a
   * normalisation. Values keep their identity.
   */
  addOutput(node: Node, index: number): Value {
    const first = node.outputs.find((value) => value !== undefined) as Value;
    const at = this.nodes.findIndex(({ outputs }) => outputs.includes(first));
    const found = this.nodes[at] ?? node;
    const { op, domain, inputs, outputs, attributes, scope } = found;
    const existing = outputs[index];
    if (existing !== undefined) return existing;
    const count = Math.max(outputs.length, index + 1);
    const type = this.#infer(op, domain, inputs, attributes, count, undefined, scope)[index];
    if (at < 0 || type === undefined) throw new GraphError('ANNEAL_E_OP', `${op}: has no output ${index}`);
    const value = new Value(`${op}_${this.#counter++}`, type.dtype, type.shape);
    const wanted = Array.from({ length: count }, (_, i) => (i === index ? value : outputs[i]));
    this.nodes[at] = { ...found, outputs: wanted };
    return value;
  }

  /** Appends a node with one output and returns it. */
  one(op: string, inputs: readonly (Value | undefined)[], options: NodeOptions = {}): Value {
    return this.node(op, inputs, options)[0] as Value;
  }

  #infer(
    op: string,
    domain: string,
    inputs: readonly (Value | undefined)[],
    attributes: Attributes,
    outputCount: number,
    declared: readonly TensorType[] | undefined,
    scope: string,
  ): readonly TensorType[] {
    const rule = inferRule(opKey(domain, op));
    if (rule === undefined) {
      const types = compositeTypes(opKey(domain, op), { op, inputs, attributes }, () => this.#freshDim(op)) ?? declared;
      if (types !== undefined) return types;
      throw new GraphError('ANNEAL_E_OP', `no type rule for the operator ${opKey(domain, op)}`, {
        at: scope === '' ? undefined : { module: scope },
        fix: `give the output types yourself, or use one of: ${Object.keys(INFER).slice(0, 8).join(', ')} …`,
      });
    }
    const ctx: InferContext = {
      op,
      inputs,
      attributes,
      outputCount,
      constantTensor: (index) => {
        const value = inputs[index];
        return value && this.constantOf(value);
      },
      constant: (index) => {
        const value = inputs[index];
        const data = value && this.constantOf(value);
        return data && data.data.length <= MAX_VECTOR ? Array.from(data.data, Number) : undefined;
      },
      freshDim: (hint) => this.#freshDim(hint),
    };
    try {
      return rule(ctx);
    } catch (error) {
      if (error instanceof GraphError && error.at === undefined && scope !== '') {
        throw new GraphError(error.code, error.message, { fix: error.fix, at: { module: scope }, cause: error.cause });
      }
      throw error;
    }
  }

  #freshDim(hint: string): string {
    if (this.#outer) return this.#outer.#freshDim(hint);
    for (;;) {
      const symbol = `${hint}_${this.#counter++}`;
      if (!this.#symbols.has(symbol)) return symbol;
    }
  }

  /** Runs `fn` with nodes attributed to a module: `scope('encoder', …)` inside `scope('bert', …)` is `bert.encoder`. */
  scope<T>(name: string, fn: () => T): T {
    const outer = this.#scope;
    this.#scope = outer === '' ? name : `${outer}.${name}`;
    try {
      return fn();
    } finally {
      this.#scope = outer;
    }
  }

  /** Names an output. @throws GraphError `ANNEAL_E_GRAPH` when the name is taken. */
  output(name: string, value: Value): void {
    if (this.#outputs.has(name)) throw new GraphError('ANNEAL_E_GRAPH', `output "${name}" is declared twice`);
    this.#outputs.set(name, value);
  }

  /** The graph of everything that the outputs need. Declared inputs stay, unused parameters and constants go. */
  build(options: Partial<Pick<Graph, 'name' | 'opsets' | 'metadata' | 'unknown'>> = {}): Graph {
    const { name = 'graph', opsets = DEFAULT_OPSETS, metadata = {}, unknown } = options;
    const live = new Set<Value>(this.#outputs.values());
    const nodes: Node[] = [];
    for (let i = this.nodes.length - 1; i >= 0; i--) {
      const node = this.nodes[i] as Node;
      if (!node.outputs.some((value) => value !== undefined && live.has(value))) continue;
      nodes.push(node);
      for (const value of usedBy(node)) if (value) live.add(value);
    }
    nodes.reverse();
    return {
      name,
      opsets,
      inputs: new Map(this.#inputs),
      outputs: new Map(this.#outputs),
      nodes,
      parameters: new Map([...this.#parameters].filter(([, { value }]) => live.has(value))),
      constants: new Map([...this.#constants].filter(([value]) => live.has(value))),
      metadata,
      ...(unknown && { unknown }),
    };
  }
}

/** A rule computes with what a file says: sizes below zero, beyond what is exact, or of nothing end here. */
function checkShape(op: string, shape: Shape): void {
  if (shape.every((dim) => typeof dim === 'string' || (Number.isSafeInteger(dim) && dim >= 0))) return;
  throw new GraphError('ANNEAL_E_SHAPE', `${op}: its result would be [${shape.join(', ')}], which is not possible`);
}
