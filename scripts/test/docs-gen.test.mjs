import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { CODES } from '../../packages/core/src/errors/codes.ts';
import { pages } from '../docs-gen.mjs';
import { root } from '../workspace.mjs';

/** Text by file, as it would be written now. */
let generated = {};
const read = (name) => (existsSync(join(root, name)) ? readFileSync(join(root, name), 'utf8') : '');

beforeAll(async () => {
  generated = await pages();
}, 60_000);

it.each([
  ...['errors', 'commands', 'config', 'options'].map((name) => `docs/reference/${name}.md`),
  ...['pipeline', 'data', 'model', 'train', 'compress', 'evaluate', 'emit'].map((name) => `docs/hooks/${name}.md`),
])('%s is up to date: else run `pnpm docs:gen`', (name) => {
  expect(read(name)).toBe(generated[name]);
});

it('knows no other pages', () => {
  expect(Object.keys(generated)).toHaveLength(11);
});

it.each(Object.entries(CODES))('the page of errors has a section for %s', (code, meaning) => {
  const [, section] = read('docs/reference/errors.md').split(`\n## ${code}\n\n`);
  expect(section).toBeDefined();
  expect(section.startsWith(`${meaning}\n\n`)).toBe(true);
});

/** Options in the first column of the tables that say so. */
const optionsIn = (text) =>
  Array.from(text.matchAll(/^\| option \|.*\n\|[-| ]+\|\n((?:\|.*\n?)*)/gm), ([, rows]) => rows.split('\n'))
    .flat()
    .flatMap((row) => row.split(' | ')[0].match(/`[^`]+`/g) ?? [])
    .map((code) => code.replaceAll('`', '').split(':')[0]);

describe('READMEs of plugins list the options that exist', () => {
  const text = read('docs/reference/options.md');
  const sections = text.split('\n## ').slice(1);
  it.each(sections.map((section) => [section.slice(0, section.indexOf('\n')), section]))('%s', (name, section) => {
    const existing = optionsIn(section);
    const readme = read(`packages/plugins/${name}/README.md`);
    const start = readme.indexOf('\n## Options');
    const described = optionsIn(`${readme.slice(start, readme.indexOf('\n## ', start + 1))}\n`);
    const top = (path) => path.split(/[.[]/)[0];
    expect(
      described.filter((path) => !existing.includes(path) && !existing.includes(path.replace('.', '[].'))),
    ).toEqual([]);
    expect([...new Set(existing.map(top))].filter((path) => !described.map(top).includes(path))).toEqual([]);
  });
});
