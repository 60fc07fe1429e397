import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';
import { expect, it } from 'vitest';

import * as browser from '../src/browser.ts';
import * as node from '../src/index.ts';

it('gives a page the same things under the same names', () => {
  const all: Readonly<Record<string, unknown>> = { ...node };
  for (const [name, value] of Object.entries(browser)) expect(all[name], name).toBe(value);
});

it('imports nothing of Node', async () => {
  // For a browser esbuild resolves no module of Node: it fails on each, unless it is left out by name.
  const bundle = (file: string): Promise<unknown> =>
    build({
      entryPoints: [fileURLToPath(new URL(`../src/${file}`, import.meta.url))],
      bundle: true,
      write: false,
      format: 'esm',
      platform: 'browser',
      conditions: ['@anneal/source'],
      logLevel: 'silent',
      target: 'es2023',
    });
  await bundle('browser.ts');
  await expect(bundle('index.ts')).rejects.toThrow('Could not resolve');
});
