// Tables of options: types and limits from JSON Schema, which is what is checked; meaning and defaults from the doc
// comments of the interface that the schema is tied to.

const cell = (text) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

/** A JSON Schema type in words. */
export function typeText(schema) {
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${JSON.stringify(value)}\``).join(', ');
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return [...new Set(choices.map(typeText))].join(' or ');
  if (schema.$ref !== undefined) return schema.$ref.split('/').at(-1);
  if (schema.type === 'array') return schema.items === undefined ? 'list' : `list of ${typeText(schema.items)}`;
  if (schema.type === 'object') {
    const values = schema.additionalProperties;
    return schema.properties === undefined && typeof values === 'object' && Object.keys(values).length > 0
      ? `object of ${typeText(values)}`
      : 'object';
  }
  return `${schema.type ?? 'anything'}${limits(schema)}`;
}

function limits({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }) {
  const parts = [
    exclusiveMinimum !== undefined && `> ${exclusiveMinimum}`,
    minimum !== undefined && `≥ ${minimum}`,
    exclusiveMaximum !== undefined && `< ${exclusiveMaximum}`,
    maximum !== undefined && maximum !== Number.MAX_SAFE_INTEGER && `≤ ${maximum}`,
  ].filter(Boolean);
  return parts.length === 0 ? '' : ` ${parts.join(', ')}`;
}

/** The objects that an option may be, besides what has no fields of its own. */
function fieldsOf(schema) {
  if (schema.properties !== undefined) return schema;
  if (schema.type === 'array' && schema.items !== undefined) return fieldsOf(schema.items);
  return (schema.anyOf ?? schema.oneOf ?? []).map(fieldsOf).find((one) => one !== undefined);
}

/** The interface that a member's type names. */
const interfaceIn = (type, interfaces) =>
  (type.match(/\w+/g) ?? []).map((name) => interfaces.get(name)).find((one) => one !== undefined);

/**
 * Rows of a table: one for each option, with those of objects below as `clean.rules`.
 *
 * @param {object} schema JSON Schema of an object
 * @param {import('./interfaces.mjs').Interface | undefined} type
 */
function rows(schema, type, interfaces, { prefix, depth }) {
  return Object.entries(schema.properties ?? {}).flatMap(([name, option]) => {
    const member = type?.members.find((one) => one.name === name);
    const about = member?.doc || option.description || '';
    const value = option.default === undefined ? member?.fallback : `\`${JSON.stringify(option.default)}\``;
    const required = schema.required?.includes(name);
    const path = `${prefix}${name}`;
    const row = { path, type: typeText(option), value: required ? 'required' : (value ?? ''), about };
    const inner = depth > 0 ? fieldsOf(option) : undefined;
    if (inner === undefined) return [row];
    const isList = option.type === 'array' || option.anyOf?.some((one) => one.type === 'array');
    const below = rows(inner, interfaceIn(member?.type ?? '', interfaces), interfaces, {
      prefix: `${path}${isList ? '[]' : ''}.`,
      depth: depth - 1,
    });
    return [row, ...below];
  });
}

/** @returns {string} a Markdown table */
export function optionsTable(schema, type, interfaces, { prefix = '', depth = 2 } = {}) {
  const lines = rows(schema, type, interfaces, { prefix, depth }).map((row) => {
    if (row.about === '') throw new Error(`the option ${row.path} of ${type?.name} has no description`);
    return `| \`${row.path}\` | ${cell(row.type)} | ${cell(row.value)} | ${cell(row.about)} |`;
  });
  return ['| option | type | default | |', '| --- | --- | --- | --- |', ...lines].join('\n');
}
