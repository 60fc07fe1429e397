import { GraphBuilder, type NodeOptions } from '../../builder.ts';
import type { Form } from '../../canonicalize/opset/form.ts';
import { CANONICAL_OPSET, upgrade, upgradedOpsets } from '../../canonicalize/opset/index.ts';
import { DTYPES, isFloat } from '../../dtype.ts';
import { GraphError } from '../../error.ts';
import { inferRule, opKey, type TensorType } from '../../infer/index.ts';
import { store } from '../../interpret/array.ts';
import type { Attributes, Dim, Graph, Value } from '../../ir.ts';
import type { TensorData } from '../../tensor.ts';
import { formatError } from '../error.ts';
import { ConstantFolder } from './fold.ts';
import { attributesOf, constantOf, MAX_RANK, tensorOf, valueTypeOf } from './from-proto.ts';
import { type FunctionBody, FunctionTable } from './functions.ts';
import { fromProps, looksLikeParameter, META } from './metadata.ts';
import { scopeOfNode } from './names.ts';
import { sortNodes } from './order.ts';
import { ParameterNames } from './parameter-names.ts';
import { Scope } from './scope.ts';
import { Symbols } from './symbols.ts';
import type { GraphProto, ModelProto, NodeProto } from './proto/onnx_pb.ts';

/** Calls and branches within each other. */
const MAX_NESTING = 32;
/** Functions that call functions can blow a small file up without end: nodes that inlining may add per node. */
const MAX_GROWTH = 20;
const SMALL_GRAPH = 1000;
/** Inference joins the symbols that meet; a crafted graph would make them longer and longer. */
const MAX_SYMBOL = 1024;

/** Replays the nodes of a model into a builder, which types them anew. */
export class Replay {
  readonly g: GraphBuilder = new GraphBuilder();
  readonly names: ParameterNames = new ParameterNames();
  readonly top: Scope;
  readonly symbols: Symbols = new Symbols();
  readonly #file: string;
  readonly #functions: FunctionTable;
  readonly #folder: ConstantFolder;
  readonly #specialise: boolean;
  #maxNodes = 0;
  #count = 0;

  /** With `specialise`, whatever follows from shapes and constants is computed now. */
  constructor(file: string, model: ModelProto, opsets: Graph['opsets'], specialise: boolean) {
    this.#file = file;
    this.#specialise = specialise;
    this.top = new Scope(opsets[''] ?? CANONICAL_OPSET);
    this.#functions = new FunctionTable(model.functions, file);
    this.#folder = new ConstantFolder(this.g, upgradedOpsets(opsets));
  }

