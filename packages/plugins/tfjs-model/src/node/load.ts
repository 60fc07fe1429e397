import { existsSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';

import { AnnealError } from '@anneal/core';
import type { ByteSource } from '@anneal/graph';
import { externalFolder, fileSource } from '@anneal/graph/node';

import { type Json, parseJson } from '../format/json.ts';
import { pathProblem } from '../format/weights.ts';
import { type ImportTfjsOptions, importTfjs, type TfjsModel } from '../import.ts';

/**
 * The `model.json` that `from` names: a file, a folder, or a path in an installed package.
 *
 * @throws AnnealError `ANNEAL_E_MODEL` when there is none.
 */
export function findTfjs(root: string, from: string): string {
  const tried = [resolve(root, from), ...inPackage(root, from)].flatMap((path) => {
    const isFile = statSync(path, { throwIfNoEntry: false })?.isFile() === true;
    return isFile ? [path] : [join(path, 'model.json')];
  });
  const found = tried.find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new AnnealError('ANNEAL_E_MODEL', `there is no model of TensorFlow.js: looked for ${tried.join(' and ')}`, {
    path: ['from'],
    file: tried[0],
    fix: 'give a model.json, a folder with one, or a path in an installed package',
  });
}

/** `@scope/name/path` in the folders where packages of the project are. */
function inPackage(root: string, from: string): readonly string[] {
  const [, name, rest] = /^((?:@[\w.-]+\/)?[\w-][\w.-]*)(?:\/(.*))?$/.exec(from) ?? [];
  if (name === undefined) return [];
  const folders = createRequire(join(root, 'package.json')).resolve.paths(name) ?? [];
  const home = folders.map((folder) => join(folder, name)).find((folder) => existsSync(folder));
  return home === undefined ? [] : [join(home, rest ?? '')];
}

/** The contents of model.json alone. */
export async function readTfjsJson(path: string): Promise<Json> {
  const source = await fileSource(path);
  return parseJson(path, await source.read(0, source.size));
}

/** The files that a model is made of: its `model.json`, and the weights beside it. */
export function filesOf(path: string, json: Json): readonly string[] {
  const manifest = json.get('weightsManifest');
  const groups = manifest.exists ? manifest.items() : [];
  const shards = groups.flatMap((group) =>
    group
      .get('paths')
      .items()
      .map((shard) => shard.string()),
  );
  return [
    path,
    ...shards.filter((shard) => pathProblem(shard) === undefined).map((shard) => join(dirname(path), shard)),
  ];
}

/** Reads a model whose weights lie beside its `model.json`, and nowhere else; see {@link importTfjs}. */
export async function loadTfjs(path: string, options: ImportTfjsOptions = {}): Promise<TfjsModel> {
  const open = externalFolder(dirname(path));
  return importTfjs(await fileSource(path), (shard): Promise<ByteSource> => open(shard), options);
}
