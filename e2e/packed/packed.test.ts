import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { configs } from './config.ts';
import { install, NODES, type Place, readJson } from './install.ts';
import { PLUGIN, PROJECTS, templates } from './templates.ts';
import { OTHERS, PROJECT, thirdParty, thirdPartyConfigs, unpackOthers } from './third-party.ts';

const examples = join(import.meta.dirname, '../../examples/third-party');

let place: Place;

// One installation for everything, because it takes longer than what is tested.
beforeAll(async () => {
  place = await install(async ({ root, tarballs, run }) => {
    const create = ['exec', '--yes', `--package=${tarballs['create-anneal']}`, '--', 'create-anneal'];
    // Nobody answers here: flags and defaults do.
    for (const template of PROJECTS) await run('npm', [...create, template, '--template', template]);
    await run('npm', [...create, PLUGIN, '--template', 'plugin']);
    for (const name of [...OTHERS, PROJECT]) cpSync(join(examples, name), join(root, name), { recursive: true });
    cpSync(join(root, 'text-classifier/data'), join(root, PROJECT, 'data'), { recursive: true });
  });
  await unpackOthers(place);
});
afterAll(() => {
  rmSync(place.root, { recursive: true, force: true });
});

it('every package of Anneal comes from a tarball', () => {
  const { packages } = readJson(place.root, 'node_modules/.package-lock.json') as {
    readonly packages: Readonly<Record<string, { readonly resolved?: string }>>;
  };
  const own = Object.entries(packages).filter(([path]) => /^node_modules\/(@anneal\/|anneal$)/.test(path));
  expect(own.length).toBeGreaterThan(10);
  for (const [path, { resolved }] of own) expect(resolved, path).toMatch(/^file:.*\.tgz$/);
});

describe.each(NODES)('on Node %s', (node) => {
  it('which it is', async () => {
    expect(await place.run('node', ['--version'], { node })).toMatch(new RegExp(`^v${node}\\.`));
  });

  templates(() => place, node);
  thirdParty(() => place, node);
});

configs(() => place);
thirdPartyConfigs(() => place);
