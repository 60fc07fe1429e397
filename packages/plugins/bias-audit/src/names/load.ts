import { access } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import type { AnnealError } from '@anneal/core';
import { resolve } from 'import-meta-resolve';

import type { NameSource } from '../options.ts';
import { problem } from '../problems.ts';

/** A module of names, found but not loaded. */
export interface NameModule {
  /** As the options name it. */
  readonly name: string;
  /** Absolute path of its entry. */
  readonly file: string;
  /** File by which a change of the names is noticed: `package.json` of a package, the module itself elsewhere. */
  readonly witness: string;
}

/** Names, or the module that has them. */
export type FoundSource = { readonly names: readonly string[] } | { readonly module: NameModule };

/**
 * Finds the sources of the groups, from the folder of the config.
 *
 * @throws AnnealError `BIAS_AUDIT_E_MODULE_NOT_FOUND`
 */
export async function findSources(
  groups: Readonly<Record<string, NameSource>>,
  root: string,
): Promise<ReadonlyMap<string, FoundSource>> {
  const found = new Map<string, FoundSource>();
  for (const [group, source] of Object.entries(groups)) {
    found.set(
      group,
      typeof source === 'string' ? { module: await findModule(group, source, root) } : { names: source },
    );
  }
  return found;
}

async function findModule(group: string, name: string, root: string): Promise<NameModule> {
  let file: string;
  try {
    file = fileURLToPath(resolve(name, pathToFileURL(join(root, 'anneal.config.js')).href));
    await access(file);
  } catch (cause) {
    throw notFound(group, name, root, cause);
  }
  const manifest = /^[./]/.test(name) ? undefined : await manifestOf(file);
  return { name, file, witness: manifest ?? file };
}

/** `package.json` of the package that holds `file`. */
async function manifestOf(file: string): Promise<string | undefined> {
  for (let folder = dirname(file); dirname(folder) !== folder; folder = dirname(folder)) {
    const manifest = join(folder, 'package.json');
    const exists = await access(manifest).then(
      () => true,
      () => false,
    );
    if (exists) return manifest;
  }
  return undefined;
}

/**
 * The names that a source gives.
 *
 * @throws AnnealError `BIAS_AUDIT_E_MODULE_FAILED`, `BIAS_AUDIT_E_MODULE_SHAPE`
 */
export async function loadNames(group: string, source: FoundSource): Promise<readonly string[]> {
  if ('names' in source) return source.names;
  const { name, file } = source.module;
  const value = await valueOf(group, name, file);
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value as string[];
  throw problem('BIAS_AUDIT_E_MODULE_SHAPE', `\`${name}\` must give an array of strings, received ${kindOf(value)}`, {
    path: ['groups', group],
    file,
    fix: 'name a module whose default export is an array of first names, or a function that returns one',
  });
}

async function valueOf(group: string, name: string, file: string): Promise<unknown> {
  try {
    const { default: exported } = (await import(pathToFileURL(file).href)) as { readonly default?: unknown };
    return typeof exported === 'function' ? await (exported as () => unknown)() : exported;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw problem('BIAS_AUDIT_E_MODULE_FAILED', `\`${name}\` failed: ${reason}`, {
      path: ['groups', group],
      file,
      cause,
    });
  }
}

function notFound(group: string, name: string, root: string, cause: unknown): AnnealError {
  const isPath = /^[./]/.test(name);
  const parts = name.split('/').slice(0, name.startsWith('@') ? 2 : 1);
  return problem('BIAS_AUDIT_E_MODULE_NOT_FOUND', `\`${name}\` cannot be found from ${root}`, {
    path: ['groups', group],
    fix: isPath ? 'check the path; it is relative to the config' : `install it: npm install ${parts.join('/')}`,
    cause,
  });
}

function kindOf(value: unknown): string {
  if (!Array.isArray(value)) return value === null ? 'null' : typeof value;
  const index = value.findIndex((item) => typeof item !== 'string');
  return `an array whose element ${index} is a ${typeof value[index]}`;
}
