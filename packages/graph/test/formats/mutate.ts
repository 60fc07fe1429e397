import { fromBinary, ScalarType, toBinary } from '@bufbuild/protobuf';
import { reflect, type ReflectMessage } from '@bufbuild/protobuf/reflect';
import { ModelProtoSchema } from '../../src/formats/onnx/proto/onnx_pb.ts';

/** Random edits of a file: flipped, removed, inserted, repeated and zeroed bytes. */
export function mutate(bytes: Uint8Array, random: () => number): Uint8Array {
  const out = Array.from(bytes);
  const edits = 1 + Math.floor(random() * 4);
  for (let i = 0; i < edits && out.length > 0; i++) {
    const at = Math.floor(random() * out.length);
    const kind = Math.floor(random() * 6);
    if (kind === 0) out[at] = (out[at] as number) ^ (1 << Math.floor(random() * 8));
    else if (kind === 1) out[at] = Math.floor(random() * 256);
    else if (kind === 2) out.splice(at, 1 + Math.floor(random() * 8));
    else if (kind === 3) out.splice(at, 0, ...Array.from({ length: 1 + Math.floor(random() * 8) }, () => 0xff));
    else if (kind === 4) out.splice(at, 0, ...out.slice(at, at + Math.floor(random() * 32)));
    else out.length = at;
  }
  return Uint8Array.from(out);
}

type Field = ReflectMessage['fields'][number];

/** Whole numbers that go wrong: in sizes, axes, counts, types and versions. */
const NUMBERS = [
  -1n,
  0n,
  1n,
  2n,
  7n,
  64n,
  255n,
  65_536n,
  2n ** 31n,
  2n ** 40n,
  2n ** 60n,
  2n ** 63n - 1n,
  -(2n ** 63n),
];
const FLOATS = [0, -1, 0.5, 1e30, Infinity, Number.NaN];
const TEXTS = ['', 'x', 'y', '../../etc/passwd', '__proto__', 'constructor', 'a'.repeat(70_000), 'NOTSET', 'linear'];
/** Operators that are read with care: inner graphs, lists, shapes from data, attributes that became inputs. */
const OPERATORS = (
  'If Loop Scan Constant Identity CastLike SequenceConstruct SequenceAt SplitToSequence ConcatFromSequence Reshape ' +
  'Expand Slice Pad Tile Resize Upsample ConstantOfShape Range OneHot Split Squeeze Unsqueeze Concat Gather Conv ' +
  'ConvTranspose MaxPool Einsum LSTM Attention Softmax BatchNormalization Dropout TopK Shape Clip Flatten Transpose'
).split(' ');

/**
 * Random edits of an ONNX model that leave it one: numbers, names, operators, and whole messages copied to where another
 * of their kind was, such as a graph into one of its own branches.
 */
export function mutateModel(bytes: Uint8Array, random: () => number): Uint8Array {
  const below = (count: number): number => Math.floor(random() * count);
  const pick = <T>(items: readonly T[]): T => items[below(items.length)] as T;
  const model = fromBinary(ModelProtoSchema, bytes);
  const messages: ReflectMessage[] = [];
  const texts: string[] = [...TEXTS];
  collect(reflect(ModelProtoSchema, model), messages, texts);

  const scalar = (type: ScalarType, old: unknown): unknown => {
    switch (type) {
      case ScalarType.STRING:
        return random() < 0.2 ? pick(OPERATORS) : pick(texts);
      case ScalarType.BYTES: {
        const given = old instanceof Uint8Array ? old : new Uint8Array();
        return random() < 0.5 ? given.slice(0, below(given.length + 1)) : mutate(given, random);
      }
      case ScalarType.FLOAT:
      case ScalarType.DOUBLE:
        return pick(FLOATS);
      case ScalarType.INT64:
        return random() < 0.5 ? BigInt.asIntN(64, pick(NUMBERS)) : BigInt(below(12) - 3);
      case ScalarType.UINT64:
        return BigInt.asUintN(64, pick(NUMBERS));
      default:
        return random() < 0.5 ? Number(BigInt.asIntN(32, pick(NUMBERS))) : below(30);
    }
  };
  /** A copy of another message of the same kind. */
  const other = (typeName: string): ReflectMessage | undefined => {
    const same = messages.filter(({ desc }) => desc.typeName === typeName);
    if (same.length === 0) return undefined;
    const { desc, message } = pick(same);
    return reflect(desc, fromBinary(desc, toBinary(desc, message)));
  };
  const edit = (message: ReflectMessage, field: Field): void => {
    switch (field.fieldKind) {
      case 'list': {
        const list = message.get(field);
        const items = [...list];
        const kind = below(5);
        if (kind === 0) items.splice(below(items.length + 1), 1);
        else if (kind === 1 && items.length > 0) items.splice(below(items.length), 0, pick(items));
        else if (kind === 2) items.reverse();
        else if (field.listKind === 'message')
          items.splice(below(items.length + 1), 1, ...single(other(field.message.typeName)));
        else if (field.listKind === 'scalar')
          items.splice(below(items.length + 1), below(2), scalar(field.scalar, undefined));
        list.clear();
        for (const item of items) list.add(item);
        return;
      }
      case 'message': {
        const found = random() < 0.2 ? undefined : other(field.message.typeName);
        if (found) message.set(field, found);
        else message.clear(field);
        return;
      }
      case 'scalar':
        message.set(field, scalar(field.scalar, message.get(field)) as never);
        return;
      case 'enum':
        message.set(field, pick(field.enum.values).number);
        return;
      case 'map':
    }
  };
  for (let edits = 1 + below(3); edits > 0; edits--) {
    const message = pick(messages);
    // Mostly fields that the model has: an empty one that appears is often ignored.
    const present = message.fields.filter((field) => message.isSet(field));
    const fields = present.length > 0 && random() < 0.8 ? present : message.fields;
    if (fields.length > 0) edit(message, pick(fields));
  }
  return toBinary(ModelProtoSchema, model);
}

const single = <T>(item: T | undefined): T[] => (item === undefined ? [] : [item]);

function collect(message: ReflectMessage, messages: ReflectMessage[], texts: string[]): void {
  messages.push(message);
  for (const field of message.fields) {
    if (!message.isSet(field)) continue;
    const value: unknown = message.get(field);
    if (field.fieldKind === 'message') collect(value as ReflectMessage, messages, texts);
    else if (field.fieldKind === 'list') {
      for (const item of value as Iterable<unknown>) {
        if (field.listKind === 'message') collect(item as ReflectMessage, messages, texts);
        else if (typeof item === 'string') texts.push(item);
      }
    } else if (typeof value === 'string') texts.push(value);
  }
}
