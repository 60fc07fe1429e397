// Read by pnpm while it packs (`--config.pnpmfile`), never while it installs. Registries accept a provenance statement
// only for the repository that the manifest names, and the sources name no host: the release says where they live.
const { relative } = require('node:path');

const url = process.env.ANNEAL_REPOSITORY;
const root = process.env.ANNEAL_ROOT;
const LISTS = ['dependencies', 'devDependencies', 'peerDependencies', 'optionalDependencies'];

/** pnpm lists dependencies in the order in which it found out their versions, another each time. */
function inOrder(manifest) {
  const lists = LISTS.filter((name) => manifest[name] !== undefined);
  const sorted = lists.map((name) => [
    name,
    Object.fromEntries(Object.entries(manifest[name]).sort(([a], [b]) => (a < b ? -1 : 1))),
  ]);
  return { ...manifest, ...Object.fromEntries(sorted) };
}

module.exports = {
  hooks: {
    beforePacking(manifest, directory) {
      const ordered = inOrder(manifest);
      if (!url) return ordered;
      const inside = relative(root, directory).replaceAll('\\', '/');
      return { ...ordered, repository: { type: 'git', url, directory: inside } };
    },
  },
};
