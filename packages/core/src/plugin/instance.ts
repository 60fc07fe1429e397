import { AnnealError } from '../errors/error.ts';

/** The plugin that an instance is one of: `lora` of `lora#encoder`. */
export function baseName(name: string): string {
  const at = name.indexOf('#');
  return at < 0 ? name : name.slice(0, at);
}

/** What tells an instance from the others: `encoder` of `lora#encoder`. */
export function instanceOf(name: string): string | undefined {
  const at = name.indexOf('#');
  return at < 0 ? undefined : name.slice(at + 1);
}

/**
 * The name of an instance: `lora#encoder`.
 *
 * @throws AnnealError `ANNEAL_E_PLUGIN` for a name that could not be part of a file's name.
 */
export function instanceName(plugin: string, id: string): string {
  if (/^[A-Za-z0-9][\w-]*$/.test(id)) return `${plugin}#${id}`;
  throw new AnnealError('ANNEAL_E_PLUGIN', `an instance cannot be called ${JSON.stringify(id)}`, {
    plugin,
    fix: `use letters, digits, \`-\` and \`_\`, for example \`${plugin}#encoder\``,
  });
}

/**
 * A name that other instances of the plugin do not use: that of the instance comes before the ending.
 *
 * ```ts
 * ownName('lora', 'adapter'); // adapter
 * ownName('lora#encoder', 'adapter/model.json'); // adapter/model-encoder.json
 * ```
 */
export function ownName(plugin: string, name: string): string {
  const id = instanceOf(plugin);
  if (id === undefined) return name;
  const file = name.lastIndexOf('/') + 1;
  const dot = name.indexOf('.', file + 1);
  const end = dot < 0 ? name.length : dot;
  return `${name.slice(0, end)}-${id}${name.slice(end)}`;
}
