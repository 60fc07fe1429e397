import { relative, resolve } from 'node:path';

import { AnnealError, suggest } from '@anneal/core';
import { create, CreateError } from 'create-anneal';

import type { Command } from '../context.ts';
import { EXIT } from '../exit.ts';

function asAnnealError({ message, fix, unknown, cause }: CreateError): AnnealError {
  const near = unknown && suggest(unknown.value, unknown.known);
  const hint = near === undefined ? '' : `, did you mean \`${near}\`?`;
  const code = cause === undefined ? 'ANNEAL_E_USAGE' : 'ANNEAL_E_WRITE';
  return new AnnealError(code, message + hint, { fix, cause });
}

/** `anneal init [dir]`: what `npm create anneal` does, with the command that is installed already. */
export const init: Command = async (context) => {
  const { io, args, options, style } = context;
  const folder = resolve(io.cwd, args[0] ?? '.');
  const created = await create({
    folder,
    flag: (name) => options.text(name),
    asker: options.flag('yes') ? undefined : await io.asker?.(),
    force: options.flag('force'),
    env: io.env,
  }).catch((error: unknown) => {
    throw error instanceof CreateError ? asAnnealError(error) : error;
  });
  if (created === undefined) {
    io.stderr.write('nothing was written\n');
    return EXIT.stopped;
  }
  const where = relative(io.cwd, folder);
  const shown = (paths: readonly string[]): string[] => paths.map((path) => relative(io.cwd, resolve(folder, path)));
  const { template, files, kept, added, next } = created;
  if (options.flag('json')) context.json({ template, folder, files: shown(files), kept: shown(kept), added });
  const steps = [...(where === '' ? [] : [`cd ${where}`]), ...next];
  context.print(
    [
      `${style.green('✓')} wrote ${shown(files).join(', ')}`,
      ...(kept.length === 0 ? [] : [`kept ${shown(kept).join(', ')}`]),
      '',
      'Next:',
      ...steps.map((step) => `  ${step}`),
    ].join('\n'),
  );
  return EXIT.ok;
};
