import type { ErrorCode, ErrorDetails, AnnealError } from '../errors/error.ts';
import type { Hooks, Scoped } from '../hooks/types.ts';
import type { Logger } from '../observe/logger.ts';
import type { Run } from '../run.ts';
import type { StandardSchemaV1 } from './schema.ts';

/** Validates and completes a plugin's options: any Standard Schema (valibot, zod, arktype …). */
export type OptionSchema<In, Out = In> = StandardSchemaV1<In, Out>;

/** What a plugin does, given to {@link definePlugin}. */
export interface PluginSpec<In, Out> {
  /** kebab-case, e.g. `label-smoothing`. */
  readonly name: string;
  /** Part of cache keys. @defaultValue `'0.0.0'` */
  readonly version?: string | undefined;
  /** Options as a user writes them, and as `setup` gets them. */
  readonly options: OptionSchema<In, Out>;
  /** Before (`pre`) or after (`post`) the plugins without it. */
  readonly enforce?: 'pre' | 'post' | undefined;
  /** Names of plugins that must come later, when they are there. */
  readonly before?: readonly string[] | undefined;
  /** Names of plugins that must come earlier, when they are there. */
  readonly after?: readonly string[] | undefined;
  /** Taps hooks. Runs once per stage; nothing may be kept in closures that belongs to one run: use `api.state`. */
  setup(api: PluginApi, options: Out): void | Promise<void>;
}

/** A plugin with its options, as it stands in a config. Made by the factory that {@link definePlugin} returns. */
export interface Plugin {
  /** As in {@link PluginSpec.name}. */
  readonly name: string;
  /** As in {@link PluginSpec.version}. */
  readonly version: string;
  /** As in {@link PluginSpec.enforce}. */
  readonly enforce: 'pre' | 'post' | undefined;
  /** As in {@link PluginSpec.before}. */
  readonly before: readonly string[];
  /** As in {@link PluginSpec.after}. */
  readonly after: readonly string[];
  /** As the user gave them; part of cache keys, so they must be plain data. */
  readonly options: unknown;
  /** File that called `definePlugin`: the code of its package is part of cache keys. */
  readonly source: string | undefined;
  /** Of the options. */
  readonly schema: OptionSchema<unknown, unknown>;
  /** Taps hooks. */
  readonly setup: (api: PluginApi, options: unknown) => void | Promise<void>;
  /** Recognises plugins of another copy of this package. */
  readonly [PLUGIN]: true;
}
export const PLUGIN: unique symbol = Symbol.for('anneal.plugin') as never;

/** Makes a plugin from options; carries the schema for tools. The argument is optional exactly when all options are. */
export interface PluginFactory<In> {
  (...args: {} extends In ? [options?: In] : [options: In]): Plugin;
  /** Name of the plugins that it makes. */
  readonly pluginName: string;
  /** Of the options. */
  readonly schema: OptionSchema<In, unknown>;
}

/** What `setup` gets. */
export interface PluginApi {
  /** Name of the stage that is being set up. */
  readonly stage: string;
  /** Absolute folder of the config: relative paths in options start here. */
  readonly root: string;
  /** `production`, or what `--mode` says. */
  readonly mode: string;
  /** Seed of the config. */
  readonly seed: number;
  /** Hooks by group; `tap` attributes errors and timings to this plugin. */
  readonly hooks: Scoped<Hooks>;
  /** Tagged with this plugin's name. */
  readonly logger: Logger;
  /**
   * State that belongs to one run: `const seen = api.state(() => new Map())`, then `seen(run)`. It does not survive a
   * phase that comes from the cache: what later phases need goes into `run.artifacts`.
   */
  state<T>(create: (run: Run) => T): (run: Run) => T;
  /** Declares a file or folder whose contents this plugin's results depend on: part of the cache key. */
  dependsOn(path: string): void;
  /** An error with this plugin's name on it. */
  error(code: ErrorCode, message: string, details?: ErrorDetails): AnnealError;
}
