// Read by pnpm while it packs (`--config.pnpmfile`), never while it installs. Registries accept a provenance statement
// only for the repository that the manifest names, and the sources name no host: the release says where they live.
const { relative } = require('node:path');

const url = process.env.ANNEAL_REPOSITORY;
const root = process.env.ANNEAL_ROOT;

module.exports = {
  hooks: {
    beforePacking(manifest, directory) {
      if (!url) return manifest;
      const inside = relative(root, directory).replaceAll('\\', '/');
      return { ...manifest, repository: { type: 'git', url, directory: inside } };
    },
  },
};
