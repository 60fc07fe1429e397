import type { GraphError } from '../../error.ts';
import type { ByteSource } from '../../tensor.ts';
import { formatError } from '../error.ts';

/** A value of the metadata. */
export type GgufValue = number | bigint | boolean | string | readonly GgufValue[];

const WINDOW_BYTES = 1 << 20;
/** A string of a header: chat templates take a few KiB. */
const MAX_STRING_BYTES = 1 << 26;
/** Arrays within arrays. */
const MAX_DEPTH = 8;
/** A length and one byte more. */
const STRING_HEAD_BYTES = 8;

const ARRAY = 9;
const STRING = 8;

interface Fixed {
  readonly bytes: number;
  readonly read: (view: DataView, at: number) => GgufValue;
}

const exact = (value: bigint): number | bigint => {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
};

/** Value types of fixed size, by their number. */
const FIXED: ReadonlyMap<number, Fixed> = new Map<number, Fixed>([
  [0, { bytes: 1, read: (view, at) => view.getUint8(at) }],
  [1, { bytes: 1, read: (view, at) => view.getInt8(at) }],
  [2, { bytes: 2, read: (view, at) => view.getUint16(at, true) }],
  [3, { bytes: 2, read: (view, at) => view.getInt16(at, true) }],
  [4, { bytes: 4, read: (view, at) => view.getUint32(at, true) }],
  [5, { bytes: 4, read: (view, at) => view.getInt32(at, true) }],
  [6, { bytes: 4, read: (view, at) => view.getFloat32(at, true) }],
  [7, { bytes: 1, read: (view, at) => view.getUint8(at) !== 0 }],
  [10, { bytes: 8, read: (view, at) => exact(view.getBigUint64(at, true)) }],
  [11, { bytes: 8, read: (view, at) => exact(view.getBigInt64(at, true)) }],
  [12, { bytes: 8, read: (view, at) => view.getFloat64(at, true) }],
]);

/** Reads a GGUF header from front to back, a window of the file at a time. */
export class GgufCursor {
  readonly #source: ByteSource;
  #window: DataView = new DataView(new ArrayBuffer(0));
  #windowStart = 0;
  #offset = 0;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  /** Offset of the next byte in the file. */
  get offset(): number {
    return this.#offset;
  }

  error(message: string): GraphError {
    return formatError({ file: this.#source.name, offset: this.#offset }, message);
  }

  async uint32(): Promise<number> {
    return (await this.#fixed(4)).getUint32(this.#take(4), true);
  }

  /** A 64-bit number that must be exact as a double. */
  async size(what: string): Promise<number> {
    const value = (await this.#fixed(8)).getBigUint64(this.#offset - this.#windowStart, true);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw this.error(`${what} is ${value}, which is not possible`);
    this.#offset += 8;
    return Number(value);
  }

  /** A number of things, each of which takes at least a byte of the file. */
  async count(limit: number, what: string): Promise<number> {
    const count = await this.size(`the number of ${what}`);
    if (count > limit || count > this.#left()) throw this.error(`${count} ${what} are more than the file can hold`);
    return count;
  }

  async string(): Promise<string> {
    const length = await this.size('the length of a string');
    if (length > Math.min(MAX_STRING_BYTES, this.#left())) {
      throw this.error(`a string of ${length} bytes, ${this.#left()} are left in the file`);
    }
    await this.#fixed(length);
    const { buffer, byteOffset } = this.#window;
    return new TextDecoder().decode(new Uint8Array(buffer, byteOffset + this.#take(length), length));
  }

  /** A value with its type in front. */
  async value(): Promise<GgufValue> {
    return this.#typed(await this.uint32(), 0);
  }

  async #typed(type: number, depth: number): Promise<GgufValue> {
    if (type === STRING) return this.string();
    if (type === ARRAY) return this.#array(depth);
    const fixed = FIXED.get(type);
    if (fixed === undefined) throw this.error(`unknown metadata type ${type}`);
    const view = await this.#fixed(fixed.bytes);
    return fixed.read(view, this.#take(fixed.bytes));
  }

  async #array(depth: number): Promise<GgufValue[]> {
    if (depth >= MAX_DEPTH) throw this.error(`arrays nest deeper than ${MAX_DEPTH}`);
    const type = await this.uint32();
    const length = await this.size('the length of an array');
    const each = FIXED.get(type)?.bytes ?? STRING_HEAD_BYTES;
    if (length * each > this.#left()) {
      throw this.error(`an array of ${length} elements, ${this.#left()} bytes are left in the file`);
    }
    const values: GgufValue[] = [];
    for (let i = 0; i < length; i++) values.push(await this.#typed(type, depth + 1));
    return values;
  }

  #left(): number {
    return this.#source.size - this.#offset;
  }

  /** Makes sure that the next bytes are in the window. */
  async #fixed(bytes: number): Promise<DataView> {
    const within = this.#offset - this.#windowStart;
    if (within + bytes > this.#window.byteLength) {
      if (bytes > this.#left()) throw this.error(`${bytes} bytes are needed, ${this.#left()} are left: truncated?`);
      const read = await this.#source.read(this.#offset, Math.min(Math.max(bytes, WINDOW_BYTES), this.#left()));
      this.#window = new DataView(read.buffer, read.byteOffset, read.byteLength);
      this.#windowStart = this.#offset;
    }
    return this.#window;
  }

  /** Offset within the window of the next bytes, which are then done. */
  #take(bytes: number): number {
    const at = this.#offset - this.#windowStart;
    this.#offset += bytes;
    return at;
  }
}
