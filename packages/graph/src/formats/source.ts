import { GraphError } from '../error.ts';
import type { ByteSource } from '../tensor.ts';

/** Takes the bytes of a file as they are made, in order. */
export interface ByteWriter {
  write(bytes: Uint8Array): void | Promise<void>;
}

/** Bytes copied at a time: what streaming holds in memory. */
export const CHUNK_BYTES: number = 4 << 20;

/** Bytes in memory as a source. Reads are views, not copies. */
export function memorySource(bytes: Uint8Array, name: string = 'memory'): ByteSource {
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
  at: Readonly<Record<string, string | number>> = {},
): void {
  const whole = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
  if (whole && offset + length <= source.size) return;
  throw new GraphError(
    'ANNEAL_E_FORMAT',
    `${source.name}: bytes ${offset} to ${offset + length} are outside the file of ${source.size} bytes`,
    { at: { file: source.name, ...at, offset } },
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
      parts.push(part.slice());
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
