import { readFileSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';

import type { Asker } from './asker.ts';
import { create } from './create.ts';
import { CreateError } from './error.ts';
import { type AnswerFlag, FLAGS, TEMPLATE_NAMES } from './flags.ts';
import { TEMPLATES } from './templates/index.ts';

/** What the command has to do with its process. */
export interface Io {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly asker: (() => Promise<Asker>) | undefined;
  out(text: string): void;
  err(text: string): void;
}

const OWN = {
  help: { type: 'boolean', short: 'h', about: 'Show this help' },
  version: { type: 'boolean', short: 'v', about: 'Show the version' },
} as const;

function columns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, about]) => `  ${name.padEnd(width)}  ${about}\n`).join('');
}

function help(): string {
  const flags = Object.entries({ ...FLAGS, ...OWN }).map(([name, flag]): [string, string] => {
    const { short, value, about } = flag as { short?: string; value?: string; about: string };
    return [`${short === undefined ? '    ' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`, about];
  });
  const templates = TEMPLATE_NAMES.map((name): [string, string] => [name, TEMPLATES[name].about]);
  return [
    'npm create anneal [dir] -- [options]\n',
    `Templates\n${columns(templates)}`,
    `Options\n${columns(flags)}`,
    'For example\n  npm create anneal my-filter -- --template text-classifier --data "data/*.csv" --yes\n',
  ].join('\n');
}

function version(): string {
  const manifest = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: { ...FLAGS, ...OWN }, strict: true, allowPositionals: true });
  } catch (error) {
    if ((error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS') !== true) throw error;
    const message = ((error as Error).message.split(/\.\s|\n/)[0] ?? '').replaceAll("'", '`');
    throw new CreateError(message, { fix: 'run `npm create anneal -- --help`' });
  }
}

/** `npm create anneal [dir]`; returns the exit code: 0, 2 for what the user can put right, 130 when the user stopped. */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  try {
    const { values, positionals } = parse(argv);
    if (values['help'] === true || values['version'] === true) {
      io.out(values['help'] === true ? help() : `${version()}\n`);
      return 0;
    }
    if (positionals.length > 1) {
      throw new CreateError(`one folder at most, received ${positionals.join(', ')}`, { fix: 'name one folder' });
    }
    const folder = resolve(io.cwd, positionals[0] ?? '.');
    const flag = (name: AnswerFlag): string | undefined => values[name] as string | undefined;
    const asker = values['yes'] === true ? undefined : await io.asker?.();
    const created = await create({ folder, flag, asker, force: values['force'] === true, env: io.env });
    if (created === undefined) {
      io.err('nothing was written\n');
      return 130;
    }
    const where = relative(io.cwd, folder);
    const steps = [...(where === '' ? [] : [`cd ${where}`]), ...created.next];
    const kept = created.kept.length === 0 ? '' : `kept ${created.kept.join(', ')}\n`;
    io.out(`✓ wrote ${created.files.join(', ')}\n${kept}\nNext:\n${steps.map((step) => `  ${step}\n`).join('')}`);
    return 0;
  } catch (error) {
    if (!(error instanceof CreateError)) throw error;
    io.err(`${error.message}\n  fix ${error.fix}\n`);
    return 2;
  }
}
