import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { AnnealError, isAnnealError } from '../errors/error.ts';
import { suggest } from '../errors/suggest.ts';
import { isPlugin } from '../plugin/define.ts';
import { instanceName } from '../plugin/instance.ts';
import { isPreset, type Preset, type PresetFactory } from '../plugin/preset.ts';
import type { Plugin, PluginFactory } from '../plugin/types.ts';
import { received, validateWith } from './issues.ts';
import { isFields } from './merge.ts';
import { importFile, installCommand, isPath, resolveModule } from './modules.ts';
import { type Origin, placed, presetText } from './origin.ts';

/** Presets in presets; more is a list that contains itself. */
const MAX_DEPTH = 32;
const MUST_BE = 'must be a plugin: a name, [name, options], or what a plugin function returned';

/** Whether a value is what `definePlugin` or `definePreset` returned, possibly of another copy of core. */
export function isPluginFactory(value: unknown): value is PluginFactory<unknown> {
  return typeof value === 'function' && typeof (value as { pluginName?: unknown }).pluginName === 'string';
}

/** Packages that a name may mean, most likely first; the part after `#` names an instance. */
export function pluginPackages(name: string): readonly string[] {
  const [, scope, rest] = /^(@[^/]+)(?:\/(.+))?$/.exec(name) ?? [];
  if (scope === undefined) {
    if (name.startsWith('anneal-plugin-')) return [name];
    return [`@anneal/plugin-${name}`, `anneal-plugin-${name}`];
  }
  if (rest === undefined) return [`${scope}/anneal-plugin`];
  if (/^(anneal-)?plugin-/.test(rest)) return [name];
  return [`${scope}/anneal-plugin-${rest}`, name];
}

/** Names of plugins that the project's package.json lists, in their short form. */
function installedNames(folder: string): readonly string[] {
  try {
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Record<string, unknown>;
    return ['dependencies', 'devDependencies', 'optionalDependencies']
      .flatMap((field) => Object.keys((manifest[field] as object | undefined) ?? {}))
      .filter((name) => /^@anneal\/plugin-|(^|\/)anneal-plugin-/.test(name))
      .map((name) => name.replace(/^@anneal\/plugin-|^anneal-plugin-/, '').replace('/anneal-plugin-', '/'));
  } catch {
    // No package.json, or one that cannot be read: then there is nothing to suggest.
    return [];
  }
}

async function locate(name: string, folder: string): Promise<{ url: string } | { tried: readonly string[] }> {
  if (isPath(name)) {
    const path = name.startsWith('file:') ? fileURLToPath(name) : resolve(folder, name);
    return existsSync(path) ? { url: pathToFileURL(path).href } : { tried: [path] };
  }
  const tried: string[] = [];
  for (const candidate of pluginPackages(name)) {
    const url = await resolveModule(candidate, folder);
    if (url !== undefined) return { url };
    tried.push(candidate);
  }
  const path = resolve(folder, name);
  return /\.[mc]?[jt]s$/.test(name) && existsSync(path)
    ? { url: pathToFileURL(path).href }
    : { tried: [...tried, path] };
}

/** The plugin factory, or the plugin, that a module stands for: its default export, or the only one that fits. */
function exported(
  module: Readonly<Record<string, unknown>>,
  name: string,
  origin: Origin,
): PluginFactory<unknown> | PresetFactory<unknown> {
  if (isPluginFactory(module['default'])) return module['default'];
  const factories = new Map(
    Object.entries(module).flatMap(([key, value]) => (isPluginFactory(value) ? [[value, key] as const] : [])),
  );
  const [only] = factories.keys();
  if (only !== undefined && factories.size === 1) return only;
  throw new AnnealError(
    'ANNEAL_E_PLUGIN',
    factories.size === 0
      ? `the module of \`${name}\` exports no plugin, received ${Object.keys(module).join(', ') || 'no exports'}`
      : `the module of \`${name}\` exports several plugins: ${[...factories.values()].join(', ')}`,
    {
      ...origin,
      fix:
        factories.size === 0
          ? 'export what `definePlugin` returns'
          : 'make one the default export, or import the one that you want in a TypeScript or JavaScript config',
    },
  );
}

/**
 * Loads a plugin named by string, from the config's folder.
 *
 * @throws AnnealError `ANNEAL_E_PLUGIN_NOT_FOUND` with every place that was looked at, `ANNEAL_E_PLUGIN`
 */
