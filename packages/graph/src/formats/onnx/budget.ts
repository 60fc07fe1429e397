import { type DescMessage, ScalarType } from '@bufbuild/protobuf';
import type { ByteSource } from '../../tensor.ts';
import { formatError } from '../error.ts';
import { readVarint, WIRE } from './wire.ts';

/** What decoding may create in all: messages and 64-bit numbers, each an object of a hundred bytes or so. */
const MAX_OBJECTS = 4_000_000;
/** Graphs within graphs nest a few levels, each level is three messages. */
const MAX_DEPTH = 90;
/** Nothing can be made of a file of this size that would not fit into memory. */
const HARMLESS_BYTES = 1 << 20;

const WIDE: ReadonlySet<ScalarType> = new Set([ScalarType.INT64, ScalarType.UINT64, ScalarType.SINT64]);

/**
 * Refuses bytes that would decode into vastly more memory than they take: two bytes can make a message.
 * `bytes` must hold whole fields.
 */
export class DecodeBudget {
  #objects = 0;
  readonly #file: string;
  readonly #needed: boolean;

  constructor({ name, size }: Pick<ByteSource, 'name' | 'size'>) {
    this.#file = name;
    this.#needed = size >= HARMLESS_BYTES;
  }

  check(desc: DescMessage, bytes: Uint8Array): void {
    if (this.#needed) this.#walk(desc, bytes, 0, bytes.byteLength, 0);
  }

  #walk(desc: DescMessage, bytes: Uint8Array, start: number, end: number, depth: number): void {
    if (depth > MAX_DEPTH) throw formatError({ file: this.#file }, `messages nest deeper than ${MAX_DEPTH}`);
    const fields = fieldsOf(desc);
    for (let at = start; at < end;) {
      const tag = readVarint(bytes, at, end);
      const [no, wire] = [Math.floor(tag.value / 8), tag.value % 8];
      const length = wire === WIRE.bytes ? readVarint(bytes, tag.end, end) : undefined;
      const dataStart = length?.end ?? tag.end;
      const dataEnd = length ? length.end + length.value : skip(bytes, tag.end, end, wire);
      // Malformed bytes are left to the decoder, whose message is as good.
      if (!(dataEnd > at && dataEnd <= end)) return;
      const field = fields.get(no);
      this.#objects++;
      if (field?.message && length) this.#walk(field.message, bytes, dataStart, dataEnd, depth + 1);
      else if (field?.wide === true && length) this.#objects += terminators(bytes, dataStart, dataEnd);
      if (this.#objects > MAX_OBJECTS) {
        throw formatError({ file: this.#file }, `the model has more than ${MAX_OBJECTS} parts besides its weights`);
      }
      at = dataEnd;
    }
  }
}

interface FieldFacts {
  readonly message: DescMessage | undefined;
  readonly wide: boolean;
}

const factsByMessage = new WeakMap<DescMessage, ReadonlyMap<number, FieldFacts>>();

function fieldsOf(desc: DescMessage): ReadonlyMap<number, FieldFacts> {
  let facts = factsByMessage.get(desc);
  if (facts === undefined) {
    facts = new Map(
      desc.fields.map((field) => [
        field.number,
        { message: field.message, wide: field.scalar !== undefined && WIDE.has(field.scalar) },
      ]),
    );
    factsByMessage.set(desc, facts);
  }
  return facts;
}

/** The end of a field that has no length; `NaN` for a wire type that ONNX does not use. */
function skip(bytes: Uint8Array, at: number, end: number, wire: number): number {
  if (wire === WIRE.varint) return readVarint(bytes, at, end).end;
  if (wire === WIRE.fixed64) return at + 8;
  return wire === WIRE.fixed32 ? at + 4 : Number.NaN;
}

/** Numbers in packed varints: bytes without the continuation bit. */
function terminators(bytes: Uint8Array, start: number, end: number): number {
  let count = 0;
  for (let i = start; i < end; i++) if ((bytes[i] as number) < 0x80) count++;
  return count;
}
