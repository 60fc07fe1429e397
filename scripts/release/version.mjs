// `pnpm version-packages`: versions and changelogs from the changesets; the versions that plugins say of themselves.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packages, root, tool } from '../workspace.mjs';

/** `version` in the call of `definePlugin`; plugins run in browsers, where there is no package.json to read. */
const VERSION = /^( {2}version: ')[^']+(',)$/m;
const FILE = 'src/plugin.ts';

/** The version that the source of a plugin gives itself; `undefined` of what is no plugin. */
export const versionOf = (source) => VERSION.exec(source)?.[0].split("'")[1];

/** The source with another version. */
export const withVersion = (source, version) => source.replace(VERSION, `$1${version}$2`);

/** Templates name the versions of the moment that they were packed: each release needs new ones. */
function renewTemplates() {
  const folder = join(root, '.changeset');
  const pending = readdirSync(folder).filter((name) => name.endsWith('.md') && name !== 'README.md');
  if (pending.length === 0) return;
  const text = "---\n'create-anneal': patch\n---\n\nTake the newest versions in templates.\n";
  writeFileSync(join(folder, 'newest-versions-in-templates.md'), text);
}

function versionPackages() {
  renewTemplates();
  const code = tool('@changesets/cli/bin.js', ['version']).status ?? 1;
  if (code !== 0) return code;
  for (const { dir, manifest } of packages()) {
    const file = join(root, dir, FILE);
    if (existsSync(file)) writeFileSync(file, withVersion(readFileSync(file, 'utf8'), manifest.version));
  }
  return 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = versionPackages();
