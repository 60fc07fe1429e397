import { type DescMessage, fromBinary, type MessageShape } from '@bufbuild/protobuf';
import type { ByteSource } from '../../tensor.ts';
import { formatError } from '../error.ts';
import { concatBytes } from '../source.ts';
import { DecodeBudget } from './budget.ts';
import {
  type GraphProto,
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  type TensorProto,
  TensorProtoSchema,
} from './proto/onnx_pb.ts';
import { type WireField, WireScanner } from './wire.ts';

/** A tensor message without its elements, where those are many: they stay in the file. */
export interface ScannedTensor {
  readonly proto: TensorProto;
  /** The elements' place in the file, when they were left there. */
  readonly raw: { readonly offset: number; readonly length: number } | undefined;
  /** Where the message begins, for errors. */
  readonly offset: number;
}

export interface ScannedModel {
  /** Without `graph`. */
  readonly model: ModelProto;
  /** Without `initializer`. */
  readonly graph: GraphProto;
  readonly initializers: readonly ScannedTensor[];
}

/** Elements of at most this many bytes are read at once. */
const EAGER_BYTES = 1024;

/** Decodes a model; the elements of its initializers are neither read nor copied. */
export async function scanModel(source: ByteSource): Promise<ScannedModel> {
  const scanner = new WireScanner(source);
  const budget = new DecodeBudget(source);
  const decode = async <D extends DescMessage>(desc: D, fields: readonly WireField[]): Promise<MessageShape<D>> => {
    const bytes = concatBytes(await Promise.all(runs(fields).map(([from, to]) => scanner.bytes(from, to))));
    budget.check(desc, bytes);
    try {
      return fromBinary(desc, bytes);
    } catch (error) {
      const offset = fields[0]?.start ?? 0;
      throw formatError({ file: source.name, offset }, `not a valid ${desc.typeName}: ${messageOf(error)}`, {
        cause: error,
      });
    }
  };

  const isGraph = isField(ModelProtoSchema, 'graph');
  const isInitializer = isField(GraphProtoSchema, 'initializer');
  const isRaw = isField(TensorProtoSchema, 'rawData');

  const top = await scanner.fields(0, source.size);
  const graphs = top.filter(isGraph);
  const [body] = graphs;
  if (body === undefined || graphs.length > 1) {
    throw formatError({ file: source.name }, `an ONNX model has one graph, this file has ${graphs.length}`);
  }
  const model = await decode(
    ModelProtoSchema,
    top.filter((field) => !isGraph(field)),
  );
  const parts = await scanner.fields(body.dataStart, body.end);
  const graph = await decode(
    GraphProtoSchema,
    parts.filter((field) => !isInitializer(field)),
  );
  const initializers: ScannedTensor[] = [];
  for (const { dataStart, end, start } of parts.filter(isInitializer)) {
    const fields = await scanner.fields(dataStart, end);
    const isLarge = (field: WireField): boolean => isRaw(field) && field.end - field.dataStart > EAGER_BYTES;
    const raw = fields.findLast(isRaw);
    const proto = await decode(
      TensorProtoSchema,
      fields.filter((field) => !isLarge(field)),
    );
    initializers.push({
      proto,
      raw: raw && isLarge(raw) ? { offset: raw.dataStart, length: raw.end - raw.dataStart } : undefined,
      offset: start,
    });
  }
  return { model, graph, initializers };
}

/** A test for the length-delimited field of that name. */
function isField<D extends DescMessage>(desc: D, name: keyof D['field'] & string): (field: WireField) => boolean {
  const no = (desc.field as Record<string, { number: number }>)[name]?.number;
  return (field) => field.no === no && field.wire === 2;
}

/** Neighbouring fields joined into ranges. */
function runs(fields: readonly WireField[]): [from: number, to: number][] {
  const out: [number, number][] = [];
  for (const { start, end } of fields) {
    const last = out.at(-1);
    if (last && last[1] === start) last[1] = end;
    else out.push([start, end]);
  }
  return out;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
