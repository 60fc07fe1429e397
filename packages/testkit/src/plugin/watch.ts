import type { Plugin, PluginApi } from '@anneal/core';

import { firstChange, snapshot, type Snapshot } from './snapshot.ts';

/**
 * What taps may use but not own: a run collects artifacts, a graph under construction gets nodes, and both are meant to
 * change.
 */
const OPAQUE: ReadonlySet<string> = new Set(['run', 'ops', 'logger', 'signal']);

type Tap = (...args: unknown[]) => unknown;
type TapHook = { tap(fn: Tap, options?: unknown): void };

/** The plugin with its taps watched: what one of them changes of its arguments, or of the options, goes to `changes`. */
export function watched(plugin: Plugin, changes: string[]): Plugin {
  const setup: Plugin['setup'] = async (api, options) => {
    const before = snapshot(options);
    const look = (): void => note(changes, 'the options', before, snapshot(options));
    await plugin.setup(watchedApi(api, changes, look), options);
    look();
  };
  return { ...plugin, setup };
}

/** An object whose members are replaced when they are read. */
function reading<T extends object>(target: T, replace: (key: string, member: unknown) => unknown): T {
  return new Proxy(target, { get: (own, key) => replace(String(key), Reflect.get(own, key)) });
}

function watchedApi(api: PluginApi, changes: string[], look: () => void): PluginApi {
  const hooks = reading(api.hooks, (group, members) =>
    reading(members as object, (name, hook) => watchedHook(`${group}.${name}`, hook as TapHook, changes, look)),
  );
  return reading(api, (key, member) => (key === 'hooks' ? hooks : member));
}

function watchedHook(hook: string, original: TapHook, changes: string[], look: () => void): TapHook {
  return {
    tap(fn, options) {
      original.tap((...args) => {
        const before = args.map((arg) => snapshot(arg, OPAQUE));
        const compare = (): void => {
          args.forEach((arg, i) =>
            note(changes, `argument ${i + 1} of ${hook}`, before[i] as Snapshot, snapshot(arg, OPAQUE)),
          );
          look();
        };
        const result = fn(...args);
        if (!(result instanceof Promise)) {
          compare();
          return result;
        }
        return result.finally(compare);
      }, options);
    },
  };
}

function note(changes: string[], what: string, before: Snapshot, after: Snapshot): void {
  const path = firstChange(before, after);
  if (path === undefined) return;
  const said = `${what} at \`${path}\``;
  if (!changes.includes(said)) changes.push(said);
}
