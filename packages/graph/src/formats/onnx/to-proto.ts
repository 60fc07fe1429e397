import { create } from '@bufbuild/protobuf';
import { DTYPES, type DType } from '../../dtype.ts';
import { GraphError } from '../../error.ts';
import type { Attribute, Graph, Value } from '../../ir.ts';
import { bytesOf, type TensorData } from '../../tensor.ts';
import {
  type AttributeProto,
  AttributeProto_AttributeType as Kind,
  AttributeProtoSchema,
  type GraphProto,
  type TensorProto,
  TensorProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from './proto/onnx_pb.ts';

const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);
const utf8 = new TextEncoder();

/** Numbers beyond int64, such as the rounded "to the end" of a slice, are clamped to it. */
function toInt64(value: number, what: string): bigint {
  if (!Number.isInteger(value)) {
    throw new GraphError('ANNEAL_E_FORMAT', `${what}: an int attribute must be an integer, received ${value}`);
  }
  const wide = BigInt(value);
  if (wide > INT64_MAX) return INT64_MAX;
  return wide < INT64_MIN ? INT64_MIN : wide;
}

export function toTensorProto(name: string, { dtype, shape }: Omit<TensorData, 'data'>): TensorProto {
  if (DTYPES[dtype].kind === 'string') {
    throw new GraphError('ANNEAL_E_FORMAT', `"${name}": string tensors have no binary form`, { at: { tensor: name } });
  }
  return create(TensorProtoSchema, { name, dataType: DTYPES[dtype].onnx, dims: shape.map(BigInt) });
}

/** A tensor with its bytes in the file. The bytes are not copied. */
export function toInlineTensor(name: string, data: TensorData): TensorProto {
  const proto = toTensorProto(name, data);
  proto.rawData = bytesOf(data) as Uint8Array<ArrayBuffer>;
  return proto;
}

export function toValueInfo(name: string, value: Value): ValueInfoProto {
  const dim = value.shape.map((size) => ({
    value:
      typeof size === 'number'
        ? { case: 'dimValue' as const, value: BigInt(size) }
        : { case: 'dimParam' as const, value: size },
  }));
  return create(ValueInfoProtoSchema, {
    name,
    type: { value: { case: 'tensorType', value: { elemType: DTYPES[value.dtype].onnx, shape: { dim } } } },
  });
}

type Writers = {
  readonly [K in KeysOf<Attribute>]: (
    proto: AttributeProto,
    value: Extract<Attribute, Record<K, unknown>>[K],
    nested: (graph: Graph) => GraphProto,
  ) => void;
};
type KeysOf<T> = T extends unknown ? keyof T : never;

const WRITERS: Writers = {
  int: (proto, value) => {
    proto.type = Kind.INT;
    proto.i = toInt64(value, proto.name);
  },
  float: (proto, value) => {
    proto.type = Kind.FLOAT;
    proto.f = value;
  },
  string: (proto, value) => {
    proto.type = Kind.STRING;
    proto.s = utf8.encode(value);
  },
  ints: (proto, values) => {
    proto.type = Kind.INTS;
    proto.ints = values.map((value) => toInt64(value, proto.name));
  },
  floats: (proto, values) => {
    proto.type = Kind.FLOATS;
    proto.floats = [...values];
  },
  strings: (proto, values) => {
    proto.type = Kind.STRINGS;
    proto.strings = values.map((value) => utf8.encode(value));
  },
  tensor: (proto, value) => {
    proto.type = Kind.TENSOR;
    proto.t = toInlineTensor('', value);
  },
  graph: (proto, value, nested) => {
    proto.type = Kind.GRAPH;
    proto.g = nested(value);
  },
};

export function toAttribute(name: string, attribute: Attribute, nested: (graph: Graph) => GraphProto): AttributeProto {
  const proto = create(AttributeProtoSchema, { name });
  const [kind, value] = Object.entries(attribute)[0] as [keyof Writers, never];
  WRITERS[kind](proto, value, nested);
  return proto;
}

/** The IR version that introduced an element type, where it is newer than the one written by default. */
export const DTYPE_IR_VERSION: Partial<Record<DType, number>> = {
  float4e2m1: 11,
  float8e8m0: 12,
  int2: 13,
  uint2: 13,
};
