// `npm test`: install → references → types → lint → format → tests. Arguments go to vitest (for example a path).
// Every step runs, so that one call shows everything that is wrong. The last line is `tests: N passed, N failed`;
// a step before the tests that fails counts as one failure, so that line is never green when the exit code is not.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { countTests } from './count.mjs';
import { install, root, tool } from './workspace.mjs';

const started = performance.now();
const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`;
let failed = 0;

/** @param {() => number} run returns an exit code */
function step(name, run) {
  const since = performance.now();
  const ok = run() === 0;
  if (!ok) failed += 1;
  console.log(`${ok ? '✓' : '✗'} ${name} (${seconds(since)})`);
  return ok;
}

function finish({ passed = 0, skipped = 0 } = {}) {
  if (passed === 0 && failed === 0) console.error('No test ran.');
  console.log(`finished in ${seconds(started)}`);
  console.log(`tests: ${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
}

if (!step('install', install)) finish();
else {
  const run = (path, ...args) => tool(path, args).status ?? 1;
  step('references', () => tool('../scripts/sync-references.mjs', ['--check']).status ?? 1);
  step('types', () => run('typescript/bin/tsc', '-b'));
  step('lint', () => run('oxlint/bin/oxlint', '--deny-warnings', '--type-aware'));
  step('format', () => run('oxfmt/bin/oxfmt', '--check'));

  const folder = join(root, 'node_modules', '.cache', 'anneal');
  const file = join(folder, 'vitest.json');
  mkdirSync(folder, { recursive: true });
  rmSync(file, { force: true });
  const code = run(
    'vitest/vitest.mjs',
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${file}`,
    ...process.argv.slice(2),
  );
  const counts = countTests(file, code);
  failed += counts.failed;
  finish(counts);
}
