import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { SessionFolder } from '../src/session-folder.ts';

let parent: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'anneal-folder-test-'));
});
afterEach(() => rmSync(parent, { recursive: true }));

it('is made when it is needed and removed when it is not', () => {
  const folder = new SessionFolder(parent);
  folder.remove();
  expect(readdirSync(parent)).toEqual([]);
  const path = folder.open();
  writeFileSync(join(path, 'weights.bin'), 'x');
  expect(folder.open()).toBe(path);
  expect(new SessionFolder(parent).open()).not.toBe(path);
  folder.remove();
  folder.remove();
  expect(readdirSync(parent)).toHaveLength(1);
});

it('removes what dead processes of this machine left, and nothing else', () => {
  const { pid: dead } = spawnSync(process.execPath, ['--version']);
  const prefix = `anneal-onnx-${hostname().replaceAll(/[^\w.]/g, '_')}-`;
  const kept = [`${prefix}${process.pid}-alive`, `anneal-onnx-elsewhere-${dead}-x`, `${prefix}x`, 'other'];
  for (const name of [`${prefix}${dead}-x`, ...kept]) mkdirSync(join(parent, name));
  const path = new SessionFolder(parent).open();
  expect(readdirSync(parent).sort()).toEqual([...kept, path.slice(parent.length + 1)].sort());
});

/** Runs a program that never closes its backend. */
function forget(...args: string[]): ReturnType<typeof spawnSync> {
  const source = fileURLToPath(new URL('../../../../scripts/source.mjs', import.meta.url));
  const program = fileURLToPath(new URL('./fixtures/forgetful.ts', import.meta.url));
  const argv = ['--conditions=@anneal/source', '--import', source, program, parent, ...args];
  return spawnSync(process.execPath, argv, { encoding: 'utf8', timeout: 60_000 });
}

it('goes when a process ends without closing its backend, which does not keep it alive', () => {
  expect(forget()).toMatchObject({ status: 0, stdout: 'ran\n', stderr: '' });
  expect(readdirSync(parent)).toEqual([]);
});

it('of a killed process goes with the next backend', () => {
  expect(forget('kill')).toMatchObject({ signal: 'SIGKILL', stdout: 'ran\n' });
  expect(readdirSync(parent)).toHaveLength(1);
  const path = new SessionFolder(parent).open();
  expect(readdirSync(parent)).toEqual([path.slice(parent.length + 1)]);
});
