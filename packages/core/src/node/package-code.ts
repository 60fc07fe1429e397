import { createHash } from 'node:crypto';
import { readFile, realpath, stat } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';

import { withoutComments } from './comments.ts';
import { digest, digestPath } from './hash.ts';

const packages = new Map<string, Promise<string>>();

/**
 * Digest of the code of the package that a source file belongs to; built and unbuilt code are told apart by content.
 * Asked for once per process: code that is loaded does not change any more.
 */
export function digestPackage(file: string): Promise<string> {
  let found = packages.get(file);
  if (found === undefined) {
    found = digestPackageOf(file);
    packages.set(file, found);
  }
  return found;
}

async function digestPackageOf(file: string): Promise<string> {
  const real = await realpath(file);
  const folder = await packageFolder(dirname(real));
  if (folder === undefined) return digest(await digestImports(real));
  const manifest = await digestManifest(folder);
  const isInstalled = folder.split(sep).includes('node_modules');
  const [top, ...below] = relative(folder, real).split(sep);
  if (below.length > 0) {
    // The folder that the file runs from: tests, docs and build outputs beside it do not matter.
    const from = join(folder, top as string);
    // In a project a plugin may import what lies elsewhere.
    const others = isInstalled
      ? []
      : (await digestImports(real)).filter(([name]) => !resolve(real, '..', name).startsWith(from + sep));
    return digest([manifest, await digestPath(from), others]);
  }
  // A file beside package.json: an installed package is code as a whole, but in a project data and results lie there too.
  return digest([manifest, isInstalled ? await digestPath(folder) : await digestImports(real)]);
}

/** What of a manifest changes what code does. */
const MANIFEST = ['name', 'version', 'type', 'main', 'module', 'exports', 'imports'] as const;
const DEPENDENCIES = ['dependencies', 'peerDependencies', 'optionalDependencies'] as const;
/** Their code counts everywhere as it is. */
const COUNTED = new Set(['@anneal/core', '@anneal/graph']);

/** Of a package: its manifest, and the versions of what it depends on. */
async function digestManifest(folder: string): Promise<string> {
  const manifest = await readManifest(folder);
  if (manifest === undefined) return digestPath(join(folder, 'package.json'));
  const versions: [name: string, version: unknown][] = [];
  for (const name of DEPENDENCIES.flatMap((field) => Object.keys(manifest[field] ?? {}))) {
    if (!COUNTED.has(name)) versions.push([name, await installedVersion(name, folder)]);
  }
  return digest([MANIFEST.map((field) => manifest[field]), versions]);
}

type Manifest = Readonly<Record<string, object | undefined>>;

async function readManifest(folder: string): Promise<Manifest | undefined> {
  try {
    const manifest: unknown = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
    return typeof manifest === 'object' && manifest !== null ? (manifest as Manifest) : undefined;
  } catch {
    return undefined;
  }
}

/** Of the package that a file in `folder` would import. */
async function installedVersion(name: string, folder: string): Promise<unknown> {
  for (let at = folder; ; at = dirname(at)) {
    const manifest = await readManifest(join(at, 'node_modules', name));
    if (manifest !== undefined) return manifest['version'];
    if (dirname(at) === at) return undefined;
  }
}

async function packageFolder(start: string): Promise<string | undefined> {
  for (let folder = start; ; folder = dirname(folder)) {
    if (await stat(join(folder, 'package.json')).catch(() => undefined)) return folder;
    if (dirname(folder) === folder) return undefined;
  }
}

/** Relative imports, exports and requires; one in a comment does no harm. */
const IMPORT = /(?:\bfrom|\bimport|\brequire)\s*\(?\s*(['"])(\.{1,2}\/[^'"\n]+)\1/g;
/** What a specifier may stand for, besides itself. */
const ENDINGS: readonly (readonly [written: RegExp, found: string])[] = [
  [/$/, ''],
  [/\.js$/, '.ts'],
  [/\.mjs$/, '.mts'],
  [/\.cjs$/, '.cts'],
  [/$/, '.ts'],
  [/$/, '.js'],
  [/$/, '.json'],
  [/$/, '/index.ts'],
  [/$/, '/index.js'],
];

const CODE = /\.[cm]?[jt]s$/;

/** A file and everything that it imports by relative paths: name and digest of each. */
async function digestImports(entry: string): Promise<readonly (readonly [string, string])[]> {
  const found = new Map<string, string>();
  const open = [entry];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (found.has(file)) continue;
    const text = await readFile(file, 'utf8').catch(() => '');
    const code = CODE.test(file) ? withoutComments(text) : text;
    found.set(file, createHash('sha256').update(code).digest('hex'));
    for (const [, , specifier] of text.matchAll(IMPORT)) {
      const path = resolve(dirname(file), (specifier as string).replace(/[?#].*$/, ''));
      for (const [written, ending] of ENDINGS) {
        const candidate = path.replace(written, ending);
        if (!(await stat(candidate).catch(() => undefined))?.isFile()) continue;
        open.push(candidate);
        break;
      }
    }
  }
  return [...found]
    .map(([file, code]) => [relative(dirname(entry), file), code] as const)
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
}
