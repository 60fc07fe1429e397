import { readFile } from 'node:fs/promises';

import { type Backend, type TensorData, zeros } from '@anneal/graph';

import type { BackendFactory, OpenBackendOptions } from '../config/types.ts';
import { loadModel } from '../node/codec.ts';
import { importFile } from '../node/resolve.ts';

/** A process of its own: loads a model, runs it once, and tells its peak resident memory in MiB. */
const ROWS = 1;
const LENGTH = 128;

interface Job {
  readonly folder: string;
  readonly backend: string;
  readonly options: OpenBackendOptions;
}

async function main(jobFile: string): Promise<number> {
  const { folder, backend: file, options } = JSON.parse(await readFile(jobFile, 'utf8')) as Job;
  const { openBackend } = (await importFile(file)) as { openBackend: BackendFactory };
  const backend: Backend = await openBackend(options);
  const { graph } = await loadModel(folder, 'model');
  const program = await backend.compile(graph, { purpose: 'inference' });
  const feeds: Record<string, TensorData> = {};
  for (const [name, value] of graph.inputs) {
    feeds[name] = zeros(
      value.dtype,
      value.shape.map((dim) => (typeof dim === 'number' ? dim : dim === 'batch' ? ROWS : LENGTH)),
    );
  }
  await program.run(feeds);
  const { peakRssBytes = Number.NaN } = await backend.memory();
  await backend.close();
  return peakRssBytes / 2 ** 20;
}

process.send?.(await main(process.argv[2] as string), () => {
  process.disconnect();
});
