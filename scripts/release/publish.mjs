// Sends tarballs to the registry that npm is configured for. What is there already is left out, so that a release that
// stopped half-way is finished by running it again.
import { spawnSync } from 'node:child_process';

function npm(args, stdio) {
  return spawnSync('npm', args, { stdio, shell: process.platform === 'win32', encoding: 'utf8' });
}

/** @param {readonly string[]} flags further flags for npm, such as `--registry=…` */
const isPublished = ({ name, version }, flags) => {
  const { status, stdout } = npm(['view', `${name}@${version}`, 'version', ...flags], ['ignore', 'pipe', 'ignore']);
  return status === 0 && stdout.trim() === version;
};

/**
 * @param {readonly import('./pack.mjs').Packed[]} packed dependencies first
 * @returns {readonly string[]} what was sent: `name@version`
 */
export function publish(packed, flags = []) {
  const sent = [];
  for (const pkg of packed) {
    if (isPublished(pkg, flags)) continue;
    const { status } = npm(['publish', pkg.file, '--access=public', ...flags], ['inherit', 'inherit', 'inherit']);
    if (status !== 0) throw new Error(`${pkg.name}@${pkg.version} was not published`);
    sent.push(`${pkg.name}@${pkg.version}`);
  }
  return sent;
}
