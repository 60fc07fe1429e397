import type { GenericSchema } from 'valibot';

import type { JsonObject, JsonValue } from '../json.ts';
import type { StandardSchemaV1 } from '../plugin/schema.ts';
import { isFields, leaves, setIn } from './merge.ts';
import { CONFIG_DEFAULTS } from './normalize.ts';
import { userSchema } from './schema.ts';

/** What {@link configJsonSchema} needs of a plugin or of a plugin factory. */
export interface DescribedPlugin {
  /** As a config names it: `lora`. */
  readonly name: string;
  /** Of its options. */
  readonly schema: StandardSchemaV1;
}

const TARGET = 'draft-07';

async function convert(schema: GenericSchema): Promise<JsonObject> {
  const { toJsonSchema } = await import('@valibot/to-json-schema');
  // What the user writes, and without what JSON cannot say (checks by functions): the config loader checks that.
  const converted = toJsonSchema(schema, { target: TARGET, typeMode: 'input', errorMode: 'ignore' });
  const { $schema: _, ...rest } = converted as JsonObject;
  return rest;
}

/** Schemas that describe themselves (Standard JSON Schema: zod 4.2, arktype 2.1 …). */
function selfDescribed(schema: StandardSchemaV1): JsonObject | undefined {
  const { jsonSchema } = schema['~standard'] as { jsonSchema?: { input?: (options: { target: string }) => unknown } };
  try {
    const described = jsonSchema?.input?.({ target: TARGET });
    if (!isFields(described)) return undefined;
    const { $schema: _, ...rest } = described as JsonObject;
    return rest;
  } catch {
    // Standard JSON Schema lets a library throw for what JSON Schema cannot say.
    return undefined;
  }
}

/** JSON Schema of a plugin's options; nothing but a note when the schema's library has none. */
async function optionsJsonSchema({ name, schema }: DescribedPlugin): Promise<JsonObject> {
  const { vendor } = schema['~standard'];
  if (vendor === 'valibot') return convert(schema as unknown as GenericSchema);
  return selfDescribed(schema) ?? { $comment: `${vendor} has no JSON Schema of the options of ${name}` };
}

type Change = (key: string, value: JsonValue, parent: string) => JsonValue | undefined;

/** Replaces values of objects wherever `change` returns one. */
function rewrite(schema: JsonValue | undefined, change: Change, parent = ''): JsonValue {
  if (Array.isArray(schema)) return schema.map((item: JsonValue) => rewrite(item, change, parent));
  if (!isFields(schema)) return schema as JsonValue;
  const entries = Object.entries(schema as Readonly<Record<string, JsonValue>>);
  return Object.fromEntries(
    entries.map(([key, value]) => [key, change(key, value, parent) ?? rewrite(value, change, key)]),
  );
}

/** A schema that is moved below `#/definitions/<name>`: references from its root start there. */
const moved = (schema: JsonObject, name: string): JsonValue =>
  rewrite(schema, (key, value) =>
    key === '$ref' && typeof value === 'string' && value.startsWith('#')
      ? `#/definitions/${name}${value.slice(1)}`
      : undefined,
  );

const PLUGIN: JsonObject = { $ref: '#/definitions/plugin' };

/** What valibot cannot say for us: plugin lists, a stage's `train: false`, the defaults. */
function complete(config: JsonObject): JsonObject {
  const { $defs = {}, ...rest } = config;
  const linked = rewrite(rest, (key, value, parent) => {
    if (parent !== 'properties') return undefined;
    if (key === 'plugins') return { $ref: '#/definitions/plugins' };
    // What a program may put there as well, an object with functions, is no JSON.
    if (key === 'remote' && isFields(value)) {
      const { $ref, ...described } = value as JsonObject;
      const settings = ($defs as JsonObject)[(($ref ?? '') as string).replace('#/$defs/', '')] as JsonValue;
      return { ...described, anyOf: [{ type: 'string' }, settings] };
    }
    if (key === 'backend') return { type: 'string', ...(value as JsonObject) };
    const isStage = key === 'train' && isFields(value) && '$ref' in value;
    return isStage ? { anyOf: [{ const: false }, { $ref: '#/properties/train' }] } : undefined;
  });
  let out: unknown = setIn(linked, ['properties', '$schema'], { type: 'string', description: 'This schema.' });
  for (const [path, value] of leaves(CONFIG_DEFAULTS)) {
    out = setIn(out, [...path.flatMap((key) => ['properties', key]), 'default'], value);
  }
  return out as JsonObject;
}

/** `lora`, and `lora#encoder`. */
const nameOf = (name: string): JsonObject => ({
  anyOf: [{ const: name }, { type: 'string', pattern: `^${name.replaceAll(/[^\w-]/g, '\\$&')}#[A-Za-z0-9][\\w-]*$` }],
});

/**
 * JSON Schema (draft 7, which editors know) of a config: completion and checks for JSON and YAML configs, with the
 * options of the given plugins.
 */
export async function configJsonSchema(plugins: readonly DescribedPlugin[]): Promise<JsonObject> {
  const names = plugins.map(({ name }) => name);
  const options = await Promise.all(plugins.map(async (plugin) => moved(await optionsJsonSchema(plugin), plugin.name)));
  const named = names.map((name): JsonObject => ({
    type: 'array',
    description: `${name} with options`,
    // An instance has a name of its own behind that of the plugin.
    items: [nameOf(name), { $ref: `#/definitions/${name}` }],
    minItems: 2,
    maxItems: 2,
  }));
  // The names of known plugins are offered, other texts may be plugins that are installed later.
  const texts: JsonObject[] = names.length > 0 ? [{ enum: names }, { type: 'string' }] : [{ type: 'string' }];
  const known: JsonValue = names.length > 0 && { anyOf: names.map(nameOf) };
  const withOptions = (name: JsonValue): JsonObject => ({
    items: [name, { type: 'object' }],
    minItems: 2,
    maxItems: 2,
  });
  const lists: JsonObject[] = [
    { type: 'array', ...withOptions({ type: 'string', not: known }) },
    { type: 'array', items: PLUGIN, not: withOptions(known) },
  ];
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Anneal config',
    ...complete(await convert(userSchema)),
    definitions: {
      plugins: { description: 'Plugins in order.', type: 'array', items: PLUGIN },
      plugin: {
        description: 'A plugin by name, a name with options, a list of plugins, or nothing.',
        anyOf: [...texts, ...named, ...lists, { type: 'null' }, { const: false }],
      },
      ...Object.fromEntries(names.map((name, i) => [name, options[i] as JsonValue])),
    },
  };
}
