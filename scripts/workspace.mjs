// What the other scripts share: the list of packages, "is it still fresh", and the install and build steps.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pnpm } from './pnpm.mjs';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stamps = join(root, 'node_modules', '.cache', 'anneal');
/** The same folders as in pnpm-workspace.yaml, which node cannot parse without a dependency. */
const groups = ['packages/*', 'packages/backends/*', 'packages/plugins/*', 'examples/*', 'benchmarks', 'e2e'];

const list = (folder) => (existsSync(folder) ? readdirSync(folder, { withFileTypes: true }) : []);

/** Every workspace package as `{ dir, manifest }`; `dir` is relative to the root, with forward slashes. */
export function packages() {
  const folders = groups.flatMap((group) => {
    if (!group.endsWith('/*')) return [group];
    const parent = group.slice(0, -2);
    return list(join(root, parent))
      .filter((entry) => entry.isDirectory())
      .map((entry) => `${parent}/${entry.name}`);
  });
  return folders
    .filter((dir) => existsSync(join(root, dir, 'package.json')))
    .sort()
    .map((dir) => ({ dir, manifest: JSON.parse(readFileSync(join(root, dir, 'package.json'), 'utf8')) }));
}

/** Files below `folder`, depth first, without dependencies and outputs. */
export function* walk(folder) {
  for (const entry of list(folder)) {
    if (entry.name === 'node_modules' || entry.name === 'dist' || entry.name.startsWith('.')) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* walk(path);
    else yield path;
  }
}

/** Hash of names and contents (`'content'`) or of names, sizes and times (`'stat'`, cheaper). */
export function fingerprint(files, by) {
  const hash = createHash('sha256');
  for (const file of [...files].sort()) {
    if (!existsSync(file)) continue;
    hash.update(relative(root, file) + '\0');
    if (by === 'content') hash.update(readFileSync(file));
    else {
      const { mtimeMs, size } = statSync(file);
      hash.update(`${mtimeMs} ${size}\0`);
    }
  }
  return hash.digest('hex');
}

const isFresh = (name, value) => {
  const file = join(stamps, name);
  return existsSync(file) && readFileSync(file, 'utf8') === value;
};

const stamp = (name, value) => {
  mkdirSync(stamps, { recursive: true });
  writeFileSync(join(stamps, name), value);
};

/** Runs a command of a dependency by its JavaScript entry, so that no shell and no second package manager starts. */
export function tool(path, args, options = {}) {
  return spawnSync(process.execPath, [join(root, 'node_modules', path), ...args], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    ...options,
  });
}

/** Installs from the lockfile without running any install script; does nothing when it did so for these files. */
export function install() {
  const all = packages();
  const inputs = [
    'pnpm-lock.yaml',
    'pnpm-workspace.yaml',
    'package.json',
    ...all.map(({ dir }) => `${dir}/package.json`),
  ];
  const value = fingerprint(
    inputs.map((file) => join(root, file)),
    'content',
  );
  const complete = existsSync(join(root, 'node_modules', '.modules.yaml'));
  if (complete && isFresh('install', value)) return 0;
  const code = pnpm(['install', '--frozen-lockfile', '--ignore-scripts', '--reporter=append-only'], { cwd: root });
  if (code === 0) stamp('install', value);
  return code;
}

/** `tsc -b`; does nothing when no source changed since the last time it passed and all outputs are there. */
export function build() {
  const sources = packages()
    .filter(({ dir }) => dir.startsWith('packages/'))
    .flatMap(({ dir }) => [
      join(root, dir, 'package.json'),
      join(root, dir, 'tsconfig.json'),
      ...walk(join(root, dir, 'src')),
    ]);
  const value = fingerprint([join(root, 'tsconfig.base.json'), ...sources], 'stat');
  const built = sources
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))
    .every((file) => existsSync(file.replace(`${sep}src${sep}`, `${sep}dist${sep}`).replace(/\.ts$/, '.js')));
  if (built && isFresh('build', value)) return 0;
  const code = tool('typescript/bin/tsc', ['-b', ...references('packages/')]).status ?? 1;
  if (code === 0) stamp('build', value);
  return code;
}

/** Folders below `prefix` that hold a TypeScript project. */
export const references = (prefix = '') =>
  packages()
    .map(({ dir }) => dir)
    .filter((dir) => dir.startsWith(prefix) && existsSync(join(root, dir, 'tsconfig.json')));
