// Packs every public package as pnpm would publish it: `workspace:` and `catalog:` replaced, publishConfig applied.
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pnpm } from '../pnpm.mjs';
import { packages, root, walk } from '../workspace.mjs';

/** @typedef {{ name: string, version: string, dir: string, file: string }} Packed `file` is absolute */

/** Removes what `tsc -b` made of sources that are gone: it never does so itself. */
function removeOrphans(dir) {
  const outputs = [...walk(join(root, dir, 'dist'))].filter((file) => !file.endsWith('.tsbuildinfo'));
  for (const file of outputs) {
    const source = file
      .replace(join(root, dir, 'dist'), join(root, dir, 'src'))
      .replace(/(\.d)?\.[jt]s(\.map)?$/, '.ts');
    if (!existsSync(source)) rmSync(file);
  }
}

/**
 * Empties `folder` and packs into it; what is packed is what was built before.
 *
 * @param {string} folder
 * @param {{ repository?: string }} [options] URL of the repository, as package.json has it: `git+https://…`
 * @returns {readonly Packed[]} in the order in which they can be published: dependencies first
 */
export function packAll(folder, { repository } = {}) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const released = packages().filter(({ manifest }) => manifest.private !== true);
  for (const { dir } of released) removeOrphans(dir);
  const hooks = fileURLToPath(new URL('pnpmfile.cjs', import.meta.url));
  const args = ['-r', '--filter', './packages/**', 'pack', '--pack-destination', folder, `--config.pnpmfile=${hooks}`];
  const env = { ...process.env, ANNEAL_REPOSITORY: repository ?? '', ANNEAL_ROOT: root };
  const code = pnpm(args, { cwd: root, env, stdio: ['ignore', 'ignore', 'inherit'] });
  if (code !== 0) throw new Error(`pnpm pack failed with ${code}`);
  return byDependencies(released).map(({ dir, manifest }) => {
    const { name, version } = manifest;
    const file = join(folder, `${name.replace('@', '').replace('/', '-')}-${version}.tgz`);
    return { name, version, dir, file };
  });
}

/** What one package needs of the others when it runs; development dependencies may form circles. */
const needs = (manifest) => Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies });

function byDependencies(all) {
  const sorted = new Set();
  const visit = (pkg) => {
    if (sorted.has(pkg)) return;
    for (const name of needs(pkg.manifest)) {
      const other = all.find(({ manifest }) => manifest.name === name);
      if (other !== undefined) visit(other);
    }
    sorted.add(pkg);
  };
  for (const pkg of all) visit(pkg);
  return [...sorted];
}

/** The bytes of a tarball, as a buffer of their own: libraries take the whole buffer behind a view. */
export const readTarball = (file) => Uint8Array.from(readFileSync(file));
