import { existsSync, readFileSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';

import { AnnealError, suggest } from '@anneal/core';

import type { Command, Context } from '../context.ts';
import { EXIT } from '../exit.ts';
import { readJson, writeText } from '../files.ts';
import type { Asker } from '../io.ts';
import { version } from '../version.ts';
import { TEXT_CLASSIFIER_PACKAGES, textClassifier, type TextClassifierAnswers } from '../templates/text-classifier.ts';

const TEMPLATES = ['text-classifier'];
const FORMATS = ['ts', 'json'] as const;
const CONFIGS = ['ts', 'mts', 'mjs', 'js', 'json', 'yaml', 'yml'].map((ending) => `anneal.config.${ending}`);
const IGNORED = ['node_modules', 'dist', '.anneal'];

/** The user does not want to go on. */
class Cancelled extends Error {}

function oneOf<T extends string>(value: string, known: readonly T[], option: string): T {
  if ((known as readonly string[]).includes(value)) return value as T;
  const near = suggest(value, known);
  const hint = near === undefined ? '' : `, did you mean \`${near}\`?`;
  throw new AnnealError(
    'ANNEAL_E_USAGE',
    `\`--${option}\` must be one of ${known.join(', ')}, received ${JSON.stringify(value)}${hint}`,
    {
      fix: 'run `anneal init --help`',
    },
  );
}

/** A name that npm takes for a package. */
const packageName = (text: string): string =>
  text
    .toLowerCase()
    .replaceAll(/[^a-z0-9._~-]+/g, '-')
    .replaceAll(/^[._-]+|-+$/g, '')
    .slice(0, 214) || 'model';

/** Flags answer questions; what they leave open is asked, or the default. */
async function answersFor(
  { options }: Context,
  folder: string,
  asker: Asker | undefined,
): Promise<TextClassifierAnswers> {
  const ask = async (option: string, question: string, fallback: string): Promise<string> => {
    const given = options.text(option);
    if (given !== undefined || asker === undefined) return given ?? fallback;
    const answer = await asker.text(question, fallback);
    if (answer === undefined) throw new Cancelled();
    return answer;
  };
  const choose = async (option: string, question: string, known: readonly string[]): Promise<string> => {
    const given = options.text(option);
    const [first = ''] = known;
    if (given !== undefined || asker === undefined || known.length === 1) return oneOf(given ?? first, known, option);
    const answer = await asker.choose(question, known, first);
    if (answer === undefined) throw new Cancelled();
    return answer;
  };
  await choose('template', 'What is to be built?', TEMPLATES);
  return {
    name: await ask('name', 'Name of the project', packageName(basename(folder))),
    data: await ask('data', 'Files with the data (JSON Lines, CSV, text …)', 'data/*.jsonl'),
    text: await ask('text', 'Column of the text', 'text'),
    label: await ask('label', 'Column of the class', 'label'),
    format: oneOf(await choose('format', 'Language of the config', FORMATS), FORMATS, 'format'),
  };
}

/** package.json with what the template needs; entries that exist stay as they are. */
function manifestFor(folder: string, name: string): { readonly text: string; readonly added: readonly string[] } {
  const file = join(folder, 'package.json');
  const isNew = !existsSync(file);
  const before = isNew ? { name: packageName(name), private: true, type: 'module' } : readJson(file);
  if (before === undefined) {
    throw new AnnealError('ANNEAL_E_CONFIG', 'package.json is not a JSON object', { file, fix: 'correct it first' });
  }
  const fields = before as Readonly<Record<string, Readonly<Record<string, string>> | undefined>>;
  const known = { ...fields['dependencies'], ...fields['devDependencies'] };
  const added = TEXT_CLASSIFIER_PACKAGES.filter((pkg) => !Object.hasOwn(known, pkg));
  const range = `^${version()}`;
  const devDependencies = Object.entries({
    ...fields['devDependencies'],
    ...Object.fromEntries(added.map((pkg) => [pkg, range])),
  }).sort(([a], [b]) => (a < b ? -1 : 1));
  const scripts = { ...fields['scripts'] };
  if (!('build' in scripts)) scripts['build'] = 'anneal build';
  else if (!Object.values(scripts).some((script) => script.includes('anneal'))) scripts['anneal'] = 'anneal build';
  const after = { ...before, scripts, devDependencies: Object.fromEntries(devDependencies) };
  return { text: `${JSON.stringify(after, null, 2)}\n`, added };
}

/** .gitignore with the folders that a build writes. */
function ignoreFor(folder: string): string | undefined {
  const file = join(folder, '.gitignore');
  const before = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const lines = before.split(/\r?\n/).map((line) => line.trim().replaceAll(/^\/|\/$/g, ''));
  const missing = IGNORED.filter((name) => !lines.includes(name));
  if (missing.length === 0) return undefined;
  return `${before}${before === '' || before.endsWith('\n') ? '' : '\n'}${missing.map((name) => `${name}/\n`).join('')}`;
}

/** Whether the config may be written: never over another one without a yes. */
async function mayWrite({ io, options }: Context, folder: string, asker: Asker | undefined): Promise<void> {
  const existing = CONFIGS.find((name) => existsSync(join(folder, name)));
  if (existing === undefined || options.flag('force')) return;
  const shown = relative(io.cwd, join(folder, existing));
  if (asker === undefined) {
    throw new AnnealError('ANNEAL_E_USAGE', `there is a config already: ${shown}`, {
      fix: 'use `--force` to write a new one, or another folder',
    });
  }
  if ((await asker.confirm(`${shown} exists. Write a new config over it or beside it?`, false)) !== true)
    throw new Cancelled();
}

/** The command that installs, for the package manager that runs this or whose lockfile is there. */
function installer({ io }: Context, folder: string): string {
  const agent = /^(npm|pnpm|yarn|bun)\//.exec(io.env['npm_config_user_agent'] ?? '')?.[1];
  const locks: Readonly<Record<string, string>> = { 'pnpm-lock.yaml': 'pnpm', 'yarn.lock': 'yarn', 'bun.lock': 'bun' };
  const locked = Object.entries(locks).find(([file]) => existsSync(join(folder, file)))?.[1];
  return `${locked ?? agent ?? 'npm'} install`;
}

/** `anneal init [dir]` */
export const init: Command = async (context) => {
  const { io, args, options, style } = context;
  const folder = resolve(io.cwd, args[0] ?? '.');
  const asker = options.flag('yes') ? undefined : await io.asker?.();
  try {
    await mayWrite(context, folder, asker);
    const answers = await answersFor(context, folder, asker);
    const manifest = manifestFor(folder, answers.name);
    const ignore = ignoreFor(folder);
    const files: Record<string, string> = {
      ...textClassifier(answers),
      'package.json': manifest.text,
      ...(ignore === undefined ? {} : { '.gitignore': ignore }),
    };
    for (const [name, text] of Object.entries(files)) writeText(join(folder, name), text);
    const names = Object.keys(files).map((name) => relative(io.cwd, join(folder, name)));
    if (options.flag('json')) context.json({ folder, files: names, added: manifest.added });
    const where = relative(io.cwd, folder);
    const steps = [
      ...(where === '' ? [] : [`cd ${where}`]),
      ...(manifest.added.length === 0 ? [] : [installer(context, folder)]),
      'npx anneal doctor',
      'npx anneal build',
    ];
    context.print(
      `${style.green('✓')} wrote ${names.join(', ')}\n\nThe data: ${answers.data} with the columns ${answers.text} and ${answers.label}.\nNext:\n${steps.map((step) => `  ${step}`).join('\n')}`,
    );
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof Cancelled)) throw error;
    io.stderr.write('nothing was written\n');
    return EXIT.stopped;
  }
};
