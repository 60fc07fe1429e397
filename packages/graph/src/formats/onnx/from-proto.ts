import { DTYPES, type DType, dtypeFromOnnx, type TypedArray } from '../../dtype.ts';
import type { GraphError } from '../../error.ts';
import type { Attribute, Attributes, Dim, Shape } from '../../ir.ts';
import {
  byteLengthOf,
  type ByteSource,
  sizeOf,
  tensor,
  type TensorData,
  tensorFromBytes,
  type TensorSource,
} from '../../tensor.ts';
import { formatError } from '../error.ts';
import { checkRange } from '../source.ts';
import { locationProblem } from './external.ts';
import { fromProps } from './metadata.ts';
import {
  type AttributeProto,
  AttributeProto_AttributeType as Kind,
  type TensorProto,
  TensorProto_DataLocation,
  type ValueInfoProto,
} from './proto/onnx_pb.ts';
import type { ScannedTensor } from './scan.ts';

/** More axes than any tensor has; a crafted shape would otherwise cost memory at every use. */
export const MAX_RANK = 64;
const utf8 = new TextDecoder();

/** The field that holds a tensor's elements when they are not raw bytes. */
function typedData(proto: TensorProto, dtype: DType): readonly (number | bigint)[] {
  switch (dtype) {
    case 'float32':
    case 'complex64':
      return proto.floatData;
    case 'float64':
    case 'complex128':
      return proto.doubleData;
    case 'int64':
      return proto.int64Data;
    case 'uint32':
    case 'uint64':
      return proto.uint64Data;
    default:
      return proto.int32Data;
  }
}

interface TensorHead {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly bytes: number;
}

type Fail = (message: string) => GraphError;

/** Dtype and shape, with every size checked before anything is allocated for it. */
function headOf(proto: TensorProto, fail: Fail): TensorHead {
  const dtype = dtypeFromOnnx(proto.dataType);
  if (dtype === undefined) throw fail(`unknown element type ${proto.dataType}`);
  if (DTYPES[dtype].kind === 'string') throw fail('string tensors are not supported');
  if (proto.segment) throw fail('segmented tensors are not supported');
  const shape = dimsOf(proto.dims, fail);
  const bytes = byteLengthOf(dtype, shape);
  if (!Number.isSafeInteger(sizeOf(shape)) || !Number.isSafeInteger(bytes)) {
    throw fail(`[${shape.join(', ')}] has more elements than any file can hold`);
  }
  return { dtype, shape, bytes };
}

function dimsOf(dims: readonly bigint[], fail: Fail): number[] {
  if (dims.length > MAX_RANK) throw fail(`${dims.length} axes; at most ${MAX_RANK} are supported`);
  return dims.map((dim) => {
    if (dim < 0n || dim > BigInt(Number.MAX_SAFE_INTEGER)) throw fail(`a dimension of ${dim} is not possible`);
    return Number(dim);
  });
}

/** A tensor within a message that has been decoded, such as an attribute. */
export function tensorOf(proto: TensorProto, place: { file: string; node?: string; tensor?: string }): TensorData {
  const fail: Fail = (message) => formatError(place, message);
  const head = headOf(proto, fail);
  if (proto.dataLocation === TensorProto_DataLocation.EXTERNAL) throw fail('its data is in another file');
  return inlineTensor(proto, head, fail);
}

function inlineTensor(proto: TensorProto, { dtype, shape, bytes }: TensorHead, fail: Fail): TensorData {
  if (proto.rawData.byteLength > 0) {
    if (proto.rawData.byteLength !== bytes) {
      throw fail(`${dtype}[${shape.join(', ')}] takes ${bytes} bytes, the file has ${proto.rawData.byteLength}`);
    }
    // A copy: a view would keep the whole file in memory.
    return tensorFromBytes(dtype, shape, proto.rawData.slice());
  }
  const items = typedData(proto, dtype);
  const { array } = DTYPES[dtype];
  const length = Math.ceil(bytes / array.BYTES_PER_ELEMENT);
  if (items.length !== length) {
    throw fail(`${dtype}[${shape.join(', ')}] takes ${length} numbers, the file has ${items.length}`);
  }
  const data: TypedArray = new array(length);
  const wide = data instanceof BigInt64Array || data instanceof BigUint64Array;
  for (let i = 0; i < length; i++) {
    const item = items[i] as number | bigint;
    (data as { [index: number]: number | bigint })[i] = wide ? BigInt(item) : Number(item);
  }
  return { dtype, shape, data };
}

/** Opens the file that an external tensor names. */
export type OpenExternal = (location: string) => Promise<ByteSource>;

/** Initializers of one file as tensors; large ones stay where they are. */
export class TensorReader {
  readonly #source: ByteSource;
  readonly #open: OpenExternal | undefined;
  readonly #opened = new Map<string, Promise<ByteSource>>();

  constructor(source: ByteSource, open: OpenExternal | undefined) {
    this.#source = source;
    this.#open = open;
  }

