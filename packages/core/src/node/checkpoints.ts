import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { loadTensor, readSafetensors, type TensorData, writeSafetensors } from '@anneal/graph';
import { fileSource, writeFiles } from '@anneal/graph/node';

import type { Logger } from '../observe/logger.ts';
import type { Checkpoint, CheckpointStore } from '../train/checkpoint.ts';
import { writeFolder } from './files.ts';

const TENSORS = 'tensors.safetensors';
const PROGRESS = 'progress.json';
const [STATE, BEST] = ['state/', 'best/'];

type Named = Readonly<Record<string, TensorData>>;

/** A checkpoint as a folder, replaced as a whole. One that cannot be read is said and training starts over. */
export function checkpointFolder(folder: string, logger: Logger): CheckpointStore {
  return {
    read: async <P>(): Promise<Checkpoint<P> | undefined> => {
      try {
        const progress = JSON.parse(await readFile(join(folder, PROGRESS), 'utf8')) as P;
        const { tensors } = await readSafetensors(await fileSource(join(folder, TENSORS)));
        const under = async (prefix: string): Promise<Record<string, TensorData>> => {
          const entries: Record<string, TensorData> = {};
          for (const [name, lazy] of tensors) {
            if (name.startsWith(prefix)) entries[name.slice(prefix.length)] = await loadTensor(lazy);
          }
          return entries;
        };
        const best = await under(BEST);
        return { progress, state: await under(STATE), best: Object.keys(best).length > 0 ? best : undefined };
      } catch (error) {
        if ((error as { code?: string }).code !== 'ENOENT') {
          logger.warn(`The checkpoint in ${folder} cannot be read (${String(error)}); training starts over`);
        }
        return undefined;
      }
    },
    write: ({ progress, state, best = {} }) =>
      writeFolder(folder, async (temporary) => {
        const tensors = new Map<string, TensorData>([...under(STATE, state), ...under(BEST, best)]);
        await writeFiles([{ path: join(temporary, TENSORS), fill: (writer) => writeSafetensors(tensors, writer) }]);
        await writeFile(join(temporary, PROGRESS), JSON.stringify(progress));
      }),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

function under(prefix: string, tensors: Named): [string, TensorData][] {
  return Object.entries(tensors).map(([name, data]) => [prefix + name, data]);
}