export async function loadPlugin(
  name: string,
  options: unknown,
  folder: string,
  origin: Origin,
): Promise<Plugin | Preset> {
  const [bare = '', instance] = name.split('#', 2);
  const found = await locate(bare, folder);
  if ('tried' in found) {
    const near = isPath(bare) ? undefined : suggest(bare, installedNames(folder));
    const install = installCommand(pluginPackages(bare)[0] ?? bare, folder);
    const fix = isPath(bare) ? 'give the path of a file that exists' : `run \`${install}\``;
    throw new AnnealError(
      'ANNEAL_E_PLUGIN_NOT_FOUND',
      `no plugin \`${bare}\`${near === undefined ? '.' : `, did you mean \`${near}\`?`} Looked for: ${found.tried.join(', ')}`,
      { ...origin, fix: near === undefined ? fix : `use \`${near}\`, or ${fix}` },
    );
  }
  const module = await importFile(found.url).catch((cause: unknown) => {
    throw new AnnealError('ANNEAL_E_PLUGIN', `the module of \`${bare}\` threw while it was loaded`, {
      ...origin,
      cause,
    });
  });
  const made = exported(module, bare, origin)(options);
  if (instance === undefined) return made;
  if (!isPreset(made)) return { ...made, name: instanceName(made.name, instance) };
  throw new AnnealError('ANNEAL_E_PLUGIN', `\`${name}\` is an instance of a preset, and presets have none`, {
    ...origin,
    fix: `write \`${bare}\`, and name the instances of its plugins`,
  });
}

const inside = ({ name }: Preset, origin: Origin): Origin => ({
  ...origin,
  presets: [...(origin.presets ?? []), name],
});

/** The plugins of a preset; nothing when its options are wrong, which goes to `errors`. */
async function expanded(preset: Preset, origin: Origin, errors: AnnealError[]): Promise<unknown> {
  const result = await validateWith(preset.schema, preset.options, { noun: 'option' });
  const fail = (code: 'ANNEAL_E_OPTIONS' | 'ANNEAL_E_PLUGIN', message: string, details: object): void =>
    void errors.push(
      new AnnealError(code, `${message}${presetText(origin)}`, { ...origin, plugin: preset.name, ...details }),
    );
  if ('problems' in result) {
    for (const { message, path, fix } of result.problems) {
      const place = origin.presets === undefined ? [...origin.path, ...path] : origin.path;
      fail('ANNEAL_E_OPTIONS', message, { path: place, fix });
    }
    return [];
  }
  try {
    return preset.plugins(result.value);
  } catch (cause) {
    fail('ANNEAL_E_PLUGIN', `the preset threw: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    return [];
  }
}

/** `["lora", { rank: 4 }]`, and not a list of two plugins. */
const isNamed = (input: readonly unknown[]): input is readonly [string, unknown] =>
  typeof input[0] === 'string' &&
  input.length === 2 &&
  isFields(input[1]) &&
  !isPlugin(input[1]) &&
  !isPreset(input[1]);

/**
 * Plugins of a list in order: nested lists are flattened, falsy entries skipped, names loaded. What is wrong goes to
 * `errors`, so that one run shows everything.
 */
export async function resolvePlugins(
  input: unknown,
  folder: string,
  origin: Origin,
  errors: AnnealError[],
  depth = 0,
): Promise<readonly Plugin[]> {
  const fail = (message: string, fix: string): [] => {
    errors.push(new AnnealError('ANNEAL_E_PLUGIN', `${message}${presetText(origin)}`, { ...origin, fix }));
    return [];
  };
  if (input === false || input === null || input === undefined) return [];
  if (isPlugin(input)) return [placed(input, origin)];
  if (isPreset(input)) {
    if (origin.presets?.includes(input.name)) {
      return fail(`the preset \`${input.name}\` contains itself`, 'take it out of its own list');
    }
    return resolvePlugins(await expanded(input, origin, errors), folder, inside(input, origin), errors, depth + 1);
  }
  if (typeof input === 'string' ? input !== '' : Array.isArray(input) && isNamed(input)) {
    const [name, options] = typeof input === 'string' ? [input, undefined] : (input as readonly [string, unknown]);
    try {
      return await resolvePlugins(await loadPlugin(name, options, folder, origin), folder, origin, errors, depth);
    } catch (error) {
      if (!isAnnealError(error)) throw error;
      errors.push(error);
      return [];
    }
  }
  if (Array.isArray(input)) {
    if (depth === MAX_DEPTH) return fail('lists of plugins are nested too deep', 'flatten the list');
    const out: Plugin[] = [];
    for (const [i, inner] of input.entries()) {
      // What a preset lists stands in no config.
      const place = origin.presets === undefined ? { ...origin, path: [...origin.path, i] } : origin;
      out.push(...(await resolvePlugins(inner, folder, place, errors, depth + 1)));
    }
    return out;
  }
  if (isPluginFactory(input)) {
    const name = input.pluginName;
    return fail(`received the plugin function of \`${name}\` itself`, 'call it, with options if it needs any');
  }
  if (input instanceof Promise) return fail(`${MUST_BE}, received a promise`, 'await it');
  return fail(`${MUST_BE}, ${received(input)}`, 'make plugins with `definePlugin`');
}
