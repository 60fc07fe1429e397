import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

import { CreateError } from './error.ts';
import type { Asker } from './asker.ts';
import type { AnswerFlag, TemplateName } from './flags.ts';
import { Cancelled, interview } from './interview.ts';
import { ignoreFor, manifestFor } from './manifest.ts';
import { TEMPLATES } from './templates/index.ts';
import type { Answers, Project } from './templates/types.ts';

/** Where and how a project is made. */
export interface CreateOptions {
  /** Absolute; made when it does not exist. */
  readonly folder: string;
  /** What a flag says; `undefined` leaves the question open. */
  flag(name: AnswerFlag): string | undefined;
  /** Asks what flags leave open; without it the defaults answer. */
  readonly asker: Asker | undefined;
  /** Overwrite files that exist, but for package.json and .gitignore, which are added to. */
  readonly force: boolean;
  /** Environment: which package manager runs this. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** What was made. */
export interface Created {
  /** The template that was chosen. */
  readonly template: TemplateName;
  /** Answers to the questions that it asks. */
  readonly answers: Answers;
  /** Paths in the folder that were written. */
  readonly files: readonly string[];
  /** Paths that were there already and stay as they were. */
  readonly kept: readonly string[];
  /** Packages that package.json has now. */
  readonly added: readonly string[];
  /** Commands to go on with, in the folder. */
  readonly next: readonly string[];
}

const templates = new URL('../templates/', import.meta.url);

/** The bytes of the files of a project. Texts have its names filled in; a model is copied as it is. */
function* contents({ files, copies, replace }: Project): Generator<[path: string, content: string | Uint8Array]> {
  yield* Object.entries(files);
  for (const [path, from] of Object.entries(copies)) {
    const file = new URL(from, templates);
    if (/\.(onnx|jsonl)$/.test(path) || path.startsWith('model/')) yield [path, readFileSync(file)];
    else {
      const text = replace.reduce((all, [word, by]) => all.replaceAll(word, by), readFileSync(file, 'utf8'));
      yield [path, text];
    }
  }
}

function write(file: string, content: string | Uint8Array): void {
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  } catch (cause) {
    throw new CreateError(`${file} could not be written`, { fix: 'free space, or correct the permissions', cause });
  }
}

/** Never over the work of somebody else without a yes. */
async function mayWrite(guards: readonly string[], { folder, force, asker }: CreateOptions): Promise<void> {
  const existing = guards.find((name) => existsSync(join(folder, name)));
  if (existing === undefined || force) return;
  if (asker === undefined) {
    throw new CreateError(`there is one already: ${existing}`, {
      fix: 'use `--force` to write over files that exist, or another folder',
    });
  }
  if ((await asker.confirm(`${existing} exists. Write a new one over it or beside it?`, false)) !== true)
    throw new Cancelled();
}

const LOCKS: Readonly<Record<string, string>> = { 'pnpm-lock.yaml': 'pnpm', 'yarn.lock': 'yarn', 'bun.lock': 'bun' };

/** The package manager whose lockfile is there, or that runs this. */
function manager(folder: string, env: CreateOptions['env']): string {
  const locked = Object.entries(LOCKS).find(([file]) => existsSync(join(folder, file)))?.[1];
  return locked ?? /^(npm|pnpm|yarn|bun)\//.exec(env['npm_config_user_agent'] ?? '')?.[1] ?? 'npm';
}

/**
 * Asks what flags leave open and writes a project. Files that exist are kept, unless `force` or the user says otherwise.
 *
 * @returns `undefined` when the user stopped; nothing was written then
 * @throws CreateError: nothing was written, unless the cause is that a file could not be
 */
export async function create(options: CreateOptions): Promise<Created | undefined> {
  const { folder, env } = options;
  try {
    const { template, answers } = await interview({ ...options, folder: basename(folder) });
    const { guards, project: make } = TEMPLATES[template];
    await mayWrite(guards, options);
    const project = make(answers);
    const manifest = manifestFor(folder, project);
    const ignore = ignoreFor(folder, project.ignored);
    const always = { 'package.json': manifest.text, ...(ignore === undefined ? {} : { '.gitignore': ignore }) };
    const all = new Map<string, string | Uint8Array>([...contents(project), ...Object.entries(always)]);
    const isMine = (path: string): boolean => path in project.files || path in always || guards.includes(path);
    const kept = options.force ? [] : [...all.keys()].filter((path) => !isMine(path) && existsSync(join(folder, path)));
    const files = [...all.keys()].filter((path) => !kept.includes(path));
    for (const path of files) write(join(folder, path), all.get(path)!);
    const install = manifest.added.length === 0 ? [] : [`${manager(folder, env)} install`];
    return { template, answers, files, kept, added: manifest.added, next: [...install, ...project.next] };
  } catch (error) {
    if (error instanceof Cancelled) return undefined;
    throw error;
  }
}
