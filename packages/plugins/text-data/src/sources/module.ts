import { realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { resolve } from 'import-meta-resolve';
import type { AnnealError } from '@anneal/core';
import { problem } from '../problems.ts';
import type { RawRow } from './types.ts';

/** File that `module` means when it is imported from the folder `root`. */
export function resolveModule(module: string, root: string): string {
  try {
    return fileURLToPath(resolve(module, pathToFileURL(join(root, 'anneal.config.js')).href));
  } catch (cause) {
    throw notInstalled(module, root, cause);
  }
}

/** Folder of an installed package, found the way Node looks for packages; links are followed. */
export async function packageFolder(module: string, root: string): Promise<string> {
  const name = packageName(module);
  for (let folder = root; ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name);
    if (await exists(join(candidate, 'package.json'))) return await realpath(candidate);
    if (dirname(folder) === folder) throw notInstalled(module, root, undefined);
  }
}

/** `package.json` of the package that holds `file`, if there is one. */
export async function manifestOf(file: string): Promise<string | undefined> {
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    const manifest = join(folder, 'package.json');
    if (await exists(manifest)) return manifest;
    if (dirname(folder) === folder) return undefined;
  }
}

/** Records that the module at `entry` gives. */
export async function loadRecords(module: string, entry: string): Promise<readonly RawRow[]> {
  const exported = await valueOf(module, entry);
  if (!Array.isArray(exported) || !exported.every((row) => typeof row === 'object' && row !== null)) {
    throw problem('TEXT_DATA_E_MODULE_SHAPE', `module \`${module}\` must give an array of records`, {
      received: describe(exported),
      fix: 'name a module whose default export is an array of objects, or a function that returns one',
    });
  }
  return exported as RawRow[];
}

async function valueOf(module: string, entry: string): Promise<unknown> {
  try {
    const loaded = (await import(pathToFileURL(entry).href)) as { readonly default?: unknown };
    const exported = loaded.default;
    return typeof exported === 'function' ? await (exported as () => unknown)() : exported;
  } catch (cause) {
    throw problem('TEXT_DATA_E_MODULE_FAILED', `module \`${module}\` failed: ${messageOf(cause)}`, { cause });
  }
}

/** `@scope/name/part` → `@scope/name`. */
function packageName(module: string): string {
  return module
    .split('/')
    .slice(0, module.startsWith('@') ? 2 : 1)
    .join('/');
}

function notInstalled(module: string, root: string, cause: unknown): AnnealError {
  const isPath = module.startsWith('.') || module.startsWith('/');
  return problem('TEXT_DATA_E_MODULE_NOT_FOUND', `module \`${module}\` cannot be found from ${root}`, {
    fix: isPath ? 'check the path; it is relative to the config' : `install it: npm install ${packageName(module)}`,
    cause,
  });
}

function describe(value: unknown): string {
  if (!Array.isArray(value)) return value === null ? 'null' : typeof value;
  const index = value.findIndex((row) => typeof row !== 'object' || row === null);
  return `an array whose element ${index} is a ${value[index] === null ? 'null' : typeof value[index]}`;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
