import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';

/**
 * What Node's own type stripping cannot do, and jiti can: enums, imports without an extension, TypeScript below
 * node_modules. All of them are found before any code runs, so that trying again runs nothing twice.
 */
const BEYOND_STRIPPING = new Set([
  'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX',
  'ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING',
  'ERR_UNKNOWN_FILE_EXTENSION',
  'ERR_MODULE_NOT_FOUND',
  'ERR_UNSUPPORTED_DIR_IMPORT',
]);

type Namespace = Readonly<Record<string, unknown>>;

const codeOf = (error: unknown): string | undefined =>
  error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;

async function importWithJiti(file: string): Promise<Namespace> {
  const { createJiti } = await import('jiti');
  // Entries are named by a hash of the source. Never in the temporary folder, where others could write.
  const fsCache = nodeModules(dirname(file)) ?? false;
  return createJiti(pathToFileURL(file).href, { fsCache }).import<Namespace>(file);
}

/** Cache folder in the nearest node_modules, which is a place for derived files. */
function nodeModules(folder: string): string | undefined {
  const found = join(folder, 'node_modules');
  if (existsSync(found)) return join(found, '.cache', 'anneal');
  return dirname(folder) === folder ? undefined : nodeModules(dirname(folder));
}

/** Imports a file, by absolute path or URL, TypeScript included, on every Node that Anneal supports. */
export async function importFile(place: string | URL): Promise<Namespace> {
  const file = typeof place === 'string' && !place.startsWith('file:') ? place : fileURLToPath(place);
  const native = (): Promise<Namespace> => import(/* @vite-ignore */ pathToFileURL(file).href) as Promise<Namespace>;
  if (!/\.[mc]?ts$/.test(file)) return native();
  // Node 22.18 and later; older types do not know it.
  if (!(process.features as { typescript?: unknown }).typescript) return importWithJiti(file);
  try {
    return await native();
  } catch (error) {
    if (!BEYOND_STRIPPING.has(codeOf(error) ?? '')) throw error;
    return importWithJiti(file);
  }
}

/** Whether a name in a config is a path and not a package. */
export const isPath = (name: string): boolean =>
  /^(\.{0,2}[\\/]|[a-z]:[\\/]|file:)/i.test(name) || /^\.{1,2}$/.test(name);

/** Conditions that this process was started with (`--conditions`), so that files found here are those it would import. */
function conditions(): Set<string> {
  const args = [...process.execArgv, ...(process.env['NODE_OPTIONS'] ?? '').split(/\s+/)];
  const own = args.flatMap((arg, i) => {
    const [flag, value] = arg.split('=', 2);
    return flag === '--conditions' || flag === '-C' ? [value ?? args[i + 1] ?? ''] : [];
  });
  return new Set(['node', 'import', 'module-sync', ...own.filter((name) => name !== '')]);
}

/** URL of the file that importing `name` from a file in `folder` would load; `undefined` when there is none. */
export async function resolveModule(name: string, folder: string): Promise<string | undefined> {
  const { moduleResolve } = await import('import-meta-resolve');
  try {
    const url = moduleResolve(name, pathToFileURL(join(folder, 'anneal.config.js')), conditions());
    return existsSync(url) ? url.href : undefined;
  } catch (error) {
    const code = codeOf(error) ?? '';
    if (code.startsWith('ERR_')) return undefined;
    throw error;
  }
}

const LOCKFILES: Readonly<Record<string, string>> = {
  'pnpm-lock.yaml': 'pnpm add -D',
  'yarn.lock': 'yarn add -D',
  'bun.lock': 'bun add -d',
  'package-lock.json': 'npm install -D',
};

/** The command that adds a package to the project of `folder`. */
export function installCommand(name: string, folder: string): string {
  for (let at = folder; ; at = dirname(at)) {
    const found = Object.entries(LOCKFILES).find(([file]) => existsSync(join(at, file)));
    if (found !== undefined) return `${found[1]} ${name}`;
    if (dirname(at) === at) return `npm install -D ${name}`;
  }
}
