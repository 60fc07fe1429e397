// What a tarball must be before it may be published. Each rule says what is wrong with it, in texts; none is fixed here.
import { posix } from 'node:path';
import { versionOf } from './version.mjs';

/**
 * @typedef {object} Contents A tarball, opened.
 * @property {Record<string, any>} manifest its package.json
 * @property {readonly string[]} files paths in it, without the leading `package/`
 * @property {(path: string) => string} read the text of a file
 * @property {string} root folder of the workspace that it was packed in
 * @property {readonly string[]} own names of all packages that are released together
 */

/** @typedef {(contents: Contents) => readonly string[]} Rule */

const ALWAYS = ['package.json', 'README.md', 'LICENSE'];
const MAY = ['CHANGELOG.md'];
const RUNTIME = ['dependencies', 'peerDependencies', 'optionalDependencies'];
const INSTALL_SCRIPTS = ['preinstall', 'install', 'postinstall', 'prepare'];
/** Templates are whole projects, tests included. */
const UNWANTED = /(^|\/)(test|tests|fixtures|node_modules|\.anneal)\/|\.(tsbuildinfo|tgz|log)$|(^|\/)\.env/;

const field = (manifest, name) => Object.entries(manifest[name] ?? {});

function* targets(value) {
  if (typeof value === 'string') yield value;
  else if (value !== null && typeof value === 'object') for (const inner of Object.values(value)) yield* targets(inner);
}

function* conditions(value) {
  if (value === null || typeof value !== 'object') return;
  for (const [key, inner] of Object.entries(value)) {
    yield key;
    yield* conditions(inner);
  }
}

/** Whether a path in a tarball is one that the manifest's `files` asks for. */
const isListed = (path, listed) => listed.some((entry) => path === entry || path.startsWith(`${entry}/`));

/** @type {Readonly<Record<string, Rule>>} */
export const RULES = {
  'has what readers and licences need': ({ files, manifest }) => [
    ...ALWAYS.filter((name) => !files.includes(name)).map((name) => `${name} is missing`),
    ...['description', 'license', 'author', 'engines'].filter((key) => !manifest[key]).map((key) => `no \`${key}\``),
  ],

  'names no workspace': ({ manifest }) =>
    [...RUNTIME, 'devDependencies'].flatMap((name) =>
      field(manifest, name)
        .filter(([, range]) => /^(workspace|catalog|link|file):/.test(range))
        .map(([pkg, range]) => `${name}: ${pkg} is ${range}`),
    ),

  'exports what was built, and no source': ({ manifest, files }) => [
    ...[...conditions(manifest.exports)].filter((key) => key.startsWith('@')).map((key) => `condition ${key}`),
    ...[...targets(manifest.exports), ...targets(manifest.bin)]
      .map((path) => posix.normalize(path))
      .filter((path) => !files.includes(path))
      .map((path) => `${path} is exported and not there`),
  ],

  'holds only what `files` lists': ({ manifest, files }) => {
    const listed = (manifest.files ?? []).filter((entry) => !entry.startsWith('!'));
    return files
      .filter((path) => !ALWAYS.includes(path) && !MAY.includes(path))
      .filter((path) => !isListed(path, listed) || (UNWANTED.test(path) && !path.startsWith('templates/')))
      .map((path) => `${path} leaked`);
  },

  'is built, whole and without rests': ({ files }) => {
    const sources = files.filter((path) => /^src\/.*\.ts$/.test(path)).map((path) => path.slice(4, -3));
    const built = new Set(sources.flatMap((name) => ['.js', '.js.map', '.d.ts', '.d.ts.map'].map((end) => name + end)));
    const found = files.filter((path) => path.startsWith('dist/')).map((path) => path.slice(5));
    return [
      ...[...built]
        .filter((path) => !found.includes(path))
        .map((path) => `dist/${path} is missing: run \`pnpm build\``),
      ...found.filter((path) => !built.has(path)).map((path) => `dist/${path} has no source: remove dist and build`),
    ];
  },

  'maps to sources that are there': ({ files, read }) =>
    files
      .filter((path) => path.endsWith('.map'))
      .flatMap((path) =>
        JSON.parse(read(path))
          .sources.map((source) => posix.join(posix.dirname(path), source))
          .filter((source) => !files.includes(source))
          .map((source) => `${path} names ${source}`),
      ),

  'says nothing of the machine it was built on': ({ files, read, root }) =>
    files.filter((path) => read(path).includes(root)).map((path) => `${path} contains ${root}`),

  'says the version that it has': ({ files, read, manifest }) => {
    const said = files.includes('src/plugin.ts') ? versionOf(read('src/plugin.ts')) : undefined;
    return said === undefined || said === manifest.version ? [] : [`src/plugin.ts says ${said}: run version-packages`];
  },

  'runs nothing when it is installed': ({ manifest }) =>
    INSTALL_SCRIPTS.filter((name) => manifest.scripts?.[name] !== undefined).map((name) => `script ${name}`),

  // Below 1.0 a caret ends at the next minor: with `^0.1.0` every minor of core would be a major of every plugin.
  'takes every core before 1.0': ({ manifest, own }) =>
    field(manifest, 'peerDependencies')
      .filter(([pkg, range]) => own.includes(pkg) && !/^>=0\.\d+\.\d+ <1\.0\.0$/.test(range))
      .map(([pkg, range]) => `peer ${pkg} is ${range}, not >=0.x.y <1.0.0`),

  'can be found and published': ({ manifest }) => [
    ...(manifest.publishConfig?.access === 'public' ? [] : ['publishConfig.access is not public']),
    ...(manifest.publishConfig?.provenance === true ? [] : ['publishConfig.provenance is not true']),
    ...(manifest.keywords?.includes('anneal') ? [] : ['no keyword `anneal`']),
    ...(manifest.anneal?.plugin === true && !manifest.keywords?.includes('anneal-plugin')
      ? ['a plugin without the keyword `anneal-plugin`']
      : []),
  ],
};

/** All that is wrong, each with its rule. */
export const broken = (contents) =>
  Object.entries(RULES).flatMap(([rule, check]) => check(contents).map((text) => `not ${rule}: ${text}`));
