import { create, type Message, toBinary } from '@bufbuild/protobuf';
import { isFloat } from '../../dtype.ts';
import { GraphError } from '../../error.ts';
import type { Graph, Node, Parameter, UnknownFields, Value } from '../../ir.ts';
import { byteLengthOf, loadTensor } from '../../tensor.ts';
import { valuesOf } from '../../transform.ts';
import { ExternalData, type ExternalOptions, type StoredTensor } from './external.ts';
import { looksLikeParameter, META, toProps } from './metadata.ts';
import { Namer, nodeNameOf, scopeOfNodeName, type ValueNames } from './names.ts';
import { isRenamedOnRead } from './parameter-names.ts';
import {
  type GraphProto,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  type OperatorSetIdProto,
  OperatorSetIdProtoSchema,
  type TensorProto,
  TensorProto_DataLocation,
} from './proto/onnx_pb.ts';
import { DTYPE_IR_VERSION, toAttribute, toInlineTensor, toTensorProto, toValueInfo } from './to-proto.ts';

/** What {@link writeOnnx} adds. */
export interface WriteOnnxOptions {
  /** Write large parameters to a file beside the model. Needed beyond 2 GB, which is protobuf's limit. */
  readonly external?: ExternalOptions | undefined;
  /**
   * Where the bytes of a parameter already lie, e.g. in the external-data file of the model that it came from. Such a
   * parameter is referred to and not written again.
   */
  readonly stored?: ((name: string, parameter: Parameter) => StoredTensor | undefined) | undefined;
  /** Write the types of intermediate values too, as far as nodes use them. @defaultValue `false` */
  readonly valueInfo?: boolean | undefined;
  /** Raised where an element type needs a newer one. @defaultValue `10` */
  readonly irVersion?: number | undefined;
  /** Version of whatever wrote the file, for people. */
  readonly producerVersion?: string | undefined;
  /** Text for people, in the file. */
  readonly docString?: string | undefined;
}

/** An ONNX file, and the data file beside it. */
export interface OnnxModel {
  /** The bytes of the `.onnx` file. */
  readonly model: Uint8Array<ArrayBuffer>;
  /** What belongs into the file beside it, when parameters were put there. */
  readonly external: ExternalData | undefined;
  /** The name that each value has in the file. */
  readonly names: ReadonlyMap<Value, string>;
}

/** Protobuf readers accept no message of 2 GiB or more. */
const MAX_MODEL_BYTES = 2 ** 31 - 1;

/**
 * Writes a graph as an ONNX model. Inputs, outputs and parameters keep their names, other values get unique ones close
 * to their hints. `anneal.StopGradient` and `WithGradient` mean
 * nothing at inference and become their first input. Parameters are initializers;
 * lazy ones are loaded, unless they go to the external file, which copies them in chunks when it is written.
 *
 * @throws GraphError `ANNEAL_E_GRAPH` when an input and an output have the same name but are different values, or a
 * node uses a value that nothing produces; `ANNEAL_E_FORMAT` when the model does not fit into one file.
 */
export async function writeOnnx(graph: Graph, options: WriteOnnxOptions = {}): Promise<OnnxModel> {
  const writer = new ModelWriter(options);
  const proto = writer.graph(graph);
  proto.initializer = [...(await writer.parameters(graph)), ...proto.initializer];
  const model = create(ModelProtoSchema, {
    irVersion: BigInt(Math.max(options.irVersion ?? 10, writer.irVersion)),
    producerName: 'anneal',
    graph: proto,
    opsetImport: writer.opsets(graph),
    metadataProps: toProps(graph.metadata),
  });
  if (options.producerVersion !== undefined) model.producerVersion = options.producerVersion;
  if (options.docString !== undefined) model.docString = options.docString;
  keepUnknown(model, graph);
  const bytes = toBinary(ModelProtoSchema, model);
  checkSize(bytes.byteLength);
  return { model: bytes, external: writer.external, names: writer.names };
}

function checkSize(bytes: number): void {
  if (bytes <= MAX_MODEL_BYTES) return;
  throw new GraphError('ANNEAL_E_FORMAT', `the model takes ${bytes} bytes, one ONNX file holds less than 2 GiB`, {
    fix: "write the parameters beside it: writeOnnx(graph, { external: { location: 'model.onnx_data' } })",
  });
}

type Named = readonly [name: string, value: Value];

