// Looks into a tarball: our own rules, publint, and whether its types are what a program that imports it gets.
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { packages, root } from '../workspace.mjs';
import { readTarball } from './pack.mjs';
import { broken } from './rules.mjs';

/** Packages are ESM only, on versions of Node that can `require` that: how CommonJS of old resolves does not count. */
const RESOLUTIONS = new Set(['node16-esm', 'bundler']);

const own = packages()
  .filter(({ manifest }) => manifest.private !== true)
  .map(({ manifest }) => manifest.name);

/** @returns {import('./rules.mjs').Contents} */
function open(bytes) {
  const pkg = createPackageFromTarballData(bytes);
  const prefix = `/node_modules/${pkg.packageName}/`;
  const files = pkg.listFiles(prefix).map((path) => path.slice(prefix.length));
  const read = (path) => pkg.readFile(prefix + path);
  return { pkg, files, read, manifest: JSON.parse(read('package.json')), root, own };
}

async function types(pkg) {
  const result = await checkPackage(pkg);
  if (result.types === false) return ['types: there are none'];
  return result.problems
    .filter((problem) => problem.resolutionKind === undefined || RESOLUTIONS.has(problem.resolutionKind))
    .map(({ kind, entrypoint = '', fileName = '' }) => `types: ${kind} ${entrypoint}${fileName}`);
}

async function lint(bytes, manifest) {
  const { messages } = await publint({ pack: { tarball: bytes.buffer }, level: 'warning', strict: true });
  return messages.map((message) => `publint: ${formatMessage(message, manifest, { color: false })}`);
}

/**
 * Everything that is wrong with a tarball.
 *
 * @param {string} file
 * @returns {Promise<readonly string[]>}
 */
export async function checkTarball(file) {
  const bytes = readTarball(file);
  const contents = open(bytes);
  return [...broken(contents), ...(await lint(bytes, contents.manifest)), ...(await types(contents.pkg))];
}