  /** Gives a value its name in the outermost graph. */
  define(name: string, value: Value): void {
    if (this.top.has(name)) throw formatError({ file: this.#file, tensor: name }, 'two values have this name');
    this.top.set(name, value);
  }

  /** All nodes of the outermost graph. */
  run(graph: GraphProto): void {
    const written = this.#functions.nodeCount + graph.node.length;
    this.#maxNodes = countNodes(graph.node) + MAX_GROWTH * Math.max(written, SMALL_GRAPH);
    this.top.describe([...graph.valueInfo, ...graph.output]);
    this.#nodes(graph.node, this.top);
  }

  #nodes(nodes: readonly NodeProto[], scope: Scope): void {
    for (const node of sortNodes(nodes, this.#file)) this.#node(node, scope);
  }

  #node(proto: NodeProto, scope: Scope): void {
    const place = { file: this.#file, node: proto.name === '' ? proto.opType : proto.name };
    if (++this.#count > this.#maxNodes) {
      throw formatError(place, `with its functions inlined the graph has more than ${this.#maxNodes} nodes`);
    }
    if (scope.depth > MAX_NESTING) throw formatError(place, `functions or branches nest deeper than ${MAX_NESTING}`);
    const inputs = proto.input.map((name) => {
      if (name === '') return undefined;
      const value = scope.find(name);
      if (value === undefined && !scope.isLeftOut(name)) {
        throw formatError({ ...place, tensor: name }, 'nothing produces this input');
      }
      return value;
    });
    let outputs: readonly (Value | undefined)[];
    try {
      outputs = this.#outputs(proto, inputs, scope, place);
    } catch (error) {
      throw located(error, place);
    }
    proto.output.forEach((name, i) => {
      const value = outputs[i];
      if (name === '' || value === undefined) return;
      if (scope.has(name)) throw formatError({ ...place, tensor: name }, 'two values have this name');
      checkType(value, place);
      scope.set(name, value);
    });
  }

  #outputs(
    proto: NodeProto,
    inputs: readonly (Value | undefined)[],
    scope: Scope,
    place: { file: string; node: string },
  ): readonly (Value | undefined)[] {
    const domain = proto.domain === 'ai.onnx' ? '' : proto.domain;
    const called = this.#functions.bodyOf(proto);
    if (called) return this.#call(called, inputs, scopeOfNode(proto) || scope.module, scope.depth);
    if (domain === '' && proto.opType === 'If') return this.#branch(proto, inputs, scope, place);
    const nested = proto.attribute.find(({ g, graphs }) => g !== undefined || graphs.length > 0);
    if (nested) {
      throw formatError(place, `${proto.opType} runs an inner graph, which is not supported yet`, {
        fix: 'export the model without loops and scans',
      });
    }
    const attributes = attributesOf(proto.attribute, place);
    if (domain === '' && proto.opType === 'Constant') return [this.#constant(proto, attributes, place)];
    if (proto.opType === 'Identity' && fromProps(proto.metadataProps)[META.alias] === 'true') return inputs;
    if (domain === '' && proto.opType === 'CastLike' && inputs[1]) {
      const to = { int: DTYPES[inputs[1].dtype].onnx };
      return this.#append('Cast', proto, domain, inputs.slice(0, 1), { ...attributes, to }, scope);
    }
    return this.#append(proto.opType, proto, domain, inputs, attributes, scope);
  }

  #append(
    op: string,
    proto: NodeProto,
    domain: string,
    inputs: readonly (Value | undefined)[],
    attributes: Attributes,
    scope: Scope,
  ): readonly (Value | undefined)[] {
    const start = this.g.nodes.length;
    const written: Form = { op, inputs, attributes, outputs: proto.output.map((name) => name !== '') };
    const form = domain === '' ? upgrade(written, scope.opset, this.g) : written;
    const values = 'op' in form ? this.#form(form, domain, proto, scope) : form;
    for (const node of this.g.nodes.slice(start)) this.#folder.add(node);
    return this.#specialise ? values.map((value) => value && (this.#folded(value) ?? value)) : values;
  }

  #form({ op, inputs, attributes, outputs }: Form, domain: string, proto: NodeProto, scope: Scope): readonly (Value | undefined)[] {
    const known = inferRule(opKey(domain, op)) !== undefined;
    const values = this.#typed(op, inputs, {
      domain,
      attributes,
      outputs,
      names: proto.output,
      scope: fromProps(proto.metadataProps)[META.scope] ?? (scopeOfNode(proto) || scope.module),
      types: known ? undefined : this.#declared(proto, scope),
    });
    if (known) this.#matchSymbols(values, proto, scope);
    return values;
  }

  /** Adds a node; where its type cannot be inferred, with those inputs computed that can be. */
  #typed(op: string, inputs: readonly (Value | undefined)[], options: NodeOptions): readonly (Value | undefined)[] {
    try {
      return this.g.node(op, inputs, options);
    } catch (error) {
      const computed = inputs.map((value) => value && (this.#folded(value) ?? value));
      if (computed.every((value, i) => value === inputs[i] || this.g.constantOf(inputs[i] as Value))) throw error;
      return this.g.node(op, computed, options);
    }
  }

  /** A constant in place of an integer or a condition that is known by now, so that shapes computed from it are too. */
  #folded(value: Value): Value | undefined {
    const { kind } = DTYPES[value.dtype];
    const array = kind === 'int' || kind === 'bool' ? this.#folder.valueOf(value) : undefined;
    return array && this.g.constant(store(array), value.name);
  }

  /** The types that the file gives for a node's outputs, when it gives all of them. */
  #declared(proto: NodeProto, scope: Scope): readonly TensorType[] | undefined {
    const types: TensorType[] = [];
    for (const name of proto.output) {
      const type = this.#typeOf(name, scope);
      if (type === undefined && name !== '') return undefined;
      types.push(
        type ? { dtype: type.dtype, shape: this.symbols.translate(type.shape) } : { dtype: 'float32', shape: [] },
      );
    }
    return types;
  }

  /** The type that the file gives for a value. */
  #typeOf(name: string, scope: Scope): TensorType | undefined {
    const info = scope.info(name);
    return info && valueTypeOf(info, this.#file, () => this.symbols.fresh());
  }

  #matchSymbols(values: readonly (Value | undefined)[], proto: NodeProto, scope: Scope): void {
    values.forEach((value, i) => {
      if (value === undefined || value.shape.every((dim) => typeof dim === 'number')) return;
      const declared = this.#typeOf(proto.output[i] as string, scope);
      if (declared) this.symbols.match(declared.shape, value.shape);
    });
  }

  #constant(proto: NodeProto, attributes: Attributes, place: { file: string; node: string }): Value {
    const data = constantOf(attributes);
    if (data === undefined) throw formatError(place, 'a constant without a tensor or number');
    return this.stored(proto.output[0] ?? '', data, data.data.byteLength > LARGE_CONSTANT);
  }

  /** A tensor of the file as a parameter or a constant. */
  stored(name: string, data: TensorData, isParameter: boolean): Value {
    if (!isParameter) return this.g.constant(data, name);
    const identity = this.names.identify(name, data.shape.length);
    return this.g.parameter(identity.name, data, { transposed: identity.transposed });
  }

  /** The body of a function in place of its call. */
  #call(
    body: FunctionBody,
    inputs: readonly (Value | undefined)[],
    module: string,
    depth: number,
  ): readonly (Value | undefined)[] {
    const own = body.definition.opsetImport.find(({ domain }) => domain === '' || domain === 'ai.onnx');
    const inner = new Scope(Number(own?.version ?? this.top.opset), undefined, module, depth + 1);
    inner.describe(body.definition.valueInfo);
    body.inputs.forEach((name, i) => inner.set(name, inputs[i]));
    this.#nodes(body.nodes, inner);
    return body.outputs.map((name) => inner.find(name));
  }

  /** The branch of an `If` that its condition selects. */
  #branch(
    proto: NodeProto,
    inputs: readonly (Value | undefined)[],
    scope: Scope,
    place: { file: string; node: string },
  ): readonly (Value | undefined)[] {
    const condition = inputs[0] && this.#folder.valueOf(inputs[0]);
    if (condition === undefined) {
      throw formatError(place, `the condition of If is not known: it depends on ${describe(inputs[0])}`, {
        fix: 'fix what it depends on: readOnnx(source, { inputs: { use_cache_branch: … }, dims: { batch: 1 } })',
      });
    }
    const wanted = condition.data[0] === 0 ? 'else_branch' : 'then_branch';
    const graph = proto.attribute.find(({ name }) => name === wanted)?.g;
    if (graph === undefined) throw formatError(place, `If has no ${wanted}`);
    const inner = new Scope(scope.opset, scope, scope.module, scope.depth + 1);
    inner.describe([...graph.valueInfo, ...graph.output]);
    this.names.add(graph.node);
    for (const tensor of graph.initializer) {
      const data = tensorOf(tensor, { ...place, tensor: tensor.name });
      const rank = data.shape.length;
      const value = this.stored(tensor.name, data, looksLikeParameter(isFloat(data.dtype), rank, data.data.byteLength));
      inner.set(tensor.name, value);
    }
    this.#nodes(graph.node, inner);
    return graph.output.map(({ name }) => {
      const value = inner.find(name);
      if (value === undefined) throw formatError({ ...place, tensor: name }, 'nothing produces this output');
      return value;
    });
  }
}

