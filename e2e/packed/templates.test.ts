import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import type { Report } from '@anneal/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { install, NODES, type Place, readJson } from './install.ts';

const PROJECTS = ['text-classifier', 'llm-lora', 'compress-onnx'] as const;
const PLUGIN = 'anneal-plugin-quick-stop';

let place: Place;

beforeAll(async () => {
  place = await install(async ({ tarballs, run }) => {
    const create = ['exec', '--yes', `--package=${tarballs['create-anneal']}`, '--', 'create-anneal'];
    // Nobody answers here: flags and defaults do.
    for (const template of PROJECTS) await run('npm', [...create, template, '--template', template]);
    await run('npm', [...create, PLUGIN, '--template', 'plugin']);
  });
});
afterAll(() => rmSync(place.root, { recursive: true, force: true }));

it('has every package of Anneal from a tarball', () => {
  const { packages } = readJson(place.root, 'node_modules/.package-lock.json') as {
    readonly packages: Readonly<Record<string, { readonly resolved?: string }>>;
  };
  const own = Object.entries(packages).filter(([path]) => /^node_modules\/(@anneal\/|anneal$)/.test(path));
  expect(own.length).toBeGreaterThan(10);
  for (const [path, { resolved }] of own) expect(resolved, path).toMatch(/^file:.*\.tgz$/);
});

describe.each(NODES)('on Node %s', (node) => {
  it('is that Node', async () => {
    expect(await place.run('node', ['--version'], { node })).toMatch(new RegExp(`^v${node}\\.`));
  });

  it.each(PROJECTS)('%s passes its own tests', async (cwd) => {
    expect(await place.run('npm', ['test'], { cwd, node })).toMatch(/^# pass [1-9]|ℹ pass [1-9]/m);
  });

  it.each(PROJECTS)('%s is built, from nothing', async (cwd) => {
    for (const made of ['dist', '.anneal']) rmSync(join(place.root, cwd, made), { recursive: true, force: true });
    await place.run('npm', ['run', 'build'], { cwd, node });
    const report = readJson(place.root, cwd, 'dist/report.json') as Report;
    expect(report.gates.every(({ passed }) => passed)).toBe(true);
    expect(report.name).toBe(cwd);
    expect(existsSync(join(place.root, cwd, 'dist/onnx/model.onnx'))).toBe(true);
  });

  it('a plugin passes its own tests and is built', async () => {
    expect(await place.run('npm', ['test'], { cwd: PLUGIN, node })).toMatch(/Tests .*\d+ passed/);
    await place.run('npm', ['run', 'build'], { cwd: PLUGIN, node });
    expect(
      await place.run('node', ['-e', `import('${PLUGIN}').then((m) => console.log(Object.keys(m).join()))`], { node }),
    ).toBe('default,quickStop\n');
  });
});
