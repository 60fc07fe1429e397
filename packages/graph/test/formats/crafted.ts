import { create, type MessageInitShape, type MessageShape, toBinary } from '@bufbuild/protobuf';
import {
  AttributeProto_AttributeType as Kind,
  type AttributeProtoSchema,
  type GraphProto,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProtoSchema,
  TensorProto_DataLocation,
  type TensorProtoSchema,
  type ValueInfoProtoSchema,
} from '../../src/formats/onnx/proto/onnx_pb.ts';
import { readOnnx, type ReadOnnxOptions } from '../../src/formats/onnx/read.ts';
import { memorySource } from '../../src/formats/source.ts';

/** What `create` takes, without the message itself. */
type Init<D extends Parameters<typeof create>[0]> = Exclude<MessageInitShape<D>, MessageShape<D>>;
export type GraphInit = Init<typeof GraphProtoSchema>;
export type ModelInit = Init<typeof ModelProtoSchema>;
export type NodeInit = Init<typeof NodeProtoSchema>;
export type TensorInit = Init<typeof TensorProtoSchema>;
export type AttributeInit = Init<typeof AttributeProtoSchema>;
export type ValueInfoInit = Init<typeof ValueInfoProtoSchema>;

/** An input or output: a tensor with these dimensions, symbolic where they are strings. */
export function info(name: string, shape: readonly (number | bigint | string)[], elemType: number = 1): ValueInfoInit {
  const dim = shape.map((size) => ({
    value:
      typeof size === 'string'
        ? { case: 'dimParam' as const, value: size }
        : { case: 'dimValue' as const, value: BigInt(size) },
  }));
  return { name, type: { value: { case: 'tensorType', value: { elemType, shape: { dim } } } } };
}

/** A model with input `x`: float32[2]. */
export function model(graph: GraphInit, rest: ModelInit = {}): Uint8Array {
  const proto = create(ModelProtoSchema, {
    irVersion: 10n,
    opsetImport: [{ domain: '', version: 21n }],
    graph: { name: 'g', input: [info('x', [2])], ...graph },
    ...rest,
  });
  return toBinary(ModelProtoSchema, proto);
}

export const node = (opType: string, input: string[], output: string[], rest: NodeInit = {}): NodeInit => ({
  opType,
  input,
  output,
  name: `the ${opType}`,
  ...rest,
});

/** A model of one initializer that the output is made of. */
export const withTensor = (tensor: TensorInit): Uint8Array =>
  model({ initializer: [{ name: 'w', ...tensor }], node: [node('Identity', ['w'], ['y'])], output: [{ name: 'y' }] });

export const floats = (...dims: (number | bigint)[]): TensorInit => ({ dataType: 1, dims: dims.map(BigInt) });

export const external = (facts: Record<string, string>, tensor: TensorInit = floats(2)): Uint8Array =>
  withTensor({
    ...tensor,
    dataLocation: TensorProto_DataLocation.EXTERNAL,
    externalData: Object.entries(facts).map(([key, value]) => ({ key, value })),
  });

export const read = (bytes: Uint8Array, options?: ReadOnnxOptions): Promise<unknown> =>
  readOnnx(memorySource(bytes, 'm.onnx'), options);

export const joined = (...parts: (Uint8Array | number[])[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => [...part]));

/** An `If` attribute with one branch. */
export const branch = (graph: GraphInit): AttributeInit[] => [
  { name: 'then_branch', type: Kind.GRAPH, g: create(GraphProtoSchema, graph) },
];

/** A graph within a graph within a graph … */
export function nested(levels: number): GraphProto {
  let graph = create(GraphProtoSchema, { output: [{ name: 'y' }] });
  for (let i = 0; i < levels; i++) {
    const attribute: AttributeInit[] = [{ name: 'then_branch', type: Kind.GRAPH, g: graph }];
    graph = create(GraphProtoSchema, { output: [{ name: 'y' }], node: [node('If', ['yes'], ['y'], { attribute })] });
  }
  return graph;
}

/** A constant that is true. */
export const yes: TensorInit = { name: 'yes', dataType: 9, rawData: Uint8Array.of(1) };

/** A number as protobuf writes it. */
export function varint(value: number): number[] {
  const out: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) out.push((rest % 128) | 0x80);
  return [...out, rest];
}

/** A field of many bytes. */
export function joinLarge(tag: number, payload: Uint8Array): Uint8Array {
  const head = [tag, ...varint(payload.length)];
  const out = new Uint8Array(head.length + payload.length);
  out.set(head);
  out.set(payload, head.length);
  return out;
}
