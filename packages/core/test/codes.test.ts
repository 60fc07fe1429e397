import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { CODES } from '@anneal/core';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** Text of all files below a folder of the workspace whose path fits. */
function textOf(folder: string, wanted: RegExp): string {
  const entries = readdirSync(join(root, folder), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && wanted.test(join(entry.parentPath, entry.name)))
    .filter(({ parentPath }) => !/[\\/](node_modules|dist)([\\/]|$)/.test(parentPath))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'))
    .join('\n');
}

const tests = textOf('packages', /[\\/]test[\\/].*\.test\.ts$/).replaceAll(/^\s*(\/\/|\*).*$/gm, '');
const sources = textOf('packages', /[\\/]src[\\/](?!errors[\\/]).*\.ts$/);

describe.each(Object.keys(CODES))('%s', (code) => {
  const quoted = new RegExp(`['"\`]${code}['"\`]`);

  it('is raised somewhere', () => {
    expect(sources).toMatch(quoted);
  });

  it('is expected by a test', () => {
    expect(tests.replaceAll(/^.*CODES.*$/gm, '')).toMatch(quoted);
  });
});
