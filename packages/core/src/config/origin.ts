import type { Plugin } from '../plugin/types.ts';

/** Where a plugin stands in a config. */
export interface Origin {
  /** Path in the file: `['plugins', 1]`. */
  readonly path: readonly (string | number)[];
  /** Absolute path of the config file; `undefined` for configs of programs. */
  readonly file: string | undefined;
}

/** Kept beside the plugins, not in them: a plugin's fields are part of cache keys, its place in a file is not. */
const origins = new WeakMap<Plugin, Origin>();

export function originOf(plugin: Plugin): Origin | undefined {
  return origins.get(plugin);
}

/** Remembers where a plugin stands and returns it. */
export function placed(plugin: Plugin, origin: Origin): Plugin {
  origins.set(plugin, origin);
  return plugin;
}
