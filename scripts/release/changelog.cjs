// Lines of CHANGELOG.md: what changed, in the words of the changesets. Hashes are in the history, and a dependency that
// moved along is named once and not once per changeset.

/** @type {import('@changesets/types').ChangelogFunctions} */
module.exports = {
  async getReleaseLine({ summary }) {
    const [first, ...rest] = summary.trim().split('\n');
    return [`- ${first}`, ...rest.map((line) => `  ${line}`.trimEnd())].join('\n');
  },
  async getDependencyReleaseLine(_, updated) {
    return updated.length === 0 ? '' : `- Take ${updated.map((pkg) => `${pkg.name} ${pkg.newVersion}`).join(', ')}.`;
  },
};
