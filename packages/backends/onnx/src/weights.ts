import { type FileHandle, link, open, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { byteLengthOf, bytesOf, type ByteSource, GraphError, isLazy, type TensorSource } from '@anneal/graph';
import type { SessionFolder } from './session-folder.ts';

/** Where a tensor's bytes are, relative to the session folder. */
export interface Place {
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

/** The places of one program's tensors. */
export interface Lease {
  find(tensor: TensorSource): Place | undefined;
  /** Says that the program is gone; a file that no program needs any more is removed. */
  release(): Promise<void>;
}

/** Pages are mapped whole, on Windows by 64 KiB: tensors do not share one. */
const ALIGNMENT = 65_536;
const CHUNK = 16 * 2 ** 20;

interface WeightFile {
  readonly name: string;
  readonly path: string;
  users: number;
  removed: boolean;
}

/**
 * Weights as files that ONNX Runtime maps into memory. A tensor is written once, however many programs use it, and one
 * that lies in a file already is used where it is, through a hard link: the runtime reads nothing outside its folder.
 */
export class WeightStore {
  readonly #folder: SessionFolder;
  readonly #written = new WeakMap<TensorSource, { readonly file: WeightFile; readonly offset: number }>();
  readonly #links = new WeakMap<ByteSource, WeightFile | 'impossible'>();
  #counter = 0;
  /** Programs that compile at the same time must not write the same tensor twice. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(folder: SessionFolder) {
    this.#folder = folder;
  }

  /** Makes every tensor available as (part of) a file. @throws GraphError `ANNEAL_E_BACKEND` when it cannot be written. */
  place(tensors: readonly TensorSource[]): Promise<Lease> {
    const lease = this.#last.then(() => this.#place(tensors));
    this.#last = lease.catch(() => undefined);
    return lease;
  }

  async #place(tensors: readonly TensorSource[]): Promise<Lease> {
    const places = new Map<TensorSource, Place>();
    const files = new Set<WeightFile>();
    const use = (tensor: TensorSource, file: WeightFile, offset: number): void => {
      places.set(tensor, { location: file.name, offset, length: byteLengthOf(tensor.dtype, tensor.shape) });
      if (files.has(file)) return;
      files.add(file);
      file.users += 1;
    };
    const missing = new Set<TensorSource>();
    for (const tensor of tensors) {
      const found = this.#written.get(tensor);
      const linked = isLazy(tensor) ? await this.#link(tensor.source) : undefined;
      if (isLazy(tensor) && linked !== undefined) use(tensor, linked, tensor.offset);
      else if (found !== undefined && !found.file.removed) use(tensor, found.file, found.offset);
      else missing.add(tensor);
    }
    if (missing.size > 0) {
      const file = this.#file('weights');
      const offsets = await write(file.path, [...missing]).catch(async (error: unknown) => {
        await this.#release(files);
        throw error;
      });
      for (const [tensor, offset] of offsets) {
        this.#written.set(tensor, { file, offset });
        use(tensor, file, offset);
      }
    }
    return { find: (tensor) => places.get(tensor), release: () => this.#release(files) };
  }

  async #release(files: Set<WeightFile>): Promise<void> {
    const unused = [...files].filter((file) => --file.users === 0);
    files.clear();
    for (const file of unused) {
      file.removed = true;
      // Windows keeps a mapped file; it goes with the folder.
      await rm(file.path, { force: true }).catch(() => undefined);
    }
  }

  /** A hard link to the file behind a source, where the file system can. */
  async #link(source: ByteSource): Promise<WeightFile | undefined> {
    const known = this.#links.get(source);
    if (source.path === undefined || known === 'impossible') return undefined;
    if (known !== undefined && !known.removed) return known;
    const file = this.#file('link');
    try {
      // A model hub's cache holds symbolic links, and a link to one of those would lead out of the folder.
      await link(await realpath(source.path), file.path);
    } catch {
      // Another file system, or one without hard links: the bytes are copied instead.
      this.#links.set(source, 'impossible');
      return undefined;
    }
    this.#links.set(source, file);
    return file;
  }

  #file(kind: string): WeightFile {
    const name = `${kind}-${this.#counter++}.bin`;
    return { name, path: join(this.#folder.open(), name), users: 0, removed: false };
  }
}

async function write(path: string, tensors: readonly TensorSource[]): Promise<Map<TensorSource, number>> {
  const offsets = new Map<TensorSource, number>();
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'wx', 0o600);
    let end = 0;
    for (const tensor of tensors) {
      offsets.set(tensor, end);
      const length = await writeTensor(file, tensor, end);
      end = Math.ceil((end + length) / ALIGNMENT) * ALIGNMENT;
    }
  } catch (error) {
    if (file !== undefined) await rm(path, { force: true });
    throw cannotWrite(path, error);
  } finally {
    await file?.close();
  }
  return offsets;
}

async function writeTensor(file: FileHandle, tensor: TensorSource, position: number): Promise<number> {
  const length = byteLengthOf(tensor.dtype, tensor.shape);
  for (let at = 0; at < length; at += CHUNK) {
    const size = Math.min(CHUNK, length - at);
    const bytes = isLazy(tensor)
      ? await tensor.source.read(tensor.offset + at, size)
      : bytesOf(tensor).subarray(at, at + size);
    await writeAll(file, bytes, position + at);
  }
  return length;
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

function cannotWrite(path: string, cause: unknown): unknown {
  if (cause instanceof GraphError) return cause;
  const { code, message } = cause as NodeJS.ErrnoException;
  return new GraphError('ANNEAL_E_BACKEND', `cannot write the weights to ${path}: ${message}`, {
    fix: code === 'ENOSPC' ? 'free some space there, or set `tempFolder` to another disk' : 'set `tempFolder`',
    at: { file: path },
    cause,
  });
}
