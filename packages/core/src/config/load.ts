import { dirname, resolve } from 'node:path';
import process from 'node:process';

import { findConfig, readConfig } from './files.ts';
import { type ResolveOptions, resolveRaw } from './resolve.ts';
import type { ResolvedConfig } from './types.ts';

/** Where {@link loadConfig} looks and what it puts on top. */
export interface LoadOptions extends Pick<ResolveOptions, 'mode' | 'command' | 'set'> {
  /** Where the search starts, and what a relative `file` is relative to. @defaultValue the working directory */
  readonly cwd?: string | undefined;
  /** The config file; found by searching upwards to the nearest package.json when absent. */
  readonly file?: string | undefined;
}

/**
 * Finds, reads and resolves a config: `anneal.config.{ts,mts,mjs,js,json,yaml,yml}`, or the `anneal` key of
 * package.json.
 *
 * @throws AnnealError as {@link resolveConfig} does
 */
export async function loadConfig({ cwd = '.', file, ...options }: LoadOptions = {}): Promise<ResolvedConfig> {
  const folder = resolve(process.cwd(), cwd);
  const raw = file === undefined ? await findConfig(folder) : await readConfig(resolve(folder, file));
  return resolveRaw(raw, { ...options, root: dirname(raw.file) });
}
