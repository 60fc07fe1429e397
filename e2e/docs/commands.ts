import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { root } from './markdown.ts';
import { parse } from '../../packages/cli/src/args.ts';

interface Manifest {
  readonly name: string;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

const manifestIn = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
const folders = ['packages', 'packages/backends', 'packages/plugins', 'examples', '.'].flatMap((parent) =>
  readdirSync(join(root, parent))
    .map((name) => join(root, parent, name))
    .filter((folder) => existsSync(join(folder, 'package.json'))),
);
const manifests = [root, ...folders].map(manifestIn);
/** What the workspace has or depends on: nothing else may be said to be installed. */
const packages = new Set(
  manifests.flatMap(({ name, dependencies, devDependencies }) => [
    name,
    ...Object.keys({ ...dependencies, ...devDependencies }),
  ]),
);
const scripts = new Set(manifests.flatMap((manifest) => Object.keys(manifest.scripts ?? {})));
/** Of npm and pnpm themselves. */
const BUILT_IN = new Set(['test', 'install', 'ci', 'create', 'pack', 'publish']);
/** What npx may fetch. */
const FETCHED = new Set(['serve']);

/** Words of a line as a shell splits them. */
const words = (line: string): readonly string[] =>
  Array.from(line.matchAll(/(?:[^\s"']+|"[^"]*"|'[^']*')+/g), ([word]) => word.replaceAll(/["']/g, ''));

type Check = (args: readonly string[]) => string | undefined;

const exists = (path: string | undefined): string | undefined =>
  path !== undefined && existsSync(join(root, path)) ? undefined : `there is no ${path}`;

const anneal: Check = (args) => {
  const parsed = parse(args);
  return 'message' in parsed ? parsed.message : undefined;
};

const run: Check = ([first = '', ...rest]) => {
  if (first === 'install' || first === 'i') {
    const unknown = rest.filter((name) => !name.startsWith('-') && !packages.has(name));
    return unknown.length > 0 ? `nothing here depends on ${unknown.join(', ')}` : undefined;
  }
  if (first === 'bench') return exists(`benchmarks/${rest[0]}.ts`);
  const name = first === 'run' ? rest[0] : first;
  return name !== undefined && (scripts.has(name) || BUILT_IN.has(name)) ? undefined : `there is no script ${name}`;
};

/** Programs that a block may call; each says what is wrong with its arguments. */
const PROGRAMS: Readonly<Record<string, Check>> = {
  anneal,
  npx: ([name = '', ...args]) =>
    name === 'anneal'
      ? anneal(args)
      : packages.has(name) || FETCHED.has(name)
        ? undefined
        : `nothing depends on ${name}`,
  npm: run,
  pnpm: run,
  node: (args) => exists(args.find((arg) => !arg.startsWith('-'))),
  python: (args) => exists(args[0]),
  cd: ([folder]) => exists(folder),
};

/** What is wrong with a line of a shell block; optional parts may stand in brackets. */
export function commandProblem(line: string): string | undefined {
  const bare = line.replace(/\s+#.*$/, '').replaceAll(/\[[^\]]*\]/g, '');
  if (bare.trim() === '' || bare.trim().startsWith('#')) return undefined;
  for (const command of bare.split(/&&|\|(?=\s)/)) {
    const [program = '', ...args] = words(command);
    const check = Object.hasOwn(PROGRAMS, program) ? PROGRAMS[program] : undefined;
    const problem = check === undefined ? `${program} is not a program that blocks may call` : check(args);
    if (problem !== undefined) return problem;
  }
  return undefined;
}
