import type { ByteSource } from '../../tensor.ts';
import { formatError } from '../error.ts';
import { checkRange } from '../source.ts';

/** One field of a protobuf message in a file: its payload is the bytes from `dataStart` to `end`. */
export interface WireField {
  readonly no: number;
  readonly wire: number;
  /** Where the tag begins. */
  readonly start: number;
  readonly dataStart: number;
  readonly end: number;
}

/** Protobuf's wire types, without the deprecated groups. */
export const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/** Fields that one message may have: what a real model never reaches and a crafted file could exhaust memory with. */
const MAX_FIELDS = 1_000_000;
const WINDOW_BYTES = 1 << 16;
/** A tag and a length, each at most ten bytes. */
const HEAD_BYTES = 20;

/** Walks protobuf messages in a source without reading the payloads of their fields. */
export class WireScanner {
  readonly #source: ByteSource;
  #window: Uint8Array = new Uint8Array(0);
  #windowStart = 0;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  /** The fields of the message that lies between `start` and `end`. */
  async fields(start: number, end: number): Promise<WireField[]> {
    const fields: WireField[] = [];
    for (let at = start; at < end;) {
      if (!this.#has(at, Math.min(at + HEAD_BYTES, end))) await this.#load(at);
      const field = this.#field(at, end);
      fields.push(field);
      if (fields.length > MAX_FIELDS) throw this.#error(at, `a message has more than ${MAX_FIELDS} fields`);
      at = field.end;
    }
    return fields;
  }

  /** The bytes between two offsets. */
  async bytes(start: number, end: number): Promise<Uint8Array> {
    checkRange(this.#source, start, end - start);
    if (this.#has(start, end)) return this.#window.slice(start - this.#windowStart, end - this.#windowStart);
    return this.#source.read(start, end - start);
  }

  #has(start: number, end: number): boolean {
    return start >= this.#windowStart && end <= this.#windowStart + this.#window.byteLength;
  }

  async #load(at: number): Promise<void> {
    this.#window = await this.#source.read(at, Math.min(WINDOW_BYTES, this.#source.size - at));
    this.#windowStart = at;
  }

  #field(start: number, end: number): WireField {
    const tag = this.#varint(start, end);
    const [no, wire] = [Math.floor(tag.value / 8), tag.value % 8];
    if (no === 0 || no > 0x1fffffff) throw this.#error(start, `${no} is not a field number`);
    const length = wire === WIRE.bytes ? this.#varint(tag.end, end) : undefined;
    const dataStart = length?.end ?? tag.end;
    let dataEnd: number;
    if (length) dataEnd = length.end + length.value;
    else if (wire === WIRE.varint) dataEnd = this.#varint(tag.end, end).end;
    else if (wire === WIRE.fixed64) dataEnd = tag.end + 8;
    else if (wire === WIRE.fixed32) dataEnd = tag.end + 4;
    else throw this.#error(start, `wire type ${wire} is not used by ONNX; the file is not an ONNX model`);
    if (dataEnd > end) {
      throw this.#error(
        start,
        `field ${no} says ${dataEnd - dataStart} bytes, ${end - dataStart} are left: truncated?`,
      );
    }
    return { no, wire, start, dataStart, end: dataEnd };
  }

  #varint(start: number, end: number): Varint {
    const base = this.#windowStart;
    const { value, end: after } = readVarint(this.#window, start - base, Math.min(end - base, this.#window.byteLength));
    if (after === Number.POSITIVE_INFINITY) throw this.#error(start, 'the file ends within a number: truncated?');
    return { value, end: after + base };
  }

  #error(offset: number, message: string): Error {
    return formatError({ file: this.#source.name, offset }, message);
  }
}

export interface Varint {
  readonly value: number;
  /** Offset of the byte after it; infinite when it does not end, or not within ten bytes. */
  readonly end: number;
}

/** Values above 2^53 lose digits, which is all right for tags and lengths: those are then out of range. */
export function readVarint(bytes: Uint8Array, start: number, end: number): Varint {
  let value = 0;
  let scale = 1;
  for (let at = start; at < end && at < start + 10; at++) {
    const byte = bytes[at] as number;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return { value, end: at + 1 };
    scale *= 128;
  }
  return { value, end: Number.POSITIVE_INFINITY };
}
