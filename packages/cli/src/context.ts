import type { CacheStore, LoadOptions, Pipeline, PipelineOptions, ResolvedConfig } from '@anneal/core';

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
    options: Pick<PipelineOptions, 'onEvent' | 'onCall' | 'strict'>,
  ): Promise<Pipeline>;
  /** As in core. */
  openCache(config: ResolvedConfig): CacheStore;
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

/** Options that change a value of the config: its path, and whether it is a text whatever it looks like. */
const SHORTHANDS: Readonly<Record<string, { readonly path: string; readonly isText: boolean }>> = {
  backend: { path: 'backend', isText: true },
  device: { path: 'device', isText: true },
  threads: { path: 'threads', isText: false },
  seed: { path: 'seed', isText: false },
  'max-memory': { path: 'train.maxMemory', isText: true },
};

/** The environment variable that stands for an option: `ANNEAL_MAX_MEMORY`. */
const variableOf = (option: string): string => `ANNEAL_${option.toUpperCase().replaceAll('-', '_')}`;

/** What the environment says in the place of an option; an empty variable says nothing. */
const fromEnv = ({ io }: Context, option: string): string | undefined => io.env[variableOf(option)] || undefined;

/** Where the config is and what changes it. What is typed wins over the environment, a flag of its own over `--set`. */
export function loadOptionsFor(context: Context): LoadOptions {
  const { command, io, options } = context;
  const overrides = (read: (option: string) => string | undefined, source: (option: string) => string) =>
    Object.entries(SHORTHANDS).flatMap(([option, { path, isText }]) => {
      const value = read(option);
      if (value === undefined) return [];
      return [{ text: `${path}=${isText ? JSON.stringify(value) : value}`, source: source(option) }];
    });
  return {
    cwd: io.cwd,
    file: options.text('config') ?? fromEnv(context, 'config'),
    mode: options.text('mode') ?? fromEnv(context, 'mode'),
    command,
    set: [
      ...overrides((option) => fromEnv(context, option), variableOf),
      ...options.texts('set'),
      ...overrides(
        (option) => options.text(option),
        (option) => `--${option}`,
      ),
    ],
  };
}

/** The config of the command line, with what the command itself changes. */
export function loadConfigFor(context: Context, more: readonly string[] = []): Promise<ResolvedConfig> {
  const { set = [], ...load } = loadOptionsFor(context);
  return context.services.loadConfig({ ...load, set: [...set, ...more] });
}
