import { GraphBuilder, type NodeOptions } from '../../builder.ts';
import type { Form } from '../../canonicalize/opset/form.ts';
import { CANONICAL_OPSET, upgrade, upgradedOpsets } from '../../canonicalize/opset/index.ts';
import { DTYPES, isFloat } from '../../dtype.ts';
import { isTyped, opKey } from '../../infer/index.ts';
import { store } from '../../interpret/array.ts';
import type { Attributes, Graph, Value } from '../../ir.ts';
import type { TensorData } from '../../tensor.ts';
import { formatError } from '../error.ts';
import { bodyInputType, type Control, controlOutputType } from './control.ts';
import { DeclaredTypes } from './declared.ts';
import { ConstantFolder } from './fold.ts';
import { attributesOf, constantOf, tensorOf } from './from-proto.ts';
import { type FunctionBody, FunctionTable } from './functions.ts';
import { fromProps, looksLikeParameter, META } from './metadata.ts';
import { scopeOfNode } from './names.ts';
import { sortNodes } from './order.ts';
import { ParameterNames } from './parameter-names.ts';
import { checkType, countNodes, located } from './replay-checks.ts';
import { Scope } from './scope.ts';
import type { Symbols } from './symbols.ts';
import type { GraphProto, ModelProto, NodeProto } from './proto/onnx_pb.ts';

/** Calls and branches within each other. */
const MAX_NESTING = 32;
/** Functions that call functions can blow a small file up without end: nodes that inlining may add per node. */
const MAX_GROWTH = 20;
const SMALL_GRAPH = 1000;

/** Replays the nodes of a model into a builder, which types them anew. */
export class Replay {
  readonly names: ParameterNames = new ParameterNames();
  readonly top: Scope;
  readonly #declared: DeclaredTypes;
  readonly #file: string;
  readonly #functions: FunctionTable;
  readonly #opsets: Graph['opsets'];
  readonly #root: GraphBuilder = new GraphBuilder();
  /** The graph at hand: the outermost, or one within a node. */
  #building: { readonly g: GraphBuilder; readonly folder: ConstantFolder };
  readonly #specialise: boolean;
  #maxNodes = 0;
  #count = 0;

  /** With `specialise`, whatever follows from shapes and constants is computed now. */
  constructor(file: string, model: ModelProto, opsets: Graph['opsets'], specialise: boolean) {
    this.#file = file;
    this.#declared = new DeclaredTypes(file);
    this.#specialise = specialise;
    this.top = new Scope(opsets[''] ?? CANONICAL_OPSET);
    this.#functions = new FunctionTable(model.functions, file);
    this.#opsets = upgradedOpsets(opsets);
    this.#building = { g: this.#root, folder: new ConstantFolder(this.#root, this.#opsets) };
  }

  get symbols(): Symbols {
    return this.#declared.symbols;
  }

  get g(): GraphBuilder {
    return this.#building.g;
  }

