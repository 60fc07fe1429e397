import { readFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';

import { configJsonSchema, type JsonObject, type JsonValue, type PluginFactory, validateOptions } from '@anneal/core';

import { pluginOf } from './check-builds.ts';
import type { PluginTest, ValidCase } from './types.ts';

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** An option in a JSON Schema: `clean.html`. */
interface Described {
  readonly path: string;
  readonly schema: JsonObject;
}

/** Options at every depth: those of objects, of items of lists, and of every alternative. */
function optionsOf(schema: JsonObject, root: JsonObject, path: string = '', depth: number = 0): readonly Described[] {
  // Deeper is a schema that contains itself.
  if (depth > 16) return [];
  const at = (inner: JsonValue | undefined, where: string): readonly Described[] =>
    isObject(inner) ? optionsOf(inner, root, where, depth + 1) : [];
  const reference = schema['$ref'];
  if (typeof reference === 'string') {
    const target = reference
      .split('/')
      .slice(1)
      .reduce<JsonValue | undefined>((inner, key) => (isObject(inner) ? inner[key] : undefined), root);
    return at(target, path);
  }
  const properties = isObject(schema['properties']) ? schema['properties'] : {};
  const alternatives = ['anyOf', 'oneOf', 'allOf'].flatMap((key) => (Array.isArray(schema[key]) ? schema[key] : []));
  return [
    ...Object.entries(properties).flatMap(([name, inner]) => {
      const own = path === '' ? name : `${path}.${name}`;
      return [{ path: own, schema: isObject(inner) ? inner : {} }, ...at(inner, own)];
    }),
    ...at(schema['items'] as JsonValue | undefined, path),
    ...alternatives.flatMap((inner) => at(inner as JsonValue, path)),
  ];
}

async function describedOptions<In>({ pluginName, schema }: PluginFactory<In>): Promise<readonly Described[]> {
  const whole = await configJsonSchema([{ name: pluginName, schema }]);
  const definitions = whole['definitions'] as JsonObject;
  const own = definitions[pluginName] as JsonObject;
  const { $comment: note } = own;
  if (typeof note === 'string') throw new Error(`${note}: editors cannot complete them in JSON configs`);
  const options = optionsOf(own, whole);
  // The same option in two alternatives is one option.
  return [...new Map(options.map((option) => [option.path, option])).values()];
}

/** Whether a description stands with the option, or with one of its alternatives. */
function isDescribed({ schema }: Described): boolean {
  if (typeof schema['description'] === 'string' && schema['description'].trim() !== '') return true;
  return ['anyOf', 'oneOf', 'allOf'].some((key) => {
    const inner = schema[key];
    return (
      Array.isArray(inner) && inner.some((one: JsonValue) => isObject(one) && isDescribed({ path: '', schema: one }))
    );
  });
}

/** The tests of a plugin's options as such. */
export function optionTests<In>(
  factory: PluginFactory<In>,
  cases: readonly Pick<ValidCase<In>, 'name' | 'options'>[],
  readme: URL | undefined,
): readonly PluginTest[] {
  const documented: PluginTest = {
    name: 'names every option in its README',
    run: async () => {
      const text = await readFile(readme as URL, 'utf8');
      const missing = (await describedOptions(factory)).filter(({ path }) => {
        const name = path.split('.').at(-1) as string;
        return (
          !new RegExp(`\`[^\`\\n]*\\b${name}\\b[^\`\\n]*\``).test(text) &&
          !new RegExp(`^\\s*"?${name}"?\\??:`, 'm').test(text)
        );
      });
      if (missing.length > 0)
        throw new Error(`the README does not name ${missing.map(({ path }) => `\`${path}\``).join(', ')}`);
    },
  };
  return [
    {
      name: 'describes every option',
      run: async () => {
        const bare = (await describedOptions(factory)).filter((option) => !isDescribed(option));
        if (bare.length === 0) return;
        const names = bare.map(({ path }) => `\`${path}\``).join(', ');
        throw new Error(`without a description in the schema: ${names}`);
      },
    },
    {
      name: 'takes options from JSON',
      run: async () => {
        for (const { name, options } of cases) {
          if (options === undefined) continue;
          const [written, read] = [pluginOf(factory, options), pluginOf(factory, JSON.parse(JSON.stringify(options)))];
          const [own, again] = [await validateOptions(written), await validateOptions(read)];
          if (!isDeepStrictEqual(own, again)) throw new Error(`"${name}" has options that JSON cannot hold`);
        }
      },
    },
    {
      name: 'refuses options that it does not have',
      run: async () => {
        const unknown = { ...(cases.find(({ options }) => options !== undefined)?.options as object), noSuchOption: 1 };
        const taken = await validateOptions(pluginOf(factory, unknown)).then(
          () => true,
          () => false,
        );
        if (taken) throw new Error('`noSuchOption` was accepted: use a strict schema, so that misspelt names are told');
      },
    },
    {
      name: 'has a name in kebab-case',
      run: () => {
        const { pluginName } = factory;
        if (/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(pluginName)) return Promise.resolve();
        return Promise.reject(new Error(`"${pluginName}" is not in kebab-case`));
      },
    },
    ...(readme === undefined ? [] : [documented]),
  ];
}
