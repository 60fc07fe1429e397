import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { build } from '../embed.ts';

const root = join(import.meta.dirname, '..');

it('is what the README of core shows', () => {
  const readme = readFileSync(join(root, '../../packages/core/README.md'), 'utf8');
  const [, block] = /```ts\n([^]*?)```/.exec(readme) ?? [];
  expect(block).toBe(readFileSync(join(root, 'embed.ts'), 'utf8'));
});

it('says what is wrong with a config, and nothing of a stop', async () => {
  const said: string[] = [];
  const say = (line: string): void => void said.push(line);
  const { signal } = new AbortController();
  expect(await build({ seed: -1 }, root, { signal, say })).toBeUndefined();
  expect(said).toHaveLength(1);
  expect(said[0]).toContain('ANNEAL_E_CONFIG');
  said.length = 0;
  const cacheDir = '/dev/null/cache';
  expect(await build({ cacheDir }, root, { signal: AbortSignal.abort(), say })).toBeUndefined();
  expect(said.map((line) => line.split(':')[1])).toEqual(Array.from({ length: 6 }, () => ' was never done'));
});