/** A `Constant` node above this size holds a weight: some exporters have no initializers at all. */
const LARGE_CONSTANT = 1024;

/** Nodes of a graph and of the graphs within. */
function countNodes(nodes: readonly NodeProto[]): number {
  let count = nodes.length;
  for (const { attribute } of nodes) for (const { g } of attribute) if (g) count += countNodes(g.node);
  return count;
}

function describe(value: Value | undefined): string {
  return value ? `"${value.name}" (${value.dtype}[${value.shape.join(', ')}])` : 'nothing';
}

/** Refuses types that would make every later step slow. */
function checkType({ shape }: Value, place: { file: string; node: string }): void {
  if (shape.length > MAX_RANK) throw formatError(place, `an output has ${shape.length} axes, at most ${MAX_RANK}`);
  if (shape.some((dim: Dim) => typeof dim === 'string' && dim.length > MAX_SYMBOL)) {
    throw formatError(place, 'the shape of an output is too complicated');
  }
}

/** Adds file and node to an error of the builder, and gives any other error a code. */
function located(error: unknown, place: { file: string; node: string }): GraphError {
  if (!(error instanceof GraphError)) {
    return formatError(place, `the node is not valid: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  if (error.at?.['file'] !== undefined) return error;
  return new GraphError(error.code, `${place.file}, node "${place.node}": ${error.message}`, {
    fix: error.fix,
    at: { ...error.at, ...place },
    cause: error.cause,
  });
}
