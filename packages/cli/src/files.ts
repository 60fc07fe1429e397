import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, relative } from 'node:path';

import { AnnealError, type JsonObject } from '@anneal/core';

/** A path as people write it: relative when that is shorter. */
export function shortPath(cwd: string, path: string): string {
  const way = relative(cwd, path) || '.';
  return way.length < path.length ? way : path;
}

/**
 * Writes a text file, with its folder.
 *
 * @throws AnnealError `ANNEAL_E_WRITE`
 */
export function writeText(file: string, text: string): void {
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  } catch (cause) {
    throw new AnnealError('ANNEAL_E_WRITE', 'the file could not be written', { file, cause });
  }
}

/**
 * Rows of a JSON Lines file; empty lines are skipped.
 *
 * @throws AnnealError `ANNEAL_E_DATA` for a file or a line that cannot be read
 */
export function readRows(file: string): readonly JsonObject[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new AnnealError('ANNEAL_E_DATA', 'the rows cannot be read', { file, cause });
  }
  return text.split(/\r?\n/).flatMap((line, i) => (line.trim() === '' ? [] : [parseRow(line, file, i + 1)]));
}

function parseRow(line: string, file: string, number: number): JsonObject {
  const fail = (cause?: unknown): AnnealError =>
    new AnnealError('ANNEAL_E_DATA', `line ${number} is not a JSON object`, {
      file,
      fix: 'write one object per line, such as {"text": "…"}',
      cause,
    });
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw fail(cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw fail();
  return value as JsonObject;
}

/** A JSON object, or `undefined` when the file is not there or is none. */
export function readJson(file: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
  } catch {
    return undefined;
  }
}
