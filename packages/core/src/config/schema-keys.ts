import type { StandardSchemaV1 } from '../plugin/schema.ts';

type Path = readonly (string | number)[];
type Loose = { readonly [key: string]: unknown };

const isObject = (value: unknown): value is Loose =>
  (typeof value === 'object' || typeof value === 'function') && value !== null;

/** Schemas inside a schema: optional, nullable, lazy … wrap one; unions, variants and intersections have several. */
function inside(schema: Loose): readonly Loose[] {
  const def = isObject(schema['def']) ? schema['def'] : {};
  const options = schema['options'] ?? def['options'];
  return [schema['wrapped'], def['innerType'], ...(Array.isArray(options) ? options : [])].filter(isObject);
}

/** Members by key of an object schema of valibot (`entries`) or zod (`shape`). */
function members(schema: Loose): Loose | undefined {
  const found = schema['entries'] ?? schema['shape'];
  return isObject(found) ? found : undefined;
}

function step(schema: Loose, key: string | number): Loose[] {
  const own = members(schema)?.[key];
  const element = typeof key === 'number' ? (schema['item'] ?? schema['element']) : schema['value'];
  const items = schema['items'];
  const nth = Array.isArray(items) && typeof key === 'number' ? (items[key] as unknown) : undefined;
  return [own, element, nth, ...inside(schema).flatMap((inner) => step(inner, key))].filter(isObject);
}

function names(schema: Loose): string[] {
  return [...Object.keys(members(schema) ?? {}), ...inside(schema).flatMap(names)];
}

/** Property names of a JSON Schema at a path: for libraries that describe themselves (`~standard.jsonSchema`). */
function jsonSchemaNames(schema: StandardSchemaV1, path: Path): string[] {
  const standard = schema['~standard'] as { jsonSchema?: { input?: (options: object) => unknown } };
  try {
    let node = standard.jsonSchema?.input?.({ target: 'draft-2020-12' });
    for (const key of path) {
      if (!isObject(node)) return [];
      node =
        typeof key === 'number' ? node['items'] : isObject(node['properties']) ? node['properties'][key] : undefined;
    }
    return isObject(node) && isObject(node['properties']) ? Object.keys(node['properties']) : [];
  } catch {
    // A schema that cannot describe itself; the caller does without.
    return [];
  }
}

const keyOf = (part: PropertyKey | { readonly key: PropertyKey }): string =>
  String(typeof part === 'object' ? part.key : part);

/** Keys that validation of a value adds (defaults) or misses at a path. */
async function probe(schema: StandardSchemaV1, path: Path, value: unknown): Promise<string[]> {
  const result = await schema['~standard'].validate(value);
  if (result.issues !== undefined) {
    const paths = result.issues.map((issue) => (issue.path ?? []).map(keyOf));
    return paths.flatMap((keys) => (keys.length === path.length + 1 ? keys.slice(-1) : []));
  }
  let node: unknown = result.value;
  for (const key of path) node = isObject(node) ? node[key] : undefined;
  return isObject(node) ? Object.keys(node) : [];
}

/** `value` with an object without keys at the path. */
function emptied(value: unknown, path: Path): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return {};
  if (Array.isArray(value)) return value.map((item, i) => (i === key ? emptied(item, rest) : (item as unknown)));
  return isObject(value) ? { ...value, [key]: emptied(value[key], rest) } : value;
}

/**
 * Names that are allowed at `path`, as far as the schema tells; whatever library it comes from.
 *
 * @param value what is validated, without the key that is not allowed
 */
export async function keysAt(schema: StandardSchemaV1, path: Path, value: unknown): Promise<readonly string[]> {
  let nodes: Loose[] = [schema as unknown as Loose];
  for (const key of path) nodes = nodes.flatMap((node) => step(node, key));
  const found = nodes.flatMap(names);
  if (found.length === 0) found.push(...jsonSchemaNames(schema, path));
  if (found.length === 0) {
    found.push(...(await probe(schema, path, value)), ...(await probe(schema, path, emptied(value, path))));
  }
  return [...new Set(found)];
}
