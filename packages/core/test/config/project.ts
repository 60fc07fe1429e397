import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { type AnnealError, isAnnealError } from '@anneal/core';
import { afterAll } from 'vitest';

const fixtures = fileURLToPath(new URL('../fixtures/packages', import.meta.url));

// Projects are folders beside one node_modules, which is installed once per test file.
const parent = realpathSync(mkdtempSync(join(tmpdir(), 'anneal-config-')));
cpSync(fixtures, join(parent, 'node_modules'), { recursive: true });
afterAll(() => rmSync(parent, { recursive: true, force: true }));

/** A folder with the given files, from which the fixture packages resolve; texts are written as they are, the rest as JSON. */
export function project(files: Readonly<Record<string, unknown>> = {}): string {
  const root = mkdtempSync(join(parent, 'project-'));
  for (const [name, content] of Object.entries({ 'package.json': { name: 'fixture', type: 'module' }, ...files })) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return root;
}

/** The error that a promise is rejected with. */
export async function failure(promise: Promise<unknown>): Promise<AnnealError> {
  const error = await promise.then(
    () => new Error('nothing was thrown'),
    (thrown: unknown) => thrown,
  );
  if (!isAnnealError(error)) throw error;
  return error;
}

/** An error and those found with it, as `code at path: message`. */
export const told = (error: AnnealError): readonly string[] =>
  [error, ...error.also].map(({ code, path, message }) => `${code} at ${path?.join('.') ?? '-'}: ${message}`);
