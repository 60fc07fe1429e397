import { randomUUID } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import type { ByteWriter } from '../formats/source.ts';

/** One file to write, from the first byte to the last. */
export interface FileToWrite {
  readonly path: string;
  readonly fill: (writer: ByteWriter) => void | Promise<void>;
}

export interface WrittenFile {
  readonly path: string;
  readonly size: number;
}

/** What one write call of the operating system takes. */
const MAX_WRITE = 1 << 30;

/**
 * Writes files that belong together. Readers see the old files or the new ones, never half of one: each is written
 * beside its place, flushed to disk, and moved there when all are complete. When something fails nothing is left behind.
 */
export async function writeFiles(files: readonly FileToWrite[]): Promise<WrittenFile[]> {
  const parts = files.map(({ path, fill }) => ({ path, fill, part: `${path}.${randomUUID()}.part` }));
  const written: WrittenFile[] = [];
  try {
    for (const { path, fill, part } of parts) written.push({ path, size: await writeOne(part, fill) });
    for (const { path, part } of parts) await rename(part, path);
  } catch (error) {
    await Promise.all(parts.map(({ part }) => rm(part, { force: true })));
    throw error;
  }
  return written;
}

async function writeOne(path: string, fill: FileToWrite['fill']): Promise<number> {
  const handle = await open(path, 'wx');
  let size = 0;
  try {
    await fill({
      write: async (bytes) => {
        await writeFully(handle, bytes);
        size += bytes.byteLength;
      },
    });
    await handle.sync();
  } finally {
    await handle.close();
  }
  return size;
}

async function writeFully(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.byteLength;) {
    const { bytesWritten } = await handle.write(bytes, done, Math.min(MAX_WRITE, bytes.byteLength - done));
    done += bytesWritten;
  }
}
