import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import type { PublicExplorer } from 'cosmiconfig';

import { AnnealError, isAnnealError } from '../errors/error.ts';
import { suggest } from '../errors/suggest.ts';
import { importFile, installCommand, isPath, resolveModule } from './modules.ts';

const EXTENSIONS = ['ts', 'mts', 'mjs', 'js', 'json', 'yaml', 'yml'] as const;

/** Names that a config may have, in the order in which they are looked for. */
export const CONFIG_FILES: readonly string[] = [
  ...EXTENSIONS.map((extension) => `anneal.config.${extension}`),
  'package.json',
];

/** A file's content before functions are called and promises awaited. */
export interface RawConfig {
  /** Absolute. */
  readonly file: string;
  readonly value: unknown;
}

const loadDefault = async (file: string): Promise<unknown> => (await importFile(file))['default'];

async function explorer(): Promise<PublicExplorer> {
  const { cosmiconfig } = await import('cosmiconfig');
  const code = { '.ts': loadDefault, '.mts': loadDefault, '.mjs': loadDefault, '.js': loadDefault };
  return cosmiconfig('anneal', {
    searchPlaces: [...CONFIG_FILES],
    searchStrategy: 'project',
    ignoreEmptySearchPlaces: false,
    cache: false,
    loaders: code,
  });
}

/** A plugin's own package.json says what it is under the same key: `"anneal": { "plugin": true }`. */
const describesPlugin = (file: string, value: unknown): boolean =>
  basename(file) === 'package.json' &&
  typeof value === 'object' &&
  value !== null &&
  (value as { plugin?: unknown }).plugin === true;

function loadError(error: unknown, file: string | undefined): AnnealError {
  if (isAnnealError(error)) return error;
  const path = (error as { filepath?: string } | undefined)?.filepath ?? file;
  const parsed = path !== undefined && /\.(json|ya?ml)$/.test(path);
  return new AnnealError(
    'ANNEAL_E_CONFIG_LOAD',
    parsed ? 'the config file cannot be parsed' : 'the config file threw while it was loaded',
    { file: path, cause: error },
  );
}

const nothing = (file: string): AnnealError =>
  new AnnealError('ANNEAL_E_CONFIG_LOAD', 'the config file has no config in it', {
    file,
    fix: /\.(json|ya?ml)$/.test(file)
      ? basename(file) === 'package.json'
        ? 'add an `anneal` key'
        : 'write an object, at least {}'
      : 'end it with `export default defineConfig({ … })`',
  });

/**
 * Looks for a config from `cwd` upwards to the folder of the nearest package.json.
 *
 * @throws AnnealError `ANNEAL_E_CONFIG_NOT_FOUND`, `ANNEAL_E_CONFIG_LOAD`
 */
export async function findConfig(cwd: string): Promise<RawConfig> {
  const found = await (await explorer()).search(cwd).catch((error: unknown) => {
    throw loadError(error, undefined);
  });
  if (found === null || describesPlugin(found.filepath, found.config)) {
    throw new AnnealError('ANNEAL_E_CONFIG_NOT_FOUND', `no config found from ${cwd} upwards`, {
      fix: `run \`anneal init\`, or write one of: ${CONFIG_FILES.slice(0, -1).join(', ')}, or an \`anneal\` key in package.json`,
    });
  }
  if (found.isEmpty === true) throw nothing(found.filepath);
  return { file: found.filepath, value: found.config };
}

/**
 * Reads one config file.
 *
 * @throws AnnealError `ANNEAL_E_CONFIG_NOT_FOUND`, `ANNEAL_E_CONFIG_LOAD`
 */
export async function readConfig(file: string): Promise<RawConfig> {
  if (!existsSync(file)) {
    const folder = dirname(file);
    const near = existsSync(folder) ? suggest(basename(file), readdirSync(folder)) : undefined;
    throw new AnnealError('ANNEAL_E_CONFIG_NOT_FOUND', 'the config file does not exist', {
      file,
      fix: near === undefined ? 'give the path of a file that exists' : `use ${relative('.', join(folder, near))}`,
    });
  }
  if (!EXTENSIONS.some((extension) => file.endsWith(`.${extension}`))) {
    throw new AnnealError('ANNEAL_E_CONFIG_LOAD', `a config file cannot be a ${basename(file)}`, {
      file,
      fix: `use one of: ${EXTENSIONS.map((extension) => `.${extension}`).join(', ')}`,
    });
  }
  const found = await (await explorer()).load(file).catch((error: unknown) => {
    throw loadError(error, file);
  });
  if (found === null || found.isEmpty === true) throw nothing(file);
  return { file: found.filepath, value: found.config };
}

/**
 * The file that `extends: name` in a config in `folder` means.
 *
 * @throws AnnealError `ANNEAL_E_CONFIG_NOT_FOUND`
 */
export async function findBase(name: string, folder: string, file: string | undefined): Promise<string> {
  if (isPath(name)) return name.startsWith('file:') ? fileURLToPath(name) : resolve(folder, name);
  const url = await resolveModule(name, folder);
  if (url !== undefined) return fileURLToPath(url);
  const isFile = existsSync(join(folder, name));
  throw new AnnealError(
    'ANNEAL_E_CONFIG_NOT_FOUND',
    `\`extends\` names ${JSON.stringify(name)}, which is not installed`,
    {
      path: ['extends'],
      file,
      fix: isFile ? `write \`./${name}\` for the file beside the config` : `run \`${installCommand(name, folder)}\``,
    },
  );
}
