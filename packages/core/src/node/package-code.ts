import { readFile, realpath, stat } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';

import { withoutComments } from './comments.ts';
import { digest, digestPath } from './hash.ts';

const packages = new Map<string, Promise<string>>();

/**
 * Digest of the code of the package that a source file belongs to; built and unbuilt code are told apart by content.
 * Asked for once per process: code that is loaded does not change any more.
 *
 * @param project Folder of a project: of its own package only the file and what it imports count, as other plugins lie
 * there, too.
 */
export async function digestPackage(file: string, project?: string): Promise<string> {
  const place = await placeOf(file, project);
  const id = JSON.stringify(place);
  let found = packages.get(id);
  if (found === undefined) {
    found = digestPlace(place);
    packages.set(id, found);
  }
  return found;
}

async function digestPlace({ folder, code, imports }: CodePlace): Promise<string> {
  return digest([
    folder && (await digestManifest(folder)),
    code && (await digestPath(code)),
    imports && (await digestImports(imports, code)),
  ]);
}

/** Where the code of a source file lies. */
interface CodePlace {
  /** Of its package; `undefined` when there is none. */
  readonly folder: string | undefined;
  /** A folder that is code as a whole. */
  readonly code: string | undefined;
  /** A file whose imports are code, too; `undefined` where the folder has them all. */
  readonly imports: string | undefined;
}

async function placeOf(
  file: string,
  project: string | undefined,
): Promise<CodePlace & { readonly isInstalled: boolean }> {
  const real = await realpath(file);
  const folder = await packageFolder(dirname(real));
  if (folder === undefined) return { folder, code: undefined, imports: real, isInstalled: false };
  const isInstalled = folder.split(sep).includes('node_modules');
  const [top, ...below] = relative(folder, real).split(sep);
  const isProject = project !== undefined && folder === (await packageFolder(await realpath(project)));
  // The folder that the file runs from: tests, docs and build outputs beside it do not matter. A file beside
  // package.json: an installed package is code as a whole, but elsewhere data and results lie there too.
  const all = below.length > 0 ? join(folder, top as string) : isInstalled ? folder : undefined;
  const code = isProject ? undefined : all;
  return { folder, code, imports: isInstalled ? undefined : real, isInstalled };
}

/**
 * Files and folders that the code of a source file consists of, absolute; none for a package that is installed, which
 * changes only when it is installed anew.
 */
export async function sourcesOf(file: string, project: string): Promise<readonly string[]> {
  const { folder, code, imports, isInstalled } = await placeOf(file, project);
  if (isInstalled) return [];
  const manifest = folder === undefined ? [] : [join(folder, 'package.json')];
  return [
    ...manifest,
    ...(code === undefined ? [] : [code]),
    ...(imports === undefined ? [] : await importsOf(imports)),
  ];
}

/** A file and all that it imports by relative paths, absolute. */
export async function importsOf(file: string): Promise<readonly string[]> {
  return [...(await readImports(file)).keys()];
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

/** Relative imports, exports, requires, and URLs of workers; one in a comment does no harm. */
const IMPORT = /(?:\bfrom|\bimport|\brequire|\bnew URL)\s*\(?\s*(['"])(\.{1,2}\/[^'"\n]+)\1/g;
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

/** Name and digest of a file and everything that it imports by relative paths, but what is in a folder. */
async function digestImports(entry: string, but?: string): Promise<readonly (readonly [string, string])[]> {
  return [...(await readImports(entry))]
    .filter(([file]) => but === undefined || !file.startsWith(but + sep))
    .map(
      ([file, text]) =>
        [relative(dirname(entry), file), digest(CODE.test(file) ? withoutComments(text) : text)] as const,
    )
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
}

/** Texts of a file and of everything that it imports by relative paths. */
async function readImports(entry: string): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  const open = [entry];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (found.has(file)) continue;
    const text = await readFile(file, 'utf8').catch(() => '');
    found.set(file, text);
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
  return found;
}
