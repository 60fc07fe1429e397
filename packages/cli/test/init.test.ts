import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Asker } from 'create-anneal/terminal';
import { expect, it } from 'vitest';

import { main } from '../src/main.ts';
import { fakeIo, fakeServices, folder } from './fakes.ts';

async function init(argv: readonly string[], files: Readonly<Record<string, unknown>> = {}, asker?: Asker) {
  const cwd = folder(files);
  const io = fakeIo({ cwd, ...(asker === undefined ? {} : { asker }) });
  const code = await main(['init', ...argv], io, fakeServices().services);
  const read = (name: string): string => readFileSync(join(cwd, name), 'utf8');
  return { cwd, code, out: io.stdout.text(), err: io.stderr.text(), read };
}

it('writes a template here or in a new folder, and says how to go on', async () => {
  const { code, out, read } = await init(['mail filter', '--label', 'class', '--yes']);
  expect(code).toBe(0);
  expect(read('mail filter/anneal.config.ts')).toContain("columns: { label: 'class' }");
  expect(out).toMatchInlineSnapshot(`
    "✓ wrote mail filter/anneal.config.ts, mail filter/README.md, mail filter/test/build.test.js, mail filter/tsconfig.json, mail filter/data/texts.jsonl, mail filter/package.json, mail filter/.gitignore

    Next:
      cd mail filter
      npm install
      npx anneal doctor
      npx anneal build
    "
  `);
});

it('prints what it did as JSON', async () => {
  const { out, cwd } = await init(['--template', 'plugin', '--name', 'x', '--json'], { 'README.md': 'mine' });
  expect(JSON.parse(out)).toMatchObject({
    template: 'plugin',
    folder: cwd,
    files: expect.arrayContaining(['package.json', 'src/plugin.ts']) as unknown,
    kept: ['README.md'],
    added: expect.arrayContaining(['@anneal/testkit']) as unknown,
  });
});

it('suggests the near template', async () => {
  const { code, err } = await init(['-y', '--template', 'text-clasifier']);
  expect(code).toBe(2);
  expect(err.replaceAll(/\n\s*/g, ' ')).toContain('did you mean `text-classifier`?');
});

it('does not overwrite a config unless told to', async () => {
  const files = { 'anneal.config.mjs': 'export default {}' };
  const refused = await init(['-y'], files);
  expect(refused.code).toBe(2);
  expect(refused.err).toContain('there is one already: anneal.config.mjs');
  expect(existsSync(join(refused.cwd, 'package.json'))).toBe(false);
  expect((await init(['-y', '--force'], files)).code).toBe(0);
});

it('says what cannot be written', async () => {
  const cwd = folder();
  mkdirSync(join(cwd, 'README.md'));
  const io = fakeIo({ cwd });
  expect(await main(['init', '-y', '--force'], io, fakeServices().services)).toBe(1);
  expect(io.stderr.text()).toContain('ANNEAL_E_WRITE');
});

it('writes nothing when the user stops', async () => {
  const stop: Asker = { text: async () => undefined, choose: async () => undefined, confirm: async () => undefined };
  const { code, err, cwd } = await init([], {}, stop);
  expect({ code, err }).toEqual({ code: 130, err: 'nothing was written\n' });
  expect(existsSync(join(cwd, 'package.json'))).toBe(false);
});
