import { AnnealError } from '../errors/error.ts';
import { baseName } from './instance.ts';
import type { Plugin } from './types.ts';

const TIER: Readonly<Record<string, number>> = { pre: 0, normal: 1, post: 2 };
const tierOf = ({ enforce }: Plugin): number => TIER[enforce ?? 'normal'] ?? 1;

/** That one plugin comes before another, and why. */
export interface OrderRule {
  readonly first: string;
  readonly second: string;
  /** Who wants it so: `declared by lora`. */
  readonly because: string;
}

/** What the plugins say about their order, as far as those that they name are there. */
export function orderRules(plugins: readonly Plugin[]): readonly OrderRule[] {
  const named = (wanted: string): readonly string[] =>
    plugins.map(({ name }) => name).filter((name) => name === wanted || baseName(name) === wanted);
  const providers = (what: string): readonly string[] =>
    plugins.filter(({ provides = [] }) => provides.includes(what)).map(({ name }) => name);
  return plugins.flatMap(({ name, before, after, requires = [] }) => {
    const declared = `declared by ${name}`;
    return [
      ...after.flatMap(named).map((first) => ({ first, second: name, because: declared })),
      ...before.flatMap(named).map((second) => ({ first: name, second, because: declared })),
      ...requires.flatMap((what) =>
        providers(what)
          // Who needs what it gives itself needs nobody.
          .filter((first) => first !== name)
          .map((first) => ({ first, second: name, because: `gives \`${what}\`` })),
      ),
    ];
  });
}

/**
 * The order in which plugins are set up: by `enforce`, then by declared `before`, `after` and `requires`, then as listed.
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
  const tiers = plugins.toSorted((a, b) => tierOf(a) - tierOf(b));
  const needs = new Map<string, Set<string>>(tiers.map((plugin) => [plugin.name, new Set<string>()]));
  for (const { first, second } of orderRules(tiers)) needs.get(second)?.add(first);
  const sorted: Plugin[] = [];
  const state = new Map<string, 'visiting' | 'done'>();
  const visit = (plugin: Plugin, path: readonly string[]): void => {
    if (state.get(plugin.name) === 'done') return;
    if (state.get(plugin.name) === 'visiting') {
      const cycle = [...path.slice(path.indexOf(plugin.name)), plugin.name].join(' → ');
      throw new AnnealError('ANNEAL_E_PLUGIN', `the order of plugins has a cycle: ${cycle}`, { plugin: plugin.name });
    }
    state.set(plugin.name, 'visiting');
    const own = needs.get(plugin.name) as ReadonlySet<string>;
    if (own.size > 0) for (const other of tiers) if (own.has(other.name)) visit(other, [...path, plugin.name]);
    state.set(plugin.name, 'done');
    sorted.push(plugin);
  };
  for (const plugin of tiers) visit(plugin, []);
  return sorted;
}
