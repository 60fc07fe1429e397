import { createHash } from 'node:crypto';
import { readFile, realpath, stat } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';

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
  const manifest = await digestPath(join(folder, 'package.json'));
  const [top, ...below] = relative(folder, real).split(sep);
  // The folder that the file runs from: tests, docs and build outputs beside it do not matter.
  if (below.length > 0) return digest([manifest, await digestPath(join(folder, top as string))]);
  // A file beside package.json: an installed package is code as a whole, but in a project data and results lie there too.
  if (folder.split(sep).includes('node_modules')) return digest([manifest, await digestPath(folder)]);
  return digest([manifest, await digestImports(real)]);
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

/** A file and everything that it imports by relative paths: name and digest of each. */
async function digestImports(entry: string): Promise<readonly (readonly [string, string])[]> {
  const found = new Map<string, string>();
  const open = [entry];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (found.has(file)) continue;
    const text = await readFile(file, 'utf8').catch(() => '');
    found.set(file, createHash('sha256').update(text).digest('hex'));
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
