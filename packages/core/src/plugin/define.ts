import { instanceName } from './instance.ts';
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
  const make = (name: string, options: In | undefined): Plugin => ({
    source,
    name,
    version: spec.version ?? '0.0.0',
    enforce: spec.enforce,
    before: spec.before ?? [],
    after: spec.after ?? [],
    provides: spec.provides,
    requires: spec.requires,
    core: spec.core,
    deprecated: spec.deprecated,
    deprecatedOptions: spec.deprecatedOptions,
    options: options ?? {},
    schema: spec.options as OptionSchema<unknown, unknown>,
    // Cache keys fall back to its text, which a bound function does not have.
    setup: Object.assign(spec.setup.bind(spec), { toString: () => String(spec.setup) }) as Plugin['setup'],
    [PLUGIN]: true,
  });
  const factory = (options?: In): Plugin => make(spec.name, options);
  const instance = (id: string, options?: In): Plugin => make(instanceName(spec.name, id), options);
  return Object.assign(factory, { instance, pluginName: spec.name, schema: spec.options }) as PluginFactory<In>;
}

/** Whether a value came from a plugin factory, possibly of another copy of core. */
export function isPlugin(value: unknown): value is Plugin {
  return typeof value === 'object' && value !== null && (value as { [PLUGIN]?: unknown })[PLUGIN] === true;
}

/** Frames above the caller of `definePlugin`, itself included: this file's two, and the line of the message. */
const CALLER = 3;

/** The file that called `definePlugin`, as a URL or path from the stack; `undefined` where stacks are different. */
function callerFile(): string | undefined {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = Math.max(CALLER, limit);
  const { stack } = new Error('caller');
  Error.stackTraceLimit = limit;
  const line = typeof stack === 'string' ? stack.split('\n')[CALLER] : undefined;
  const place = /(file:\/\/.+?|\/.+?|[A-Za-z]:[\\/].+?):\d+:\d+\)?$/.exec(line ?? '')?.[1];
  // Loaders that reload a file add a query to its name.
  return place?.replace(/\?[^/\\]*$/, '');
}
