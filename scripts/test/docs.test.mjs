import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CONTENTS } from '../docs/contents.mjs';
import { checkLinks } from '../docs/links.mjs';
import { root } from '../workspace.mjs';

const files = Object.values(CONTENTS).flat();

it('the site has every page of docs/', () => {
  const markdown = readdirSync(join(root, 'docs'), { recursive: true }).filter((file) => file.endsWith('.md'));
  const pages = markdown
    .map((file) => `docs/${file.replaceAll('\\', '/')}`)
    .filter((file) => !file.startsWith('docs/dist/'));
  expect(pages.filter((file) => !files.includes(file))).toEqual([]);
  expect(new Set(files).size).toBe(files.length);
});

describe('a page of a technique says', () => {
  const techniques = CONTENTS.Techniques.filter((file) => !file.endsWith('overview.md'));
  it.each(techniques)('%s', (file) => {
    const headings = Array.from(readFileSync(join(root, file), 'utf8').matchAll(/^## (.+)$/gm), ([, text]) => text);
    expect(headings).toEqual(expect.arrayContaining(['When not to use it', 'Measured', 'Sources']));
  });

  it('what it is, on the overview', () => {
    const overview = readFileSync(join(root, 'docs/techniques/overview.md'), 'utf8');
    const linked = techniques.filter((file) =>
      overview.includes(`(${file.replace('docs/techniques/', '').replace(/^packages/, '../../packages')})`),
    );
    expect(linked).toEqual(techniques);
  });
});

describe('links', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'anneal-links-'));
    mkdirSync(join(folder, 'a/empty'), { recursive: true });
    writeFileSync(join(folder, 'a/b.html'), '<h2 id="here">B</h2>');
    writeFileSync(join(folder, 'index.html'), '');
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each([
    ['a/b.html#here', undefined],
    ['a/b.html#there', 'names a place that is not there'],
    ['#nowhere', 'names a place that is not there'],
    ['a/c.html', 'has no target'],
    ['a/empty', 'leads to a folder'],
    ['.', undefined],
    ['https://example.com/x', undefined],
    ['http://example.com/x', 'is not https'],
  ])('%s', (link, problem) => {
    writeFileSync(join(folder, 'index.html'), `<a href="${link}">x</a>`);
    expect(checkLinks(folder)).toEqual({
      links: 1,
      dead: problem === undefined ? [] : [`index.html: ${link} ${problem}`],
    });
  });
});
