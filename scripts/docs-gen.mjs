// `pnpm docs:gen`: writes the pages of docs/reference that are made from tables in the code; `--check` only compares.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hookLists, withHooks } from './docs/hook-pages.mjs';
import { commandsPage, configPage, optionsPage } from './docs/reference-pages.mjs';

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

/** Text by file, relative to the root. Sources are imported: run with the condition `@anneal/source`. */
export async function pages() {
  const { ERROR_REFERENCE } = await import('../packages/core/src/errors/reference.ts');
  const { configJsonSchema } = await import('../packages/core/src/config/json-schema.ts');
  const hooks = [...hookLists()].map(([group, list]) => {
    const name = `docs/hooks/${group}.md`;
    return [name, withHooks(read(name), list)];
  });
  return {
    'docs/reference/errors.md': errorsPage(ERROR_REFERENCE),
    'docs/reference/commands.md': commandsPage(await import('../packages/cli/src/args.ts')),
    'docs/reference/config.md': configPage(await configJsonSchema([])),
    'docs/reference/options.md': await optionsPage(configJsonSchema),
    ...Object.fromEntries(hooks),
  };
}

/** A page that does not exist yet is empty. */
function read(name) {
  const file = join(root, name);
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}

async function main(check) {
  const stale = [];
  for (const [name, text] of Object.entries(await pages())) {
    const file = join(root, name);
    if (read(name) === text) continue;
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

const CONDITION = '--conditions=@anneal/source';

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.execArgv.includes(CONDITION)) await main(process.argv.includes('--check'));
  else {
    // Sources of packages import each other by name: a process of its own finds sources under those names.
    const source = new URL('./source.mjs', import.meta.url).href;
    const args = [CONDITION, '--import', source, ...process.argv.slice(1)];
    process.exitCode = spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1;
  }
}