  get #folder(): ConstantFolder {
    return this.#building.folder;
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
    place: Place,
  ): readonly (Value | undefined)[] {
    const domain = proto.domain === 'ai.onnx' ? '' : proto.domain;
    const called = this.#functions.bodyOf(proto);
    if (called) return this.#call(called, inputs, scopeOfNode(proto) || scope.module, scope.depth);
    if (domain === '' && proto.opType === 'If') return this.#branch(proto, inputs, scope, place);
    const nested = proto.attribute.some(({ g, graphs }) => g !== undefined || graphs.length > 0);
    if (nested) return this.#control(proto, inputs, scope, place);
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

  #form(
    { op, inputs, attributes, outputs }: Form,
    domain: string,
    proto: NodeProto,
    scope: Scope,
  ): readonly (Value | undefined)[] {
    const known = isTyped(opKey(domain, op));
    const values = this.#typed(op, inputs, {
      domain,
      attributes,
      outputs,
      names: proto.output,
      scope: fromProps(proto.metadataProps)[META.scope] ?? (scopeOfNode(proto) || scope.module),
      types: known ? undefined : this.#declared.ofOutputs(proto, scope),
    });
    if (known) this.#declared.match(values, proto, scope);
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

  #constant(proto: NodeProto, attributes: Attributes, place: Place): Value {
    const data = constantOf(attributes);
    if (data === undefined) throw formatError(place, 'a constant without a tensor or number');
    return this.stored(proto.output[0] ?? '', data, data.data.byteLength > LARGE_CONSTANT);
  }

  /** A tensor of the file as a parameter or a constant. */
  stored(name: string, data: TensorData, isParameter: boolean): Value {
    if (!isParameter) return this.g.constant(data, name);
    const identity = this.names.identify(name, data.shape.length);
    return this.#root.parameter(identity.name, data, { transposed: identity.transposed });
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

  /** The branch of an `If` that its condition selects; both, where the condition is not known before the model runs. */
  #branch(
    proto: NodeProto,
    inputs: readonly (Value | undefined)[],
    scope: Scope,
    place: Place,
  ): readonly (Value | undefined)[] {
    const condition = inputs[0] && this.#folder.valueOf(inputs[0]);
    if (condition === undefined) return this.#control(proto, inputs, scope, place);
    const graph = bodyOf(proto, condition.data[0] === 0 ? 'else_branch' : 'then_branch', place);
    const inner = this.#enter(graph, scope, place);
    this.#nodes(graph.node, inner);
    return this.#results(graph, inner, place).map(([, value]) => value);
  }

  /** A node that runs graphs. */
  #control(
    proto: NodeProto,
    inputs: readonly (Value | undefined)[],
    scope: Scope,
    place: Place,
  ): readonly (Value | undefined)[] {
    const plain = proto.attribute.filter(({ g }) => g === undefined);
    const control: Control = { op: proto.opType, inputs, attributes: attributesOf(plain, place) };
    const names = BODIES[proto.opType];
    if (names === undefined) throw formatError(place, `${proto.opType} runs an inner graph, which is not supported`);
    const bodies = names.map((name) => this.#body(bodyOf(proto, name, place), control, scope, place));
    const types = proto.output.map((name, i) => {
      const type = this.#declared.of(name, scope) ?? controlOutputType(control, bodies, i, () => this.symbols.fresh());
      if (type === undefined) throw formatError(place, `the type of output ${i} of ${proto.opType} is not known`);
      return type;
    });
    const graphs = Object.fromEntries(names.map((name, i) => [name, { graph: bodies[i] as Graph }]));
    return this.g.node(proto.opType, inputs, {
      attributes: { ...control.attributes, ...graphs },
      outputs: proto.output.map((name) => name !== ''),
      names: proto.output,
      scope: scopeOfNode(proto) || scope.module,
      types,
    });
  }

  /** A graph that stays within a node. Its weights belong to the outermost graph. */
  #body(graph: GraphProto, control: Control, scope: Scope, place: Place): Graph {
    const around = this.#building;
    const g = new GraphBuilder(around.g);
    this.#building = { g, folder: new ConstantFolder(g, this.#opsets) };
    try {
      const inner = this.#enter(graph, scope, place);
      graph.input.forEach((info, i) => {
        const type = this.#declared.ofInput(info) ?? bodyInputType(control, i);
        if (type === undefined)
          throw formatError({ ...place, tensor: info.name }, 'the type of the input is not known');
        inner.set(info.name, g.input(info.name, type.dtype, type.shape));
      });
      this.#nodes(graph.node, inner);
      for (const [name, value] of this.#results(graph, inner, place)) g.output(name, value);
      return g.build({ name: graph.name, opsets: this.#opsets });
    } finally {
      this.#building = around;
    }
  }

  /** What is known at the start of an inner graph. */
  #enter(graph: GraphProto, scope: Scope, place: Place): Scope {
    const inner = new Scope(scope.opset, scope, scope.module, scope.depth + 1);
    inner.describe([...graph.valueInfo, ...graph.output]);
    this.names.add(graph.node);
    for (const tensor of graph.initializer) {
      const data = tensorOf(tensor, { ...place, tensor: tensor.name });
      const rank = data.shape.length;
      const value = this.stored(tensor.name, data, looksLikeParameter(isFloat(data.dtype), rank, data.data.byteLength));
      inner.set(tensor.name, value);
    }
    return inner;
  }

  #results(graph: GraphProto, inner: Scope, place: Place): [string, Value][] {
    return graph.output.map(({ name }) => {
      const value = inner.find(name);
      if (value === undefined) throw formatError({ ...place, tensor: name }, 'nothing produces this output');
      return [name, value];
    });
  }
}

interface Place {
  readonly file: string;
  readonly node: string;
}

/** The operators that run graphs, and the attributes that hold them. */
const BODIES: Readonly<Record<string, readonly string[]>> = {
  If: ['then_branch', 'else_branch'],
  Loop: ['body'],
  Scan: ['body'],
};

function bodyOf(proto: NodeProto, name: string, place: Place): GraphProto {
  const graph = proto.attribute.find((attribute) => attribute.name === name)?.g;
  if (graph === undefined) throw formatError(place, `${proto.opType} has no ${name}`);
  return graph;
}

/** A `Constant` node above this size holds a weight: some exporters have no initializers at all. */
const LARGE_CONSTANT = 1024;
