import { AnnealError } from '../errors/error.ts';
import type { Deprecation, Plugin } from '../plugin/types.ts';
import { type Problem, validateWith } from './issues.ts';
import { isFields } from './merge.ts';
import { originOf, presetText } from './origin.ts';

const toError = (plugin: Plugin, { message, fix, path }: Problem, also?: readonly AnnealError[]): AnnealError => {
  const origin = originOf(plugin);
  const preset = presetText(origin);
  return new AnnealError('ANNEAL_E_OPTIONS', `${message}${preset}`, {
    plugin: plugin.name,
    // Inside a preset the config has no place for the option.
    path: preset === '' ? [...(origin?.path ?? []), ...path] : origin?.path,
    file: origin?.file,
    fix,
    also,
  });
};

/** Everything that is wrong with a plugin's options; an empty list when nothing is. */
export async function optionErrors(plugin: Plugin): Promise<readonly AnnealError[]> {
  const result = await validated(plugin);
  return 'problems' in result ? result.problems.map((problem) => toError(plugin, problem)) : [];
}

/**
 * Options of a plugin as its `setup` gets them: validated and completed by its schema.
 *
 * @throws AnnealError `ANNEAL_E_OPTIONS` for the first problem, with the others in `also`. Unknown keys come with the
 * near name, whichever library the schema was made with. `ANNEAL_E_PLUGIN` when the schema itself throws.
 */
export async function validateOptions(plugin: Plugin): Promise<unknown> {
  const result = await validated(plugin);
  if ('value' in result) return result.value;
  const [first, ...rest] = result.problems;
  throw toError(
    plugin,
    first as Problem,
    rest.map((problem) => toError(plugin, problem)),
  );
}

/** Deprecated options that a plugin is given, each with what to use instead. */
export function deprecatedOptions({ options, deprecatedOptions: all = {} }: Plugin): readonly [string, Deprecation][] {
  if (!isFields(options)) return [];
  return Object.entries(all).flatMap(([name, { since, to, use }]): [string, Deprecation][] => {
    if (!Object.hasOwn(options, name)) return [];
    return [[name, { since, use: use ?? (to === undefined ? 'another option' : `\`${to}\``) }]];
  });
}

/** The options with those renamed that have new names. */
function renamed({ options, deprecatedOptions: all = {} }: Plugin): unknown {
  if (!isFields(options)) return options;
  const out: Record<string, unknown> = { ...options };
  for (const [name, { to }] of Object.entries(all)) {
    // Under both names, it is the schema that refuses the old one.
    if (to === undefined || !Object.hasOwn(out, name) || Object.hasOwn(out, to)) continue;
    out[to] = out[name];
    delete out[name];
  }
  return out;
}

async function validated(plugin: Plugin): ReturnType<typeof validateWith> {
  if (typeof plugin.schema?.['~standard']?.validate !== 'function') {
    throw new AnnealError('ANNEAL_E_PLUGIN', 'has no option schema that follows Standard Schema', {
      plugin: plugin.name,
      fix: 'give `definePlugin` a schema as `options`, for example `v.strictObject({})` of valibot',
    });
  }
  try {
    return await validateWith(plugin.schema, renamed(plugin), { noun: 'option' });
  } catch (cause) {
    throw new AnnealError('ANNEAL_E_PLUGIN', 'the option schema threw instead of reporting issues', {
      plugin: plugin.name,
      cause,
    });
  }
}
