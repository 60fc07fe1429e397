import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { CreateError } from './error.ts';
import type { Project } from './templates/types.ts';

type Fields = Readonly<Record<string, unknown>>;
type Texts = Readonly<Record<string, string>>;

/** Versions that the templates were tested with: pnpm writes them into this package's own manifest when it packs it. */
function ranges(): Texts {
  const manifest = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { devDependencies: Texts }).devDependencies;
}

/** From the version of a caret range on to 1.0: the range of a peer before 1.0. */
const open = (range: string): string => (range.startsWith('^0.') ? `>=${range.slice(1)} <1.0.0` : range);

function read(file: string): Fields | undefined {
  if (!existsSync(file)) return undefined;
  const fail = (): CreateError =>
    new CreateError(`${file} is not a JSON object`, { fix: 'correct it first, or use another folder' });
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    throw fail();
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw fail();
  return value as Fields;
}

const sorted = (texts: Texts): Texts => Object.fromEntries(Object.entries(texts).sort(([a], [b]) => (a < b ? -1 : 1)));

/** Scripts that are there stay; a project that has its own `build` gets `anneal` beside it. */
function scriptsWith(before: Texts, wanted: Texts): Texts {
  const scripts = { ...wanted, ...before };
  const runs = Object.values(scripts).some((script) => script === wanted['build']);
  return runs || wanted['build'] === undefined ? scripts : { ...scripts, anneal: wanted['build'] };
}

/**
 * package.json with what a project needs; entries that exist stay as they are.
 *
 * @throws CreateError for a package.json that cannot be read
 */
export function manifestFor(
  folder: string,
  project: Project,
): { readonly text: string; readonly added: readonly string[] } {
  const existing = read(join(folder, 'package.json'));
  const before = existing ?? { name: project.name, ...project.manifest };
  const field = (key: string): Texts => (before[key] as Texts | undefined) ?? {};
  const known = { ...field('dependencies'), ...field('devDependencies') };
  const versions = ranges();
  const missing = (names: readonly string[]): Texts =>
    Object.fromEntries(
      names.filter((name) => !Object.hasOwn(known, name)).map((name) => [name, versions[name] ?? 'latest']),
    );
  const peers = Object.fromEntries(project.peers.map((name) => [name, open(versions[name] ?? 'latest')]));
  const [own, development] = [missing(project.dependencies), missing(project.devDependencies)];
  const filled = (key: string, added: Texts): Fields => {
    const all = sorted({ ...added, ...field(key) });
    return Object.keys(all).length === 0 ? {} : { [key]: all };
  };
  const after = {
    ...before,
    scripts: scriptsWith(field('scripts'), project.scripts),
    ...filled('dependencies', own),
    ...filled('peerDependencies', peers),
    ...filled('devDependencies', development),
  };
  return { text: `${JSON.stringify(after, null, 2)}\n`, added: Object.keys({ ...own, ...development }) };
}

/** .gitignore with the folders that are derived; `undefined` when it has them all. */
export function ignoreFor(folder: string, ignored: readonly string[]): string | undefined {
  const file = join(folder, '.gitignore');
  const before = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const lines = before.split(/\r?\n/).map((line) => line.trim().replaceAll(/^\/|\/$/g, ''));
  const missing = ignored.filter((name) => !lines.includes(name));
  if (missing.length === 0) return undefined;
  return `${before}${before === '' || before.endsWith('\n') ? '' : '\n'}${missing.map((name) => `${name}/\n`).join('')}`;
}
