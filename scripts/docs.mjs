// `pnpm run docs [folder]`: builds the site from the guides and the exports of all packages, by default into docs/dist.
// (`pnpm docs` is pnpm's own command.) Warnings and dead links are errors.
import { join, resolve } from 'node:path';
import { Application, OptionDefaults } from 'typedoc';
import { checkLinks } from './docs/links.mjs';
import { CONTENTS, libraries } from './docs/contents.mjs';
import { load } from './docs/typedoc-plugin.mjs';
import { root, tool } from './workspace.mjs';

/** @type {Partial<import('typedoc').TypeDocOptions>} */
const OPTIONS = {
  name: 'Anneal',
  readme: join(root, 'README.md'),
  entryPointStrategy: 'packages',
  entryPoints: libraries.map(({ dir }) => join(root, dir)),
  packageOptions: {
    entryPoints: ['src/index.ts'],
    readme: 'README.md',
    excludeInternal: true,
    // Of the schema of ONNX files, which is generated.
    blockTags: [...OptionDefaults.blockTags, '@generated'],
  },
  projectDocuments: Object.values(CONTENTS)
    .flat()
    .map((file) => join(root, file)),
  plugin: [load],
  router: 'anneal',
  disableSources: true,
  hideGenerator: true,
  includeVersion: false,
  includeHierarchySummary: false,
  searchInDocuments: true,
  // A comment of ONNX has names that look like hosts.
  markdownItOptions: { html: true, linkify: false },
  highlightLanguages: ['typescript', 'javascript', 'json', 'jsonc', 'yaml', 'sh', 'html', 'css'],
  navigation: { includeCategories: false, includeGroups: true, includeFolders: false, excludeReferences: false },
  groupOrder: [...Object.keys(CONTENTS), 'Packages', '*'],
  sort: ['kind', 'instance-first', 'alphabetical-ignoring-documents'],
  customCss: join(root, 'scripts/docs/site.css'),
  headings: { readme: false, document: false },
  validation: { notExported: true, invalidLink: true, invalidPath: true, notDocumented: false },
  treatWarningsAsErrors: true,
  treatValidationWarningsAsErrors: true,
};

/** @returns {Promise<number>} an exit code */
async function build(out) {
  const app = await Application.bootstrapWithPlugins({ ...OPTIONS, out });
  const project = await app.convert();
  if (project === undefined) return 1;
  app.validate(project);
  await app.generateOutputs(project);
  if (app.logger.hasErrors() || app.logger.hasWarnings()) return 1;
  const { links, dead } = checkLinks(out);
  for (const line of dead) console.error(line);
  console.log(`${links} links, ${dead.length} of them dead`);
  return dead.length > 0 ? 1 : 0;
}

const out = resolve(process.argv[2] ?? join(root, 'docs/dist'));
// Declarations of the other packages are what a package is documented with.
const compiled = tool('typescript/bin/tsc', ['-b', ...libraries.map(({ dir }) => dir)]).status ?? 1;
process.exitCode = compiled === 0 ? await build(out) : compiled;
