import { type FileHandle, open, realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { formatError } from '../formats/error.ts';
import { locationProblem } from '../formats/onnx/external.ts';
import type { OpenExternal } from '../formats/onnx/from-proto.ts';
import { checkRange } from '../formats/source.ts';
import type { ByteSource } from '../tensor.ts';

/** What one read call of the operating system takes. */
const MAX_READ = 1 << 30;

/**
 * A file as a source. The file is opened for each read, so that nothing has to be closed; a file that was replaced in
 * the meantime is an error, because offsets into it mean nothing any more.
 *
 * @throws GraphError `ANNEAL_E_FORMAT` when there is no such file.
 */
export async function fileSource(path: string): Promise<ByteSource> {
  const full = resolve(path);
  const unreadable = (error: unknown): never => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw formatError({ file: path }, 'there is no such file');
    throw formatError({ file: path }, 'the file cannot be read', { cause: error });
  };
  const { size, mtimeMs, ino } = await stat(full).then((facts) => {
    if (facts.isFile()) return facts;
    throw formatError({ file: path }, facts.isDirectory() ? 'this is a folder, not a file' : 'not a regular file');
  }, unreadable);
  return {
    name: path,
    size,
    path: full,
    async read(offset, length) {
      checkRange({ name: path, size }, offset, length);
      const handle = await open(full, 'r').catch(unreadable);
      try {
        const now = await handle.stat();
        if (now.size !== size || now.mtimeMs !== mtimeMs || now.ino !== ino) {
          throw formatError({ file: path, offset }, 'the file was replaced while it was in use');
        }
        return await readFully(handle, path, offset, length);
      } finally {
        await handle.close();
      }
    },
  };
}

async function readFully(handle: FileHandle, path: string, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length;) {
    const { bytesRead } = await handle.read(bytes, done, Math.min(MAX_READ, length - done), offset + done);
    if (bytesRead === 0) throw formatError({ file: path, offset: offset + done }, 'the file ends here: truncated?');
    done += bytesRead;
  }
  return bytes;
}

export interface ExternalFolderOptions {
  /**
   * Links may lead to files below this folder. @defaultValue the model's folder. A Hugging Face cache, whose snapshots
   * are links, needs the folder of the repository in the cache.
   */
  readonly root?: string | undefined;
}

/**
 * Opens external data of a model, but nothing outside its folder: neither by name (absolute, `..`) nor by a link.
 *
 * @throws GraphError `ANNEAL_E_FORMAT` when the file lies outside or is not there.
 */
export function externalFolder(folder: string, { root = folder }: ExternalFolderOptions = {}): OpenExternal {
  return async (location) => {
    const path = join(folder, location);
    const problem = locationProblem(location);
    if (problem !== undefined) throw formatError({ file: path }, `the external data cannot be used: ${problem}`);
    const [home, real] = await Promise.all([realpath(root), realpath(path)]).catch((error: unknown) => {
      throw formatError({ file: path }, 'the file with external data cannot be read', { cause: error });
    });
    const way = relative(home, real);
    if (way === '..' || way.startsWith(`..${sep}`) || isAbsolute(way)) {
      throw formatError({ file: path }, 'the external data is a link that leaves the folder of the model', {
        fix: 'copy the file into the folder, or say which folder links may lead to: { root }',
      });
    }
    return { ...(await fileSource(real)), name: path };
  };
}
