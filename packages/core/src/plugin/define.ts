import { PLUGIN, type OptionSchema, type Plugin, type PluginFactory, type PluginSpec } from './types.ts';

/**
 * Defines a plugin. Returns a factory for configs: `lora({ rank: 8 })`.
 *
 * ```ts
 * export const labelSmoothing: PluginFactory<LabelSmoothingOptions> = definePlugin({
 *   name: 'label-smoothing',
 *   options,
 *   setup(api, { epsilon }) {
 *     api.hooks.train.transformTargets.tap((targets, { ops }) => …);
 *   },
 * });
 * ```
 */
export function definePlugin<In, Out>(spec: PluginSpec<In, Out>): PluginFactory<In> {
  const source = callerFile();
  const factory = (options?: In): Plugin => ({
    source,
    name: spec.name,
    version: spec.version ?? '0.0.0',
    enforce: spec.enforce,
    before: spec.before ?? [],
    after: spec.after ?? [],
    options: options ?? {},
    schema: spec.options as OptionSchema<unknown, unknown>,
    setup: spec.setup.bind(spec) as Plugin['setup'],
    [PLUGIN]: true,
  });
  return Object.assign(factory, { pluginName: spec.name, schema: spec.options }) as PluginFactory<In>;
}

/** Whether a value came from a plugin factory, possibly of another copy of core. */
export function isPlugin(value: unknown): value is Plugin {
  return typeof value === 'object' && value !== null && (value as { [PLUGIN]?: unknown })[PLUGIN] === true;
}

/** The file that called `definePlugin`, as a URL or path from the stack; `undefined` where stacks are different. */
function callerFile(): string | undefined {
  const line = new Error('caller').stack?.split('\n')[3];
  return line === undefined ? undefined : /(file:\/\/.+?|\/.+?|[A-Za-z]:\\.+?):\d+:\d+\)?$/.exec(line)?.[1];
}
