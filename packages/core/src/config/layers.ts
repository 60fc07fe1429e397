import { realpathSync } from 'node:fs';
import { basename, dirname, relative } from 'node:path';

import { AnnealError, isAnnealError } from '../errors/error.ts';
import { throwAll } from '../errors/throw-all.ts';
import { received, validateWith } from './issues.ts';
import { findBase, type RawConfig, readConfig } from './files.ts';
import { isFields, leaves } from './merge.ts';
import { userSchema } from './schema.ts';
import type { ConfigEnv, ConfigLayer, UserConfig } from './types.ts';

/** A layer whose plugins are still as written, with the folder that their names are looked up from. */
export interface SourceLayer extends ConfigLayer {
  readonly folder: string;
  /** Path in the file at which the layer's values stand: `['env', 'development']`. */
  readonly prefix: readonly string[];
}

const realFile = (file: string): string => {
  try {
    return realpathSync(file);
  } catch {
    return file;
  }
};

const omit = (fields: Readonly<Record<string, unknown>>, key: string): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(fields).filter(([name]) => name !== key));

/** Calls a config function, awaits a promise. */
async function open(raw: RawConfig | { file: undefined; value: unknown }, env: ConfigEnv): Promise<unknown> {
  try {
    const value = await raw.value;
    return typeof value === 'function' ? await (value as (env: ConfigEnv) => unknown)(env) : value;
  } catch (cause) {
    if (isAnnealError(cause)) throw cause;
    throw new AnnealError('ANNEAL_E_CONFIG_LOAD', 'the config function threw', { file: raw.file, cause });
  }
}

interface Collected {
  readonly layers: readonly SourceLayer[];
  readonly errors: readonly AnnealError[];
}

async function collect(
  raw: RawConfig | { readonly file: undefined; readonly value: unknown },
  folder: string,
  env: ConfigEnv,
  stack: readonly string[],
): Promise<Collected> {
  const { file } = raw;
  const opened = await open(raw, env);
  // Editors find the JSON Schema of a file by this key.
  const value = isFields(opened) && typeof opened['$schema'] === 'string' ? omit(opened, '$schema') : opened;
  if (!isFields(value)) {
    const message = `the config must be an object, a promise of one or a function that returns one, ${received(value)}`;
    return { layers: [], errors: [new AnnealError('ANNEAL_E_CONFIG', message, { file })] };
  }
  const result = await validateWith(userSchema, value, { noun: '' });
  const errors =
    'problems' in result
      ? result.problems.map(
          ({ message, path, fix }) => new AnnealError('ANNEAL_E_CONFIG', message, { path, file, fix }),
        )
      : [];
  const { extends: bases = [], env: modes, ...own } = value as UserConfig;
  const layers: SourceLayer[] = [];
  const also: AnnealError[] = [];
  // With a wrong `extends` there is nothing to follow; its error is already in the list.
  const names = typeof bases === 'string' ? [bases] : Array.isArray(bases) ? (bases as readonly unknown[]) : [];
  for (const name of names) {
    if (typeof name !== 'string' || name === '') continue;
    const inner = await base(name, folder, file, env, stack).catch((error: unknown) => {
      if (!isAnnealError(error)) throw error;
      return { layers: [], errors: [error] };
    });
    layers.push(...inner.layers);
    also.push(...inner.errors);
  }
  const name = file === undefined ? 'config' : relativeName(file, stack);
  layers.push({ name, file, folder, prefix: [], values: own });
  const override = isFields(modes) ? modes[env.mode] : undefined;
  if (isFields(override)) {
    layers.push({ name: `${name} (env.${env.mode})`, file, folder, prefix: ['env', env.mode], values: override });
  }
  return { layers, errors: [...errors, ...also] };
}

const relativeName = (file: string, stack: readonly string[]): string => {
  const root = stack[0];
  return root === undefined || root === file ? basename(file) : relative(dirname(root), file);
};

async function base(
  name: string,
  folder: string,
  from: string | undefined,
  env: ConfigEnv,
  stack: readonly string[],
): Promise<Collected> {
  const file = await findBase(name, folder, from);
  const id = realFile(file);
  if (stack.includes(id)) {
    const cycle = [...stack.slice(stack.indexOf(id)), id].map((path) => basename(path)).join(' → ');
    throw new AnnealError('ANNEAL_E_CONFIG', `\`extends\` has a cycle: ${cycle}`, {
      path: ['extends'],
      file: from,
      fix: 'let one of them stand alone',
    });
  }
  return collect(await readConfig(file), dirname(file), env, [...stack, id]);
}

/**
 * A config and all that it extends as layers, lowest first: bases, then the file, each followed by its overrides for
 * the mode.
 *
 * @throws AnnealError with every problem of every layer
 */
export async function collectLayers(
  raw: RawConfig | { readonly file: undefined; readonly value: unknown },
  folder: string,
  env: ConfigEnv,
): Promise<readonly SourceLayer[]> {
  const stack = raw.file === undefined ? [] : [realFile(raw.file)];
  const { layers, errors } = await collect(raw, folder, env, stack);
  throwAll(errors);
  return layers;
}

/** A value of the config and the layer that it came from. */
export interface ConfigOrigin {
  /** Keys from the top. */
  readonly path: readonly string[];
  /** What holds in the end. */
  readonly value: unknown;
  /** Name of the layer. */
  readonly source: string;
}

/** Every value that is in force, with its source, in the order of the layers. `plugins` of all layers are listed. */
export function explainConfig(layers: readonly ConfigLayer[]): readonly ConfigOrigin[] {
  const found = new Map<string, ConfigOrigin>();
  const id = (path: readonly string[]): string => path.join('\0');
  for (const layer of layers) {
    for (const [path, value] of leaves(layer.values)) {
      if (path.at(-1) === 'plugins' && Array.isArray(value)) {
        found.set(`${id(path)}\0${layer.name}`, { path, value, source: layer.name });
        continue;
      }
      // A value replaces everything that stood below it, and an object the value that stood above it.
      const own = id(path);
      for (const key of found.keys()) {
        if (key.startsWith(`${own}\0`) || own.startsWith(`${key}\0`)) found.delete(key);
      }
      found.set(own, { path, value, source: layer.name });
    }
  }
  return [...found.values()];
}
