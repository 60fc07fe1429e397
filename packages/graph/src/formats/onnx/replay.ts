import type { GraphBuilder } from '../../builder.ts';
import { CANONICAL_OPSET, upgradedOpsets } from '../../canonicalize/opset/index.ts';
import { DTYPES, isFloat } from '../../dtype.ts';
import type { Attributes, Graph, Value } from '../../ir.ts';
import type { TensorData } from '../../tensor.ts';
import { formatError } from '../error.ts';
import { Appender } from './append.ts';
import { bodyInputType, type Control, controlOutputType } from './control.ts';
import { attributesOf, constantOf, tensorOf } from './from-proto.ts';
import { type FunctionBody, FunctionTable } from './functions.ts';
import { fromProps, looksLikeParameter, META } from './metadata.ts';
import { scopeOfNode } from './names.ts';
import { sortNodes } from './order.ts';
import { ParameterNames } from './parameter-names.ts';
import { checkType, countNodes, located, refuseSparse } from './replay-checks.ts';
import { overBatch } from './scan-batch.ts';
import { Scope } from './scope.ts';
import { Sequences } from './sequences.ts';
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
  readonly #appender: Appender;
  readonly #sequences: Sequences = new Sequences();
  readonly #file: string;
  readonly #functions: FunctionTable;
  /** Scan nodes of old operator sets in their present form. */
  readonly #perElement = new Set<NodeProto>();
  #maxNodes = 0;
  #count = 0;

  /** With `specialise`, whatever follows from shapes and constants is computed now. */
  constructor(file: string, model: ModelProto, opsets: Graph['opsets'], specialise: boolean) {
    this.#file = file;
    this.#appender = new Appender(file, upgradedOpsets(opsets), specialise);
    this.top = new Scope(opsets[''] ?? CANONICAL_OPSET);
    this.#functions = new FunctionTable(model.functions, file);
  }

  get symbols(): Symbols {
    return this.#appender.declared.symbols;
  }

  get g(): GraphBuilder {
    return this.#appender.g;
  }

  /** Whether a value is a list of tensors, which nothing outside can take. */
  isSequence(value: Value): boolean {
    return this.#sequences.has(value);
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
    if (this.#sequences.concerns(proto.opType, inputs)) return [this.#sequence(proto, inputs, attributes, place)];
    if (domain === '' && proto.opType === 'CastLike' && inputs[1]) {
      const to = { int: DTYPES[inputs[1].dtype].onnx };
      const cast = { op: 'Cast', domain, inputs: inputs.slice(0, 1), attributes: { ...attributes, to }, proto, scope };
      return this.#appender.append(cast);
    }
    return this.#appender.append({ op: proto.opType, domain, inputs, attributes, proto, scope });
  }

  /** The list or the tensor that an operator on lists makes. */
  #sequence(proto: NodeProto, inputs: readonly (Value | undefined)[], attributes: Attributes, place: Place): Value {
    const { g } = this;
    const known = (value: Value): ArrayLike<number> | undefined => this.#appender.valueOf(value)?.data;
    const result = this.#sequences.apply({ op: proto.opType, inputs, attributes, g, known });
    if (result) return result;
    throw formatError(place, `${proto.opType} depends on what the model is given, which sequences must not`, {
      fix: 'export the model with tensors in place of sequences',
    });
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
    return this.#appender.root.parameter(identity.name, data, { transposed: identity.transposed });
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
    const condition = inputs[0] && this.#appender.valueOf(inputs[0]);
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
    if (proto.opType === 'Scan' && scope.opset < 9 && !this.#perElement.has(proto)) {
      const outer = overBatch(proto, place);
      this.#perElement.add(outer.each).add(outer.all);
      return this.#control(outer.all, inputs.slice(1), scope, place);
    }
    if (inputs.some((value) => value && this.isSequence(value))) throw formatError(place, 'an input is a sequence');
    const bodies = names.map((name) => this.#body(bodyOf(proto, name, place), control, scope, place));
    const types = proto.output.map((name, i) => {
      const type =
        this.#appender.declared.of(name, scope) ?? controlOutputType(control, bodies, i, () => this.symbols.fresh());
      if (type === undefined) throw formatError(place, `the type of output ${i} of ${proto.opType} is not known`);
      return type;
    });
    const graphs = Object.fromEntries(names.map((name, i) => [name, { graph: bodies[i] as Graph }]));
    return this.g.node(proto.opType, inputs, {
      attributes: { ...control.attributes, ...graphs },
      outputs: proto.output.map((name) => name !== ''),
      names: proto.output,
      scope: scopeOfNode(proto) || scope.module,
      name: proto.name || undefined,
      unknown: proto.$unknown,
      types,
    });
  }

  /** A graph that stays within a node. Its weights belong to the outermost graph. */
  #body(graph: GraphProto, control: Control, scope: Scope, place: Place): Graph {
    return this.#appender.within(graph.name, (g) => {
      const inner = this.#enter(graph, scope, place);
      graph.input.forEach((info, i) => {
        const type = this.#appender.declared.ofInput(info) ?? bodyInputType(control, i);
        if (type === undefined) {
          throw formatError({ ...place, tensor: info.name }, 'the type of the input is not known');
        }
        inner.set(info.name, g.input(info.name, type.dtype, type.shape));
      });
      this.#nodes(graph.node, inner);
      for (const [name, value] of this.#results(graph, inner, place)) {
        if (this.isSequence(value)) throw formatError({ ...place, tensor: name }, 'an output is a sequence');
        g.output(name, value);
      }
    });
  }

  /** What is known at the start of an inner graph. */
  #enter(graph: GraphProto, scope: Scope, place: Place): Scope {
    const inner = new Scope(scope.opset, scope, scope.module, scope.depth + 1);
    inner.describe([...graph.valueInfo, ...graph.output]);
    this.names.add(graph.node);
    refuseSparse(graph, place);
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
