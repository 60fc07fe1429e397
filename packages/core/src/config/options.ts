import { AnnealError } from '../errors/error.ts';
import type { Plugin } from '../plugin/types.ts';
import { type Problem, validateWith } from './issues.ts';
import { originOf } from './origin.ts';

const toError = (plugin: Plugin, { message, fix, path }: Problem, also?: readonly AnnealError[]): AnnealError => {
  const origin = originOf(plugin);
  return new AnnealError('ANNEAL_E_OPTIONS', message, {
    plugin: plugin.name,
    path: [...(origin?.path ?? []), ...path],
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

async function validated(plugin: Plugin): ReturnType<typeof validateWith> {
  if (typeof plugin.schema?.['~standard']?.validate !== 'function') {
    throw new AnnealError('ANNEAL_E_PLUGIN', 'has no option schema that follows Standard Schema', {
      plugin: plugin.name,
      fix: 'give `definePlugin` a schema as `options`, for example `v.strictObject({})` of valibot',
    });
  }
  try {
    return await validateWith(plugin.schema, plugin.options, { noun: 'option' });
  } catch (cause) {
    throw new AnnealError('ANNEAL_E_PLUGIN', 'the option schema threw instead of reporting issues', {
      plugin: plugin.name,
      cause,
    });
  }
}
