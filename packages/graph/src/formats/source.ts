import type { ByteSource } from '../tensor.ts';
import { formatError } from './error.ts';

/** Takes the bytes of a file as they are made, in order. */
export interface ByteWriter {
  /** Appends. */
  write(bytes: Uint8Array): void | Promise<void>;
}

/** Bytes copied at a time: what streaming holds in memory. */
export const CHUNK_BYTES: number = 4 << 20;

/** Bytes in memory as a source. Reads are views, not copies. */
export function memorySource(data: Uint8Array, name: string = 'memory'): ByteSource {
  // Without the methods of Node's Buffer, whose `slice` does not copy.
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return {
    name,
    size: bytes.byteLength,
    read: (offset, length) => {
      try {
        checkRange({ name, size: bytes.byteLength }, offset, length);
      } catch (error) {
        return Promise.reject(error);
      }
      return Promise.resolve(bytes.subarray(offset, offset + length));
    },
  };
}

/**
 * Refuses a range outside the source before anything is allocated for it.
 *
 * @throws GraphError `ANNEAL_E_FORMAT`
 */
export function checkRange(
  source: Pick<ByteSource, 'name' | 'size'>,
  offset: number,
  length: number,
  tensor?: string,
): void {
  const whole = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
  if (whole && offset + length <= source.size) return;
  throw formatError(
    { file: source.name, tensor, offset },
    `${length} bytes from ${offset} are outside the file of ${source.size} bytes`,
  );
}

/** Copies a range to a writer, a chunk at a time. */
export async function copyRange(
  source: ByteSource,
  offset: number,
  length: number,
  writer: ByteWriter,
  chunkBytes: number = CHUNK_BYTES,
): Promise<void> {
  checkRange(source, offset, length);
  for (let done = 0; done < length; done += chunkBytes) {
    await writer.write(await source.read(offset + done, Math.min(chunkBytes, length - done)));
  }
}

/** Writes zeros, e.g. up to an aligned offset. */
export async function writeZeros(writer: ByteWriter, count: number): Promise<void> {
  for (let left = count; left > 0; left -= CHUNK_BYTES) await writer.write(new Uint8Array(Math.min(left, CHUNK_BYTES)));
}

/** Collects what is written into one array. */
export function memoryWriter(): ByteWriter & { bytes(): Uint8Array } {
  const parts: Uint8Array[] = [];
  return {
    write: (part) => {
      parts.push(new Uint8Array(part));
    },
    bytes: () => concatBytes(parts),
  };
}

export function concatBytes(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.byteLength;
  }
  return out;
}
