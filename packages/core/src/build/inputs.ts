import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

import { CONFIG_FILES } from '../config/files.ts';
import type { LoadOptions } from '../config/load.ts';
import type { ResolvedConfig } from '../config/types.ts';
import { importsOf, sourcesOf } from '../node/package-code.ts';
import type { StageSetup } from './setup.ts';

/**
 * Files that the search for a config looks at, and what the config imports: known even when it cannot be loaded. Files
 * need not exist.
 */
export async function configInputs({ cwd = '.', file }: Pick<LoadOptions, 'cwd' | 'file'> = {}): Promise<
  readonly string[]
> {
  const folder = resolve(process.cwd(), cwd);
  const names = file === undefined ? placesFrom(folder) : [resolve(folder, file)];
  const found = new Set(names);
  const config = names.find((name) => existsSync(name) && /\.[cm]?[jt]s$/.test(name));
  if (config !== undefined) for (const path of await importsOf(config)) found.add(path);
  return [...found];
}

/** Names that a config may have, from a folder up to that of the nearest package.json. */
function placesFrom(folder: string): readonly string[] {
  const places: string[] = [];
  for (let at = folder; ; at = dirname(at)) {
    places.push(...CONFIG_FILES.map((name) => join(at, name)));
    if (existsSync(join(at, 'package.json')) || dirname(at) === at) return places;
  }
}

/** Files and folders that the results of stages depend on. */
export async function inputsOf(config: ResolvedConfig, stages: readonly StageSetup[]): Promise<readonly string[]> {
  const found = new Set<string>();
  for (const { file } of config.layers) {
    if (file !== undefined) for (const path of await importsOf(file)) found.add(path);
  }
  for (const { plugin, dependencies } of stages.flatMap(({ plugins }) => plugins)) {
    for (const path of dependencies) found.add(resolve(config.root, path));
    if (plugin.source === undefined) continue;
    const source = plugin.source.startsWith('file:') ? fileURLToPath(plugin.source) : plugin.source;
    for (const path of await sourcesOf(source, config.root).catch(() => [])) found.add(path);
  }
  return [...found];
}