interface Interface {
  readonly inputs: readonly Named[];
  readonly outputs: readonly Named[];
  /** Outputs whose value has another name already. */
  readonly aliases: readonly Named[];
}

class ModelWriter {
  readonly names: ValueNames = new Map();
  readonly external: ExternalData | undefined;
  irVersion = 0;
  readonly #options: WriteOnnxOptions;
  readonly #values = new Namer();
  readonly #nodes = new Namer();
  readonly #domains = new Set<string>(['']);

  constructor(options: WriteOnnxOptions) {
    this.#options = options;
    this.external = options.external && new ExternalData(options.external);
  }

  /** The operator sets of the domains in use. */
  opsets(graph: Graph): OperatorSetIdProto[] {
    return [...this.#domains].map((domain) =>
      create(OperatorSetIdProtoSchema, { domain, version: BigInt(versionOf(graph, domain)) }),
    );
  }

  /** Everything but the parameters. */
  graph(graph: Graph, inner: boolean = false): GraphProto {
    const dropped = lowered(graph);
    const resolve = (value: Value): Value => dropped.get(value) ?? value;
    const { inputs, outputs, aliases } = this.#nameInterface(graph, inner, resolve);
    for (const [name, { value }] of graph.parameters) this.names.set(value, this.#values.unique(name));
    for (const value of graph.constants.keys()) this.names.set(value, this.#values.unique(value.name));

    const nodes: NodeProto[] = [];
    for (const node of graph.nodes) {
      if (!isDropped(node)) nodes.push(this.#node(node, resolve));
    }
    for (const [name, value] of aliases) nodes.push(this.#alias(name, this.#nameOf(value, `output "${name}"`)));
    const constants = [...graph.constants].map(([value, data]) => {
      const proto = toInlineTensor(this.names.get(value) as string, data);
      const looks = looksLikeParameter(isFloat(data.dtype), data.shape.length, data.data.byteLength);
      proto.metadataProps = toProps({ [META.kind]: looks ? 'constant' : undefined });
      return proto;
    });
    this.#raiseIrVersion(graph);
    return create(GraphProtoSchema, {
      name: graph.name === '' ? 'graph' : graph.name,
      input: inputs.map(([name, value]) => toValueInfo(name, value)),
      output: outputs.map(([name, value]) => toValueInfo(name, value)),
      node: nodes,
      initializer: constants,
      valueInfo: this.#options.valueInfo === true ? this.#intermediates(graph) : [],
    });
  }

  async parameters(graph: Graph): Promise<TensorProto[]> {
    const protos: TensorProto[] = [];
    let inline = 0;
    for (const [name, parameter] of graph.parameters) {
      const { value, data, trainable, transposed } = parameter;
      const unique = this.names.get(value) as string;
      const place = this.#options.stored?.(name, parameter) ?? this.external?.place(name, data);
      const bytes = byteLengthOf(data.dtype, data.shape);
      let proto: TensorProto;
      if (place === undefined) {
        inline += bytes;
        checkSize(inline);
        proto = toInlineTensor(unique, await loadTensor(data));
      } else {
        proto = toTensorProto(unique, data);
        proto.dataLocation = TensorProto_DataLocation.EXTERNAL;
        proto.externalData = toProps({
          location: place.location,
          offset: String(place.offset),
          length: String(bytes),
        });
      }
      proto.metadataProps = toProps({
        [META.name]: unique === name && !isRenamedOnRead(name) ? undefined : name,
        [META.kind]: looksLikeParameter(isFloat(data.dtype), data.shape.length, bytes) ? undefined : 'parameter',
        [META.trainable]: trainable ? 'true' : undefined,
        [META.transposed]: transposed ? 'true' : undefined,
      });
      keepUnknown(proto, parameter);
      protos.push(proto);
    }
    return protos;
  }

  /** Names inputs and outputs, before anything else can take their names. */
  #nameInterface(graph: Graph, inner: boolean, resolve: (value: Value) => Value): Interface {
    const stored = new Set<Value>(graph.constants.keys());
    for (const { value } of graph.parameters.values()) stored.add(value);
    // An inner graph's inputs and outputs go by position: their names may give way.
    const claim = (name: string): string => {
      if (inner) return this.#values.unique(name);
      if (this.#values.reserve(name)) return name;
      throw new GraphError('ANNEAL_E_GRAPH', `"${name}" is the name of an input and of an output that differs`, {
        fix: 'give the output another name; ONNX has one name per value',
      });
    };
    const inputs = [...graph.inputs].map(([name, value]): Named => [claim(name), value]);
    for (const [name, value] of inputs) this.names.set(value, name);
    const aliases: Named[] = [];
    const outputs = [...graph.outputs].map(([name, declared]): Named => {
      const value = resolve(declared);
      if (graph.inputs.get(name) === value) return [this.names.get(value) as string, value];
      const unique = claim(name);
      if (stored.has(value) || this.names.has(value)) aliases.push([unique, value]);
      else this.names.set(value, unique);
      return [unique, value];
    });
    return { inputs, outputs, aliases };
  }

  #nameOf(value: Value, user: string): string {
    const name = this.names.get(value);
    if (name !== undefined) return name;
    throw new GraphError('ANNEAL_E_GRAPH', `${user} uses "${value.name}", which nothing before it produces`);
  }

  #node(node: Node, resolve: (value: Value) => Value): NodeProto {
    const hint = node.name ?? nodeNameOf(node.scope, node.op);
    const inputs = node.inputs.map((value) => (value ? this.#nameOf(resolve(value), node.op) : ''));
    const outputs = node.outputs.map((value) => {
      if (value === undefined) return '';
      const name = this.names.get(value) ?? this.#values.unique(value.name);
      this.names.set(value, name);
      return name;
    });
    const proto = create(NodeProtoSchema, {
      opType: node.op,
      name: this.#nodes.unique(hint),
      input: inputs,
      output: outputs,
      attribute: Object.entries(node.attributes).map(([name, attribute]) =>
        toAttribute(name, attribute, (graph) => this.#nested(graph)),
      ),
      metadataProps: toProps({ [META.scope]: scopeOfNodeName(hint) === node.scope ? undefined : node.scope }),
    });
    keepUnknown(proto, node);
    if (node.domain !== '') proto.domain = node.domain;
    this.#domains.add(node.domain);
    return proto;
  }

  #alias(name: string, input: string): NodeProto {
    return create(NodeProtoSchema, {
      opType: 'Identity',
      name: this.#nodes.unique('Identity'),
      input: [input],
      output: [name],
      metadataProps: toProps({ [META.alias]: 'true' }),
    });
  }

  /** The body of a control-flow node: it sees the names of the graphs around it. */
  #nested(graph: Graph): GraphProto {
    if (graph.parameters.size > 0) {
      throw new GraphError('ANNEAL_E_GRAPH', `the inner graph "${graph.name}" has parameters of its own`, {
        fix: 'declare them in the outer graph and use their values inside',
      });
    }
    return this.graph(graph, true);
  }

  #intermediates(graph: Graph): ReturnType<typeof toValueInfo>[] {
    const outer = new Set<Value>([...graph.inputs.values(), ...graph.outputs.values(), ...graph.constants.keys()]);
    for (const { value } of graph.parameters.values()) outer.add(value);
    const used = new Set(graph.nodes.flatMap(({ inputs }) => inputs));
    const infos = [];
    for (const node of graph.nodes) {
      for (const value of node.outputs) {
        const name = used.has(value) && value && !outer.has(value) ? this.names.get(value) : undefined;
        if (name !== undefined) infos.push(toValueInfo(name, value as Value));
      }
    }
    return infos;
  }

  #raiseIrVersion(graph: Graph): void {
    for (const { dtype } of valuesOf(graph)) {
      this.irVersion = Math.max(this.irVersion, DTYPE_IR_VERSION[dtype] ?? 0);
    }
  }
}

function keepUnknown(message: Message, { unknown }: { readonly unknown?: UnknownFields | undefined }): void {
  if (unknown !== undefined)
    message.$unknown = unknown.map((field) => ({ ...field, data: new Uint8Array(field.data) }));
}

/** Version of an operator set; 1 for domains that the graph says nothing about. */
function versionOf({ opsets }: Graph, domain: string): number {
  return Object.hasOwn(opsets, domain) ? (opsets[domain] as number) : 1;
}

function isDropped(node: Node): boolean {
  return node.domain === 'anneal' && (node.op === 'StopGradient' || node.op === 'WithGradient');
}

/** For each value of a node that is not written, the value to use instead. */
function lowered(graph: Graph): ReadonlyMap<Value, Value> {
  const map = new Map<Value, Value>();
  for (const node of graph.nodes) {
    const [value, source] = [node.outputs[0], node.inputs[0]];
    if (isDropped(node) && value && source) map.set(value, map.get(source) ?? source);
  }
  return map;
}
