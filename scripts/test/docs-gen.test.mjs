import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ERROR_REFERENCE } from '../../packages/core/src/errors/reference.ts';
import { CODES } from '../../packages/core/src/errors/codes.ts';
import { errorsPage } from '../docs-gen.mjs';

const page = readFileSync(new URL('../../docs/reference/errors.md', import.meta.url), 'utf8');

it.each(Object.entries(CODES))('the page has a section for %s', (code, meaning) => {
  const [, section] = page.split(`\n## ${code}\n\n`);
  expect(section).toBeDefined();
  expect(section.startsWith(`${meaning}\n\n`)).toBe(true);
});

it('the page is up to date', () => {
  expect(page).toBe(errorsPage(ERROR_REFERENCE));
});
