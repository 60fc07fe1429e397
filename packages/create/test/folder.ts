import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { type AnswerFlag, type Asker, create, type Created } from 'create-anneal';
import { onTestFinished } from 'vitest';

/** A folder with files; texts are written as they are, the rest as JSON. */
export function folder(files: Readonly<Record<string, unknown>> = {}): string {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'create-anneal-')));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return root;
}

/** Every file below a folder. */
export const listing = (root: string): readonly string[] =>
  readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort();

export type Flags = Readonly<Partial<Record<AnswerFlag, string>>>;

export interface Made {
  readonly root: string;
  readonly created: Created | undefined;
  read(path: string): string;
  json(path: string): Record<string, unknown>;
}

/** Makes a project in a folder that has `files`. */
export async function made(
  flags: Flags = {},
  files: Readonly<Record<string, unknown>> = {},
  { asker, force = false, env = {} }: { asker?: Asker; force?: boolean; env?: Record<string, string> } = {},
): Promise<Made> {
  const root = folder(files);
  const created = await create({ folder: root, flag: (name) => flags[name], asker, force, env });
  const read = (path: string): string => readFileSync(join(root, path), 'utf8');
  return { root, created, read, json: (path) => JSON.parse(read(path)) as Record<string, unknown> };
}

/** Answers with what stands under the beginning of the question. */
export function answers(table: Readonly<Record<string, string | boolean | undefined>>): Asker & { asked: string[] } {
  const asked: string[] = [];
  const find = (message: string): unknown => {
    asked.push(message);
    const key = Object.keys(table).find((start) => message.startsWith(start));
    if (key === undefined) throw new Error(`not expected: ${message}`);
    return table[key];
  };
  return {
    asked,
    text: async (message) => find(message) as string | undefined,
    choose: async (message) => find(message) as string | undefined,
    confirm: async (message) => find(message) as boolean | undefined,
  };
}
