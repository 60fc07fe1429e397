import type { ErrorCode, ErrorDetails, AnnealError } from '../errors/error.ts';
import type { CallableGroup, HookDeclarations } from '../hooks/kinds.ts';
import type { Hooks, PluginHooks, Scoped, ScopedGroup } from '../hooks/types.ts';
import type { Logger } from '../observe/logger.ts';
import type { Run } from '../run.ts';
import type { StandardSchemaV1 } from './schema.ts';

/** Validates and completes a plugin's options: any Standard Schema (valibot, zod, arktype …). */
export type OptionSchema<In, Out = In> = StandardSchemaV1<In, Out>;

/** Something that is on its way out. */
export interface Deprecation {
  /** Version of the plugin since which it is. */
  readonly since: string;
  /** What to use instead, as a sentence goes on after "use": `` `loraAlpha` ``. */
  readonly use: string;
}

/** An option that is on its way out. */
export interface OptionDeprecation {
  /** Version of the plugin since which it is. */
  readonly since: string;
  /** The option that takes its value; the schema then has only that one. */
  readonly to?: string | undefined;
  /** What to use instead, where no other option takes its value. */
  readonly use?: string | undefined;
}

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
  /** Names of plugins that must come later, when they are there; `lora` means all of its instances. */
  readonly before?: readonly string[] | undefined;
  /** Names of plugins that must come earlier, when they are there. */
  readonly after?: readonly string[] | undefined;
  /** What other plugins can rely on while this one is there, e.g. `tokenizer`: that rows have `input_ids`. */
  readonly provides?: readonly string[] | undefined;
  /** What some other plugin of the stage must provide; those that do are set up before. */
  readonly requires?: readonly string[] | undefined;
  /** Versions of core that it works with: `>=0.2 <1`. @defaultValue the peer range of `@anneal/core` in its package.json */
  readonly core?: string | undefined;
  /** The plugin is on its way out. */
  readonly deprecated?: Deprecation | undefined;
  /** Options on their way out, by name. */
  readonly deprecatedOptions?: Readonly<Record<string, OptionDeprecation>> | undefined;
  /** Taps hooks. Runs once per stage; nothing may be kept in closures that belongs to one run: use `api.state`. */
  setup(api: PluginApi, options: Out): void | Promise<void>;
}

/** A plugin with its options, as it stands in a config. Made by the factory that {@link definePlugin} returns. */
export interface Plugin {
  /** As in {@link PluginSpec.name}; of an instance with its own name behind: `lora#encoder`. */
  readonly name: string;
  /** As in {@link PluginSpec.version}. */
  readonly version: string;
  /** As in {@link PluginSpec.enforce}. */
  readonly enforce: 'pre' | 'post' | undefined;
  /** As in {@link PluginSpec.before}. */
  readonly before: readonly string[];
  /** As in {@link PluginSpec.after}. */
  readonly after: readonly string[];
  // A plugin that another version of core made may lack what follows here.
  /** As in {@link PluginSpec.provides}. */
  readonly provides?: readonly string[] | undefined;
  /** As in {@link PluginSpec.requires}. */
  readonly requires?: readonly string[] | undefined;
  /** As in {@link PluginSpec.core}. */
  readonly core?: string | undefined;
  /** As in {@link PluginSpec.deprecated}. */
  readonly deprecated?: Deprecation | undefined;
  /** As in {@link PluginSpec.deprecatedOptions}. */
  readonly deprecatedOptions?: Readonly<Record<string, OptionDeprecation>> | undefined;
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
  /**
   * One of several plugins of this kind in a stage: `lora.instance('encoder', { r: 4 })` is called `lora#encoder`, in
   * errors and reports too, has options and state of its own, and names what it writes with `api.own`.
   */
  instance(...args: {} extends In ? [id: string, options?: In] : [id: string, options: In]): Plugin;
  /** Name of the plugins that it makes. */
  readonly pluginName: string;
  /** Of the options. */
  readonly schema: OptionSchema<In, unknown>;
}

/** What `setup` gets. */
export interface PluginApi {
  /** Name of this plugin in the stage: `lora`, or `lora#encoder`. */
  readonly name: string;
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
  /**
   * Declares hooks that other plugins tap and this one calls. Their types stand in {@link PluginHooks}, under the name of
   * the plugin.
   *
   * ```ts
   * const hooks = api.provideHooks('prune', { shouldPrune: 'sync-bail' });
   * // later, in a tap
   * if (hooks.shouldPrune.call(name) ?? true) …
   * ```
   */
  provideHooks<N extends keyof PluginHooks>(
    name: N,
    declarations: HookDeclarations<PluginHooks[N]>,
  ): CallableGroup<PluginHooks[N]>;
  /**
   * The hooks of another plugin, set up before or after this one: of all its instances, or with `prune#encoder` of one.
   * Where that plugin is not in the stage, setting up fails, or with `optional` nothing happens.
   */
  hooksOf<N extends Extract<keyof PluginHooks, string>>(
    name: N | `${N}#${string}`,
    options?: { readonly optional?: boolean | undefined },
  ): ScopedGroup<PluginHooks[N]>;
  /**
   * A name that other instances of this plugin do not use, for artifacts, files and sections of reports: `adapter` is
   * `adapter-encoder` in `lora#encoder`, and `tokenizer.json` is `tokenizer-encoder.json`.
   */
  own(name: string): string;
  /** Warns, once, that something is on its way out; with `--strict` it is an error. `what` begins a sentence. */
  deprecate(what: string, deprecation: Deprecation): void;
  /** An error with this plugin's name on it. */
  error(code: ErrorCode, message: string, details?: ErrorDetails): AnnealError;
}
