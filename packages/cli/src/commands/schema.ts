import { readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';

import {
  configJsonSchema,
  type DescribedPlugin,
  importFile,
  isAnnealError,
  isPluginFactory,
  resolveModule,
} from '@anneal/core';

import { type Command, type Context, loadConfigFor } from '../context.ts';
import { writeText } from '../files.ts';

const PLUGIN_PACKAGE = /^@anneal\/plugin-|(^|\/)anneal-plugin-/;

/** Names of plugin packages that the project's package.json lists. */
export function pluginDependencies(cwd: string): readonly string[] {
  try {
    const manifest = JSON.parse(readFileSync(join(cwd, 'package.json'), 'utf8')) as Record<string, object | undefined>;
    return ['dependencies', 'devDependencies', 'optionalDependencies']
      .flatMap((field) => Object.keys(manifest[field] ?? {}))
      .filter((name) => PLUGIN_PACKAGE.test(name));
  } catch {
    // Without a package.json nothing is installed here.
    return [];
  }
}

/** `@anneal/plugin-lora` → `lora`, `@acme/anneal-plugin-x` → `@acme/x`. */
const shortName = (name: string): string =>
  name.replace(/^@anneal\/plugin-|^anneal-plugin-/, '').replace('/anneal-plugin-', '/');

async function installed(context: Context): Promise<ReadonlyMap<string, DescribedPlugin>> {
  const found = new Map<string, DescribedPlugin>();
  for (const name of pluginDependencies(context.io.cwd)) {
    const url = await resolveModule(name, context.io.cwd);
    if (url === undefined) continue;
    const module = await importFile(new URL(url));
    const factory = [module['default'], ...Object.values(module)].find(isPluginFactory);
    if (factory !== undefined) found.set(shortName(name), { name: shortName(name), schema: factory.schema });
  }
  return found;
}

/** Plugins that the config uses; a config that is not valid yet is what the schema is to help with. */
async function configured(context: Context): Promise<readonly DescribedPlugin[]> {
  try {
    const { stages } = await loadConfigFor(context);
    return stages.flatMap(({ plugins }) =>
      plugins.map(({ name, schema }) => ({ name: name.split('#')[0] ?? name, schema })),
    );
  } catch (error) {
    if (!isAnnealError(error)) throw error;
    return [];
  }
}

/** `anneal schema` */
export const schema: Command = async (context) => {
  const { io, options } = context;
  const plugins = new Map(await installed(context));
  for (const plugin of await configured(context)) {
    if (!plugins.has(plugin.name)) plugins.set(plugin.name, plugin);
  }
  const described = await configJsonSchema([...plugins.values()].sort((a, b) => (a.name < b.name ? -1 : 1)));
  const output = options.text('output');
  if (output === undefined) {
    context.json(described);
    return 0;
  }
  const file = resolve(io.cwd, output);
  writeText(file, `${JSON.stringify(described, null, 2)}\n`);
  context.print(
    `wrote ${output} with the options of ${plugins.size} plugins: ${[...plugins.keys()].join(', ') || 'none'}`,
  );
  const way = relative(io.cwd, file).replaceAll('\\', '/');
  context.print(`a JSON config here names it as "$schema": "${way.startsWith('../') ? way : `./${way}`}"`);
  return 0;
};
