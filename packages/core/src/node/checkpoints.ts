import { createHash } from 'node:crypto';
import { type FileHandle, open, rename, rm, utimes } from 'node:fs/promises';
import { dirname } from 'node:path';

import {
  bytesOf,
  type ByteSource,
  loadTensor,
  readSafetensors,
  tensor,
  type TensorData,
  writeSafetensors,
} from '@anneal/graph';
import { writeFiles } from '@anneal/graph/node';

import { makeFolder } from './folders.ts';
import type { Logger } from '../observe/logger.ts';
import type { Checkpoint, CheckpointStore } from '../train/checkpoint.ts';
import { codeOf, writeError } from './files.ts';
import { temporaryPath } from './host.ts';

const [STATE, BEST, PROGRESS] = ['state/', 'best/', 'progress'];

/**
 * A checkpoint as one safetensors file, so that weights and progress are always of the same step, whoever else writes.
 * Replaced as a whole; one that cannot be read is said, and training starts over.
 */
export function checkpointFile(path: string, logger: Logger): CheckpointStore {
  return {
    read: async <P>(): Promise<Checkpoint<P> | undefined> => {
      try {
        const tensors = await readChecked(path);
        const { data } = tensors.get(PROGRESS) as TensorData;
        const progress = JSON.parse(new TextDecoder().decode(data as Uint8Array)) as P;
        const under = (prefix: string): Record<string, TensorData> =>
          Object.fromEntries(
            [...tensors]
              .filter(([name]) => name.startsWith(prefix))
              .map(([name, value]) => [name.slice(prefix.length), value]),
          );
        const best = under(BEST);
        // The time of last use decides what a size limit removes first.
        await utimes(path, new Date(), new Date()).catch(() => undefined);
        return { progress, state: under(STATE), best: Object.keys(best).length > 0 ? best : undefined };
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return undefined;
        const reason = error instanceof Error ? error.message : String(error);
        logger.warn(`The checkpoint ${path} cannot be read (${reason}); training starts over`);
        return undefined;
      }
    },
    write: async ({ progress, state, best = {} }) => {
      const json = new TextEncoder().encode(JSON.stringify(progress));
      const tensors = new Map<string, TensorData>([
        [PROGRESS, tensor('uint8', [json.length], json)],
        ...Object.entries(state).map(([name, value]) => [STATE + name, value] as const),
        ...Object.entries(best).map(([name, value]) => [BEST + name, value] as const),
      ]);
      const metadata = { sha256: digestOf(tensors) };
      try {
        await makeFolder(dirname(path));
        // A name that says who is at work on it: what a build that was killed leaves is told from what is being written.
        const draft = temporaryPath(path);
        await writeFiles([{ path: draft, fill: (writer) => writeSafetensors(tensors, writer, { metadata }) }]);
        await rename(draft, path);
      } catch (error) {
        throw writeError(path, error);
      }
    },
    remove: () => rm(path, { force: true }),
  };
}

/** @throws Error when the bytes are not those that were written: training would go on from wrong weights. */
async function readChecked(path: string): Promise<ReadonlyMap<string, TensorData>> {
  const handle = await open(path, 'r');
  try {
    const { tensors, metadata } = await readSafetensors(await sourceOf(path, handle));
    const loaded = new Map<string, TensorData>();
    for (const [name, lazy] of tensors) loaded.set(name, await loadTensor(lazy));
    if (digestOf(loaded) !== metadata['sha256']) throw new Error('its contents have changed');
    return loaded;
  } finally {
    await handle.close();
  }
}

/** What one read call of the operating system takes. */
const MAX_READ = 1 << 30;

/** The file that was opened, also when another build puts its own checkpoint in its place meanwhile. */
async function sourceOf(name: string, handle: FileHandle): Promise<ByteSource> {
  const { size } = await handle.stat();
  return {
    name,
    size,
    read: async (offset, length) => {
      const bytes = new Uint8Array(length);
      for (let done = 0; done < length;) {
        const { bytesRead } = await handle.read(bytes, done, Math.min(MAX_READ, length - done), offset + done);
        if (bytesRead === 0) throw new Error(`it ends at byte ${offset + done}`);
        done += bytesRead;
      }
      return bytes;
    },
  };
}

function digestOf(tensors: ReadonlyMap<string, TensorData>): string {
  const hash = createHash('sha256');
  for (const name of [...tensors.keys()].toSorted()) hash.update(name).update(bytesOf(tensors.get(name) as TensorData));
  return hash.digest('hex');
}
