// What the site consists of, in the order of its navigation. Paths are relative to the root.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { packages, root } from '../workspace.mjs';

const guides = [
  'start',
  'config',
  'data-and-models',
  'training',
  'results',
  'cache-and-resume',
  'devices',
  'commands',
  'plugins',
  'traced-hooks',
  'testing-plugins',
  'embedding',
  'graphs',
  'backends',
];

/** Hook groups in the order in which a build calls them. */
export const HOOK_GROUPS = ['pipeline', 'data', 'model', 'train', 'compress', 'evaluate', 'emit'];

const markdown = (folder) =>
  readdirSync(join(root, folder))
    .filter((file) => file.endsWith('.md'))
    .sort()
    .map((file) => `${folder}/${file}`);

const examples = packages()
  .filter(({ dir }) => dir.startsWith('examples/'))
  .map(({ dir }) => `${dir}/README.md`);

/** A technique that is a plugin is described in its README, which is all that npm shows. */
const plugins = packages()
  .filter(({ dir }) => dir.startsWith('packages/plugins/'))
  .map(({ dir }) => `${dir}/README.md`);

/** Pages by section. */
export const CONTENTS = {
  Guides: guides.map((name) => `docs/guides/${name}.md`),
  Hooks: ['overview', ...HOOK_GROUPS].map((name) => `docs/hooks/${name}.md`),
  Techniques: [...new Set(['docs/techniques/overview.md', ...plugins, ...markdown('docs/techniques')])],
  Examples: examples,
  Reference: [...markdown('docs/reference'), 'docs/versions.md'],
  Measurements: ['docs/benchmarks.md', 'docs/conformance.md'],
  Decisions: markdown('docs/decisions'),
};

/** Packages whose exports and README are in the site. */
export const libraries = packages().filter(({ dir }) => dir.startsWith('packages/'));
