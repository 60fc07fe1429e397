import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

import { expect, it } from 'vitest';

import { folder } from './job.ts';
import { project } from './project.ts';

/** Files below a folder with their bytes and times. */
function stateOf(root: string): unknown {
  const entries = readdirSync(root, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted()
    .map((file) => [file, statSync(file).mtimeMs, readFileSync(file, 'latin1')]);
}

// Node 24 has dropped the prefix.
const flag = process.allowedNodeEnvironmentFlags.has('--permission') ? '--permission' : '--experimental-permission';

it('a run writes where it is told to and nowhere else, calls nobody, and leaves the process as it was', () => {
  const root = project();
  const before = stateOf(root);
  const place = folder();
  const [out, cacheDir] = [join(place, 'out'), join(place, 'cache')];
  for (const path of [out, cacheDir]) mkdirSync(path);
  // The module looks for packages from where it is.
  const script = join(root, 'node_modules', '..', 'sandbox.mjs');
  cpSync(fileURLToPath(new URL('sandbox.mjs', import.meta.url)), script);
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [
      flag,
      '--allow-fs-read=*',
      ...[out, cacheDir].map((path) => `--allow-fs-write=${path}/*`),
      // ONNX Runtime, its worker, and the process that memory is measured in.
      '--allow-addons',
      '--allow-worker',
      '--allow-child-process',
      '--no-warnings',
      script,
      join(out, 'dist'),
      cacheDir,
    ],
    { cwd: root, encoding: 'utf8' },
  );
  expect([status, stderr]).toEqual([0, '']);
  const told = JSON.parse(stdout) as Record<'accepted' | 'network' | 'before' | 'after', unknown>;
  expect(told).toMatchObject({ accepted: true, network: [] });
  expect(told.after).toEqual(told.before);
  expect(readdirSync(place).toSorted()).toEqual(['cache', 'out']);
  expect(readdirSync(out)).toEqual(['dist']);
  expect(dirname(script)).toBe(root);
  expect((stateOf(root) as [string][]).filter(([file]) => file !== script)).toEqual(before);
});
