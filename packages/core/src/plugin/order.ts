import { AnnealError } from '../errors/error.ts';
import type { Plugin } from './types.ts';

const TIER: Readonly<Record<string, number>> = { pre: 0, normal: 1, post: 2 };

/**
 * The order in which plugins are set up: by `enforce`, then by declared `before`/`after`, then as listed.
 *
 * @throws AnnealError `ANNEAL_E_PLUGIN` for a cycle (with its path) and for two plugins of one name.
 */
export function orderPlugins(plugins: readonly Plugin[]): readonly Plugin[] {
  const byName = new Map<string, Plugin>();
  for (const plugin of plugins) {
    if (byName.has(plugin.name)) {
      throw new AnnealError('ANNEAL_E_PLUGIN', `the plugin \`${plugin.name}\` is listed twice`, {
        plugin: plugin.name,
        fix: 'remove one, or merge their options',
      });
    }
    byName.set(plugin.name, plugin);
  }
  const tiers = plugins.toSorted((a, b) => (TIER[a.enforce ?? 'normal'] ?? 1) - (TIER[b.enforce ?? 'normal'] ?? 1));
  const needs = new Map<string, Set<string>>(tiers.map((plugin) => [plugin.name, new Set<string>()]));
  for (const plugin of tiers) {
    for (const name of plugin.after) if (byName.has(name)) needs.get(plugin.name)?.add(name);
    for (const name of plugin.before) needs.get(name)?.add(plugin.name);
  }
  const sorted: Plugin[] = [];
  const state = new Map<string, 'visiting' | 'done'>();
  const visit = (plugin: Plugin, path: readonly string[]): void => {
    if (state.get(plugin.name) === 'done') return;
    if (state.get(plugin.name) === 'visiting') {
      const cycle = [...path.slice(path.indexOf(plugin.name)), plugin.name].join(' → ');
      throw new AnnealError('ANNEAL_E_PLUGIN', `the order of plugins has a cycle: ${cycle}`, { plugin: plugin.name });
    }
    state.set(plugin.name, 'visiting');
    for (const other of tiers) if (needs.get(plugin.name)?.has(other.name)) visit(other, [...path, plugin.name]);
    state.set(plugin.name, 'done');
    sorted.push(plugin);
  };
  for (const plugin of tiers) visit(plugin, []);
  return sorted;
}