  async read({ proto, raw, offset }: ScannedTensor): Promise<TensorSource> {
    const fail: Fail = (message) => formatError({ file: this.#source.name, tensor: proto.name, offset }, message);
    const head = headOf(proto, fail);
    if (proto.dataLocation === TensorProto_DataLocation.EXTERNAL) return this.#external(proto, head, fail);
    if (raw === undefined) return inlineTensor(proto, head, fail);
    if (raw.length !== head.bytes) {
      throw fail(`${head.dtype}[${head.shape.join(', ')}] takes ${head.bytes} bytes, the file has ${raw.length}`);
    }
    return { dtype: head.dtype, shape: head.shape, source: this.#source, offset: raw.offset };
  }

  async #external(proto: TensorProto, { dtype, shape, bytes }: TensorHead, fail: Fail): Promise<TensorSource> {
    const facts = fromProps(proto.externalData);
    const { location = '' } = facts;
    const problem = locationProblem(location);
    if (problem !== undefined) throw fail(`its data is said to be in ${JSON.stringify(location)}, but ${problem}`);
    const number = (name: string, fallback: number): number => {
      const text = facts[name];
      if (text === undefined) return fallback;
      if (!/^\d{1,15}$/.test(text)) throw fail(`${name} ${JSON.stringify(text)} of its external data is not a number`);
      return Number(text);
    };
    const offset = number('offset', 0);
    if (number('length', bytes) !== bytes) {
      throw fail(`${dtype}[${shape.join(', ')}] takes ${bytes} bytes, its external data has ${facts['length']}`);
    }
    const source = await this.#file(location, fail);
    checkRange(source, offset, bytes, proto.name);
    return { dtype, shape, source, offset };
  }

  async #file(location: string, fail: Fail): Promise<ByteSource> {
    if (this.#open === undefined) throw fail(`its data is in "${location}", which readOnnx was given no way to open`);
    let opened = this.#opened.get(location);
    if (opened === undefined) {
      opened = this.#open(location);
      this.#opened.set(location, opened);
    }
    return opened;
  }
}

/** The type of an input, an output or an intermediate value; `undefined` where the file does not say. */
export function valueTypeOf(
  info: ValueInfoProto,
  file: string,
  freshDim: () => string,
): { dtype: DType; shape: Shape } | undefined {
  const type = info.type?.value;
  if (type?.case !== 'tensorType' || type.value.shape === undefined) return undefined;
  const fail: Fail = (message) => formatError({ file, tensor: info.name }, message);
  const dtype = dtypeFromOnnx(type.value.elemType);
  if (dtype === undefined) throw fail(`unknown element type ${type.value.elemType}`);
  const { dim } = type.value.shape;
  if (dim.length > MAX_RANK) throw fail(`${dim.length} axes; at most ${MAX_RANK} are supported`);
  const shape = dim.map(({ value }): Dim => {
    if (value.case === 'dimParam' && value.value !== '') return value.value;
    // Some exporters write -1 for a size that is not known.
    if (value.case !== 'dimValue' || value.value < 0n) return freshDim();
    if (value.value > BigInt(Number.MAX_SAFE_INTEGER)) throw fail(`a dimension of ${value.value} is not possible`);
    return Number(value.value);
  });
  return { dtype, shape };
}

type AttributeReader = (proto: AttributeProto, place: { file: string; node: string }) => Attribute;

const READERS: Partial<Record<Kind, AttributeReader>> = {
  [Kind.INT]: (proto) => ({ int: Number(proto.i) }),
  [Kind.FLOAT]: (proto) => ({ float: proto.f }),
  [Kind.STRING]: (proto) => ({ string: utf8.decode(proto.s) }),
  [Kind.INTS]: (proto) => ({ ints: proto.ints.map(Number) }),
  [Kind.FLOATS]: (proto) => ({ floats: proto.floats }),
  [Kind.STRINGS]: (proto) => ({ strings: proto.strings.map((bytes) => utf8.decode(bytes)) }),
  [Kind.TENSOR]: (proto, place) => {
    if (proto.t === undefined) throw formatError(place, `attribute "${proto.name}" has no tensor`);
    return { tensor: tensorOf(proto.t, place) };
  },
};

/** Models older than IR version 1 do not say the type of an attribute. */
function kindOf(proto: AttributeProto): Kind {
  if (proto.type !== Kind.UNDEFINED) return proto.type;
  if (proto.t) return Kind.TENSOR;
  if (proto.g) return Kind.GRAPH;
  if (proto.ints.length > 0) return Kind.INTS;
  if (proto.floats.length > 0) return Kind.FLOATS;
  if (proto.strings.length > 0) return Kind.STRINGS;
  if (proto.s.byteLength > 0) return Kind.STRING;
  return proto.f === 0 ? Kind.INT : Kind.FLOAT;
}

export function attributesOf(protos: readonly AttributeProto[], place: { file: string; node: string }): Attributes {
  const attributes: Record<string, Attribute> = Object.create(null) as Record<string, Attribute>;
  for (const proto of protos) {
    const read = READERS[kindOf(proto)];
    if (read === undefined) {
      throw formatError(place, `attribute "${proto.name}" is of a kind (${proto.type}) that is not supported`);
    }
    if (proto.name in attributes) throw formatError(place, `attribute "${proto.name}" is there twice`);
    attributes[proto.name] = read(proto, place);
  }
  return { ...attributes };
}

/** The contents of a `Constant` node. */
export function constantOf(attributes: Attributes): TensorData | undefined {
  for (const [name, attribute] of Object.entries(attributes)) {
    if (name === 'value' && 'tensor' in attribute) return attribute.tensor;
    if (name === 'value_float' && 'float' in attribute) return tensor('float32', [], [attribute.float]);
    if (name === 'value_floats' && 'floats' in attribute) return vector('float32', attribute.floats);
    if (name === 'value_int' && 'int' in attribute) return vector('int64', [attribute.int], []);
    if (name === 'value_ints' && 'ints' in attribute) return vector('int64', attribute.ints);
  }
  return undefined;
}

function vector(dtype: DType, values: readonly number[], shape: readonly number[] = [values.length]): TensorData {
  const wide = dtype === 'int64';
  return tensor(dtype, shape, wide ? values.map((value) => BigInt(value)) : values);
}
