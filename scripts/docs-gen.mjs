// `pnpm docs:gen`: writes the pages of docs/reference that are made from tables in the code; `--check` only compares.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** @param {Readonly<Record<string, { meaning: string, remedy: string }>>} reference */
export function errorsPage(reference) {
  const sections = Object.entries(reference)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([code, { meaning, remedy }]) => `## ${code}\n\n${meaning}\n\n${remedy}\n`);
  return [
    '# Error codes\n',
    'Errors of Anneal have a `code`, a message that says what was received, and where there is one a `fix`.',
    'Problems that are found together are reported together: the others are in `also`.',
    'Plugins have codes of their own, with their own prefix; their READMEs list them.\n',
    'The command exits with 0 when all went well, 1 when the run failed, 2 for a config or a command line that is not valid,',
    '3 when a gate was not met, and 130 after Ctrl-C.\n',
    ...sections,
  ].join('\n');
}

/** Text by file, relative to the root. */
async function pages() {
  await import('./source.mjs');
  const { ERROR_REFERENCE } = await import('../packages/core/src/errors/reference.ts');
  return { 'docs/reference/errors.md': errorsPage(ERROR_REFERENCE) };
}

async function main(check) {
  const stale = [];
  for (const [name, text] of Object.entries(await pages())) {
    const file = join(root, name);
    let before = '';
    try {
      before = readFileSync(file, 'utf8');
    } catch {
      // A page that does not exist yet is stale.
    }
    if (before === text) continue;
    stale.push(relative(root, file));
    if (check) continue;
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  if (stale.length === 0) console.log('generated pages are in sync');
  else if (check) {
    console.error(`Out of date: ${stale.join(', ')}\nRun \`pnpm docs:gen\` and commit the result.`);
    process.exitCode = 1;
  } else console.log(`wrote ${stale.join(', ')}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.includes('--check'));
