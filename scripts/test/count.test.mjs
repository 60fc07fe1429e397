import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { countTests } from '../count.mjs';
import { root } from '../workspace.mjs';

/** Runs the real vitest on one file, or on none, in a folder of its own. */
function run(text) {
  const cache = join(root, 'node_modules', '.cache');
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'count-'));
  try {
    writeFileSync(join(folder, 'vitest.config.mjs'), "export default { test: { include: ['a.mjs'] } };\n");
    if (text !== undefined) writeFileSync(join(folder, 'a.mjs'), `import { expect, it } from 'vitest';\n${text}`);
    const report = join(folder, 'report.json');
    const { status } = spawnSync(
      process.execPath,
      [join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--reporter=json', `--outputFile=${report}`],
      { cwd: folder },
    );
    return { status, counts: countTests(report, status) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

it.each([
  ['passes, failures and skips', "it('a', () => {}); it('b', () => expect(1).toBe(2)); it.skip('c');", 1, [1, 1, 1]],
  ['only passes', "it('a', () => {});", 0, [1, 0, 0]],
  ['a file that cannot be loaded', "import './missing.mjs'; it('a', () => {});", 1, [0, 1, 0]],
  ['an unhandled error', "it('a', () => { Promise.reject(new Error('late')); });", 1, [1, 1, 0]],
  ['no tests', undefined, 1, [0, 0, 0]],
])('counts %s', (_name, text, status, [passed, failed, skipped]) => {
  expect(run(text)).toEqual({ status, counts: { passed, failed, skipped } });
});

it('counts a crash without a report as a failure', () => {
  expect(countTests(join(root, 'no-such-report.json'), 1)).toEqual({ passed: 0, failed: 1, skipped: 0 });
});
