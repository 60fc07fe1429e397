import type { LoadOptions, Pipeline, ResolvedConfig, RunEvent } from '@anneal/core';

import type { CommandName, Options } from './args.ts';
import { type Io, widthOfOut } from './io.ts';
import type { Style } from './ui/style.ts';

/** What the commands need of core; tests put something else in its place. */
export interface Services {
  /** As in core. */
  loadConfig(options: LoadOptions): Promise<ResolvedConfig>;
  /** As in core. */
  createPipeline(
    config: ResolvedConfig,
    options: { readonly onEvent?: ((event: RunEvent) => void) | undefined },
  ): Promise<Pipeline>;
}

/** What a command gets. */
export interface Context {
  readonly command: CommandName;
  readonly args: readonly string[];
  readonly options: Options;
  readonly io: Io;
  /** For stdout. */
  readonly style: Style;
  /** For stderr. */
  readonly errorStyle: Style;
  readonly services: Services;
  /** A result for people on stdout; nothing with `--json`. */
  print(text: string): void;
  /** A result for programs on stdout. */
  json(value: unknown): void;
}

/** Runs a command; returns the exit code. */
export type Command = (context: Context) => Promise<number>;

/** Columns that results may take. */
export const widthFor = ({ io }: Context): number => widthOfOut(io.stdout);

/** Where lines of a table are broken: nowhere when no terminal shows them. */
export const breakAt = (context: Context): number | undefined =>
  context.io.stdout.columns === undefined ? undefined : widthFor(context);

/** The config of the command line: file, mode, overrides. */
export function loadConfigFor({ command, io, options, services }: Context): Promise<ResolvedConfig> {
  const set = [...options.texts('set')];
  for (const name of ['backend', 'device'] as const) {
    const value = options.text(name);
    if (value !== undefined) set.push(`${name}=${JSON.stringify(value)}`);
  }
  for (const name of ['threads', 'seed'] as const) {
    const value = options.text(name);
    if (value !== undefined) set.push(`${name}=${value}`);
  }
  const maxMemory = options.text('max-memory');
  if (maxMemory !== undefined) set.push(`train.maxMemory=${JSON.stringify(maxMemory)}`);
  return services.loadConfig({ cwd: io.cwd, file: options.text('config'), mode: options.text('mode'), command, set });
}
