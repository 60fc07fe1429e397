import { readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';

import { TEMPLATE_NAMES } from 'create-anneal';
import { describe, expect, it } from 'vitest';

import { listing, made } from './folder.ts';

const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  readonly devDependencies: Readonly<Record<string, string>>;
};

/** Packages that a text of TypeScript or JavaScript imports. */
const imported = (text: string): readonly string[] =>
  [...text.matchAll(/^import .*?from '([^'.][^']*)'/gms)]
    .map(([, name = '']) => name)
    .filter((name) => !isBuiltin(name))
    .map((name) =>
      name
        .split('/')
        .slice(0, name.startsWith('@') ? 2 : 1)
        .join('/'),
    );

describe.each(TEMPLATE_NAMES)('%s', (template) => {
  it('depends on what it imports, at versions that this package was released with', async () => {
    const { root, read, json } = await made({ template });
    const { dependencies = {}, devDependencies = {} } = json('package.json') as Record<string, Record<string, string>>;
    const all: Record<string, string> = { ...dependencies, ...devDependencies };
    const code = listing(root).filter((path) => /\.[jt]s$/.test(path));
    for (const path of code) for (const name of imported(read(path))) expect(all, path).toHaveProperty([name]);
    for (const [name, range] of Object.entries(all))
      expect([name, range]).toEqual([name, manifest.devDependencies[name]]);
    expect(Object.keys(all).length).toBeGreaterThan(4);
  });

  it('has a README and a test', async () => {
    const { root } = await made({ template });
    expect(listing(root)).toEqual(
      expect.arrayContaining(['README.md', expect.stringMatching(/^test\/.*\.test\.[jt]s$/)]),
    );
  });
});
