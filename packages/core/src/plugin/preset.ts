import type { PluginInput } from '../config/types.ts';
import type { OptionSchema, PluginFactory } from './types.ts';

/** What a preset stands for, given to {@link definePreset}. */
export interface PresetSpec<In, Out> {
  /** kebab-case, as of a plugin. */
  readonly name: string;
  /** Validates what the user gives and fills in defaults. */
  readonly options: OptionSchema<In, Out>;
  /** The plugins, in order; presets among them are expanded too, and falsy entries left out. */
  plugins(options: Out): readonly PluginInput[];
}

/** A preset with its options, as it stands in a config in the place of a plugin. */
export interface Preset {
  /** As in {@link PresetSpec.name}. */
  readonly name: string;
  /** As the user gave them. */
  readonly options: unknown;
  /** Of the options. */
  readonly schema: OptionSchema<unknown, unknown>;
  /** As in {@link PresetSpec.plugins}. */
  readonly plugins: (options: unknown) => readonly PluginInput[];
  /** Recognises presets of another copy of this package. */
  readonly [PRESET]: true;
}
export const PRESET: unique symbol = Symbol.for('anneal.preset') as never;

/** Makes a preset from options. */
export interface PresetFactory<In> extends Pick<PluginFactory<In>, 'pluginName' | 'schema'> {
  (...args: {} extends In ? [options?: In] : [options: In]): Preset;
}

/**
 * Defines a preset: several plugins under one name and one set of options. Errors of what it expands to name it.
 *
 * ```ts
 * export const classifier: PresetFactory<ClassifierOptions> = definePreset({
 *   name: 'classifier',
 *   options,
 *   plugins: ({ files, r }) => [textData({ sources: [files] }), tokenizer(), transformer(), r > 0 && lora({ r })],
 * });
 * ```
 */
export function definePreset<In, Out>(spec: PresetSpec<In, Out>): PresetFactory<In> {
  const factory = (options?: In): Preset => ({
    name: spec.name,
    options: options ?? {},
    schema: spec.options as OptionSchema<unknown, unknown>,
    plugins: spec.plugins.bind(spec) as Preset['plugins'],
    [PRESET]: true,
  });
  return Object.assign(factory, { pluginName: spec.name, schema: spec.options }) as PresetFactory<In>;
}

/** Whether a value came from a preset factory, possibly of another copy of core. */
export function isPreset(value: unknown): value is Preset {
  return typeof value === 'object' && value !== null && (value as { [PRESET]?: unknown })[PRESET] === true;
}
