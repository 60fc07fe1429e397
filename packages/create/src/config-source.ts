/** A plugin of a config, by the name that JSON configs have for it. */
export type PluginEntry = readonly [name: string, options?: Readonly<Record<string, unknown>> | undefined];

/** A config as data: what both languages say. */
export interface ProjectConfig {
  readonly name: string;
  readonly plugins: readonly PluginEntry[];
  readonly [key: string]: unknown;
  readonly stages?: Readonly<
    Record<string, { readonly plugins?: readonly PluginEntry[]; readonly [key: string]: unknown }>
  >;
}

/** `text-data` → `textData`: what the package of a plugin exports. */
export const camelCase = (name: string): string =>
  name.replaceAll(/[^a-z0-9]+([a-z0-9])/gi, (_, letter: string) => letter.toUpperCase());

const WIDTH = 100;

/** A value as JavaScript; `code` are texts that are code already. */
class Code {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

function source(value: unknown, indent: number): string {
  const pad = '  '.repeat(indent + 1);
  const end = '  '.repeat(indent);
  const list = (open: string, items: readonly string[], close: string, space: string): string => {
    const line = `${open}${space}${items.join(', ')}${space}${close}`;
    const isShort = line.length + indent * 2 <= WIDTH && !line.includes('\n');
    return isShort ? line : `${open}\n${items.map((item) => `${pad}${item},\n`).join('')}${end}${close}`;
  };
  if (value instanceof Code) return value.text;
  if (typeof value === 'string')
    return `'${JSON.stringify(value).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;
  if (Array.isArray(value))
    return list(
      '[',
      value.map((item) => source(item, indent + 1)),
      ']',
      '',
    );
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).map(
    ([key, item]) => `${/^[a-z_$][\w$]*$/i.test(key) ? key : source(key, 0)}: ${source(item, indent + 1)}`,
  );
  return list('{', fields, '}', ' ');
}

/** Plugins as calls of the functions that their packages export. */
const calls = (plugins: readonly PluginEntry[], indent: number): readonly Code[] =>
  plugins.map(([name, options]) => {
    const given = options === undefined ? '' : source(options, indent);
    return new Code(`${camelCase(name)}(${given})`);
  });

const allPlugins = ({ plugins, stages = {} }: ProjectConfig): readonly PluginEntry[] => [
  ...plugins,
  ...Object.values(stages).flatMap((stage) => stage.plugins ?? []),
];

/** Short names of all plugins of a config, sorted. */
export const pluginNames = (config: ProjectConfig): readonly string[] =>
  [...new Set(allPlugins(config).map(([name]) => name))].sort();

/** The config as `anneal.config.ts`. */
export function typescriptConfig(config: ProjectConfig): string {
  const imports = pluginNames(config).map((name) => `import { ${camelCase(name)} } from '@anneal/plugin-${name}';\n`);
  const stages =
    config.stages &&
    Object.fromEntries(
      Object.entries(config.stages).map(([name, stage]) => [
        name,
        stage.plugins === undefined ? stage : { ...stage, plugins: calls(stage.plugins, 4) },
      ]),
    );
  const fields = { ...config, plugins: calls(config.plugins, 2), ...(stages === undefined ? {} : { stages }) };
  const lines = Object.entries(fields).map(([key, value]) => `  ${key}: ${source(value, 1)},\n`);
  return `import { defineConfig } from '@anneal/core';\n${imports.join('')}\nexport default defineConfig({\n${lines.join('')}});\n`;
}

const named = (plugins: readonly PluginEntry[]): readonly unknown[] =>
  plugins.map(([name, options]) => (options === undefined ? name : [name, options]));

/** The config as `anneal.config.json`, which names plugins by text; `$schema` is what `npm run schema` writes. */
export function jsonConfig(config: ProjectConfig): string {
  const stages =
    config.stages &&
    Object.fromEntries(
      Object.entries(config.stages).map(([name, stage]) => [
        name,
        stage.plugins === undefined ? stage : { ...stage, plugins: named(stage.plugins) },
      ]),
    );
  const fields = { ...config, plugins: named(config.plugins), ...(stages === undefined ? {} : { stages }) };
  return `${JSON.stringify({ $schema: './anneal.schema.json', ...fields }, null, 2)}\n`;
}
