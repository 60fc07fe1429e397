import { resolve } from 'node:path';
import process from 'node:process';

import { AnnealError } from '../errors/error.ts';
import { throwAll } from '../errors/throw-all.ts';
import type { Plugin } from '../plugin/types.ts';
import type { RawConfig } from './files.ts';
import { validateWith } from './issues.ts';
import { collectLayers, type SourceLayer } from './layers.ts';
import { merge } from './merge.ts';
import { CONFIG_DEFAULTS, type MergedConfig, normalize } from './normalize.ts';
import { optionErrors } from './options.ts';
import { applyOverrides, type Override, parseOverride, SET, type SourcedOverride } from './overrides.ts';
import { resolvePlugins } from './plugins.ts';
import { overridesSchema } from './schema.ts';
import type { ConfigLayer, ResolvedConfig, UserConfigExport } from './types.ts';

/** Where a config stands and what is put on top. */
export interface ResolveOptions {
  /** Folder that relative paths and plugin names start from. @defaultValue the working directory */
  readonly root?: string | undefined;
  /** Absolute path of the file that the config came from, for messages. */
  readonly file?: string | undefined;
  /** Which block of `env` applies. @defaultValue `'production'` */
  readonly mode?: string | undefined;
  /** What config functions get as `command`. @defaultValue `'api'` */
  readonly command?: string | undefined;
  /** Overrides such as `train.epochs=1`; values are JSON, or else texts. */
  readonly set?: readonly (string | SourcedOverride)[] | undefined;
}

/** Whether a config went through {@link resolveConfig} already. */
export function isResolvedConfig(config: UserConfigExport | ResolvedConfig): config is ResolvedConfig {
  return typeof config === 'object' && 'stages' in config && Array.isArray(config.stages) && 'root' in config;
}

/** Plugins of one list over those of the layers below: one of the same name takes its place, others come after. */
function mergePlugins(below: readonly Plugin[], above: readonly Plugin[]): readonly Plugin[] {
  const replaced = below.map((plugin) => above.filter((other) => other.name === plugin.name));
  const kept = below.flatMap((plugin, i) => (replaced[i]?.length === 0 ? [plugin] : (replaced[i] as Plugin[])));
  const isNew = (plugin: Plugin): boolean => !below.some((other) => other.name === plugin.name);
  return [...new Set([...kept, ...above.filter(isNew)])];
}

async function mergeLayers(layers: readonly SourceLayer[], errors: AnnealError[]): Promise<MergedConfig> {
  let merged: MergedConfig = { plugins: [], stages: {} };
  for (const { values, folder, file, prefix } of layers) {
    const { plugins, stages = {}, ...rest } = values;
    const at = (...path: string[]) => ({ file, path: [...prefix, ...path] });
    const own = await resolvePlugins(plugins, folder, at('plugins'), errors);
    const all = new Map(Object.entries(merged.stages));
    for (const [name, { plugins: stagePlugins, ...stage }] of Object.entries(stages)) {
      const below = all.get(name) ?? { plugins: [] };
      const above = await resolvePlugins(stagePlugins, folder, at('stages', name, 'plugins'), errors);
      const { plugins: lower, ...fields } = below;
      all.set(name, { ...(merge(fields, stage) as typeof stage), plugins: mergePlugins(lower, above) });
    }
    const { plugins: lower, stages: _, ...fields } = merged;
    merged = {
      ...(merge(fields, rest) as typeof rest),
      plugins: mergePlugins(lower, own),
      stages: Object.fromEntries(all),
    };
  }
  return merged;
}

/** The config after `--set`, looked at again: only an override can have made it wrong. */
async function override(
  config: MergedConfig,
  overrides: readonly Override[],
  root: string,
  errors: AnnealError[],
): Promise<MergedConfig> {
  if (overrides.length === 0) return config;
  const changed = await applyOverrides(config, overrides, root, errors);
  const result = await validateWith(overridesSchema, changed, { noun: '' });
  if ('problems' in result) {
    for (const { message, path, fix } of result.problems) {
      const source = overrides.findLast((one) => one.path.every((key, i) => i >= path.length || `${path[i]}` === key));
      errors.push(new AnnealError('ANNEAL_E_CONFIG', message, { path, file: source?.source ?? SET, fix }));
    }
    throwAll(errors);
  }
  const { stages, ...rest } = changed as MergedConfig;
  const withPlugins = Object.entries(stages).map(([name, stage]) => [name, { ...stage, plugins: stage.plugins ?? [] }]);
  return { ...rest, stages: Object.fromEntries(withPlugins) as MergedConfig['stages'] };
}

/**
 * Turns a config into what the pipeline uses: bases and overrides merged, plugins loaded, everything checked, defaults
 * filled in. Precedence: `set` > `env[mode]` > the config > what it extends > defaults.
 *
 * @throws AnnealError `ANNEAL_E_CONFIG`, `ANNEAL_E_CONFIG_LOAD`, `ANNEAL_E_CONFIG_NOT_FOUND`, `ANNEAL_E_PLUGIN`,
 * `ANNEAL_E_PLUGIN_NOT_FOUND` or `ANNEAL_E_OPTIONS` for the first problem, with the others in `also`.
 */
export async function resolveConfig(config: UserConfigExport, options: ResolveOptions = {}): Promise<ResolvedConfig> {
  const raw = options.file === undefined ? { file: undefined, value: config } : { file: options.file, value: config };
  return resolveRaw(raw, options);
}

/** {@link resolveConfig} for a file that was read. */
export async function resolveRaw(
  raw: RawConfig | { readonly file: undefined; readonly value: unknown },
  { root: folder = '.', mode = 'production', command = 'api', set = [] }: ResolveOptions,
): Promise<ResolvedConfig> {
  const root = resolve(process.cwd(), folder);
  const overrides = set.map(parseOverride);
  const sources = await collectLayers(raw, root, { command, mode });
  const errors: AnnealError[] = [];
  const merged = await override(await mergeLayers(sources, errors), overrides, root, errors);
  const layers: ConfigLayer[] = [
    { name: 'defaults', file: undefined, values: CONFIG_DEFAULTS },
    ...sources.map(({ name, file, values }) => ({ name, file, values })),
    ...overrides.map(({ path, value, source }) => ({
      name: source === SET ? `${SET} ${path.join('.')}` : source,
      file: undefined,
      values: path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as ConfigLayer['values'],
    })),
  ];
  const resolved = normalize(merged, { root, file: raw.file, mode }, layers, errors);
  const plugins = new Set(resolved.stages.flatMap((stage) => stage.plugins));
  for (const plugin of plugins) errors.push(...(await optionErrors(plugin)));
  throwAll(errors);
  return resolved;
}
