import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { openStage } from '@anneal/core';
import { loadTensor, memoryWriter, referenceBackend, type TensorSource, writeSafetensors } from '@anneal/graph';
import { adapterFolder, lora } from '@anneal/plugin-lora';
import * as adapters from '@anneal/plugin-lora/node';
import { textClassification } from '@anneal/plugin-text-classification';
import { tokenizer } from '@anneal/plugin-tokenizer';
import { checkpointTensors, transformer } from '@anneal/plugin-transformer';
import * as checkpoints from '@anneal/plugin-transformer/node';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { serve, type Server } from './serve.ts';

// What pages get of the plugins that read files, run here: their `fetch` is that of Node.
type Bundled = Pick<typeof checkpoints, 'openCheckpoint'> & Pick<typeof adapters, 'openAdapter'>;
let folder: string;
let server: Server;
let page: Bundled;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'anneal-by-url-'));
  const rows = ['one two', 'two three', 'three four', 'four five'].map((text, i) => ({ text, label: `l${i % 2}` }));
  const { model, task } = await openStage({
    backend: referenceBackend(),
    plugins: [
      tokenizer({ vocabSize: 300 }),
      transformer({ hiddenSize: 8, numHiddenLayers: 1, numAttentionHeads: 2, intermediateSize: 16 }),
      textClassification(),
      lora({ r: 2 }),
    ],
    dataset: { splits: { train: rows }, report: { rowsIn: 4, dropped: {}, samples: [], splits: {} } },
  });
  for (const [name, data] of (await adapterFolder(model.graph, {}, task.kind)) ?? []) await put('adapter', name, data);
  const writer = memoryWriter();
  await writeSafetensors(await checkpointTensors(model), writer);
  await put('model', 'model.safetensors', writer.bytes());
  await put('model', 'config.json', JSON.stringify(model.config));
  server = await serve(folder);
  const { outputFiles } = await build({
    stdin: {
      contents: `
        export { openCheckpoint } from '@anneal/plugin-transformer/node';
        export { openAdapter } from '@anneal/plugin-lora/node';`,
      resolveDir: import.meta.dirname,
    },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    conditions: ['@anneal/source'],
  });
  await put('.', 'page.mjs', outputFiles[0]?.contents ?? '');
  page = (await import(pathToFileURL(join(folder, 'page.mjs')).href)) as Bundled;
});

afterAll(async () => {
  server.close();
  await rm(folder, { recursive: true, force: true });
});

async function put(dir: string, name: string, data: string | Uint8Array): Promise<void> {
  await mkdir(join(folder, dir), { recursive: true });
  await writeFile(join(folder, dir, name), data);
}

async function values(
  tensors: ReadonlyMap<string, TensorSource>,
): Promise<Readonly<Record<string, readonly number[]>>> {
  const all: Record<string, readonly number[]> = {};
  for (const [name, source] of tensors) all[name] = Array.from((await loadTensor(source)).data, Number);
  return all;
}

it('a page reads the checkpoint that Node reads', async () => {
  const [here, there] = [
    await checkpoints.openCheckpoint(join(folder, 'model')),
    await page.openCheckpoint(`${server.url}model`),
  ];
  expect(there.config).toEqual(here.config);
  expect(await values(there.tensors)).toEqual(await values(here.tensors));
  expect(here.tensors.size).toBeGreaterThan(20);
});

it('a page reads the adapter that Node reads', async () => {
  const [here, there] = [
    await adapters.openAdapter(join(folder, 'adapter')),
    await page.openAdapter(`${server.url}adapter`),
  ];
  expect(there.config).toEqual(here.config);
  expect(await values(there.tensors)).toEqual(await values(here.tensors));
  expect(here.tensors.size).toBeGreaterThan(4);
});

it('a page says which file is missing', async () => {
  const error = await page.openCheckpoint(`${server.url}nothing`).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'ANNEAL_E_MODEL', file: `${server.url}nothing/config.json` });
  const none = await page.openAdapter(`${server.url}nothing`).catch((thrown: unknown) => thrown);
  expect(none).toMatchObject({ code: 'ANNEAL_E_MODEL', message: expect.stringContaining('no such file') as string });
});
