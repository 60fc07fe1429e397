import type { Plugin } from '../plugin/types.ts';

/** Where a plugin stands in a config. */
export interface Origin {
  /** Path in the file: `['plugins', 1]`. */
  readonly path: readonly (string | number)[];
  /** Absolute path of the config file; `undefined` for configs of programs. */
  readonly file: string | undefined;
  /** Names of the presets that it comes from, outermost first. */
  readonly presets?: readonly string[] | undefined;
}

/** ` (of preset \`a\` in \`b\`)`, or nothing: what messages about a plugin of a preset end with. */
export function presetText(origin: Origin | undefined): string {
  const { presets = [] } = origin ?? {};
  if (presets.length === 0) return '';
  return ` (of preset ${presets
    .toReversed()
    .map((name) => `\`${name}\``)
    .join(' in ')})`;
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
