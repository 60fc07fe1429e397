import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';

import {
  configJsonSchema,
  importFile,
  isPluginFactory,
  loadConfig,
  resolveConfig,
  type ResolvedConfig,
} from '@anneal/core';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';

import { config as program } from '../../programmatic/build.ts';

const here = join(import.meta.dirname, '..');
const examples = join(here, '..');

/** Examples whose config computes something, which JSON cannot say. */
const COMPUTED: Readonly<Record<string, string>> = { 'language-detection': 'its rows are read by a function' };

/** Every other example whose config is TypeScript, with the file that says the same in JSON. */
const TWINS = readdirSync(examples)
  .filter((name) => existsSync(join(examples, name, 'anneal.config.ts')) && COMPUTED[name] === undefined)
  .map((name) => [name, name === 'mail-filter' ? 'anneal.config.json' : `${name}.json`] as const);

/** What a config says, without its place: plugins by name and options. */
function plain(config: ResolvedConfig): unknown {
  const { root, file: _, layers: __, outDir, cacheDir, stages, ...rest } = config;
  return {
    ...rest,
    outDir: relative(root, outDir),
    cacheDir: relative(root, cacheDir),
    stages: stages.map(({ plugins, ...stage }) => ({
      ...stage,
      plugins: plugins.map((plugin) => [plugin.name, plugin.options]),
    })),
  };
}

describe.each(TWINS)('%s', (name, file) => {
  it(`is ${file} in JSON`, async () => {
    const json = await loadConfig({ cwd: here, file });
    const typescript = await loadConfig({ cwd: join(examples, name) });
    expect(typescript.file).toMatch(/\.ts$/);
    expect(plain(json)).toEqual(plain(typescript));
  });

  it(`${file} is what the JSON Schema of its plugins describes`, async () => {
    const { stages } = await loadConfig({ cwd: here, file });
    const names = new Set(stages.flatMap(({ plugins }) => plugins.map((plugin) => plugin.name)));
    const modules = await Promise.all(
      [...names].map((plugin) => importFile(import.meta.resolve(`@anneal/plugin-${plugin}`))),
    );
    const factories = modules.map((module) => Object.values(module).find(isPluginFactory)!);
    const schema = await configJsonSchema(factories.map(({ pluginName, schema }) => ({ name: pluginName, schema })));
    const validate = new Ajv({ strict: false }).compile(schema);
    expect(validate(JSON.parse(await readFile(join(here, file), 'utf8'))), JSON.stringify(validate.errors)).toBe(true);
  });
});

it('the program says what the config of the mail filter says', async () => {
  const config = await resolveConfig(program, { root: join(examples, 'mail-filter') });
  expect(plain(config)).toEqual(plain(await loadConfig({ cwd: join(examples, 'mail-filter') })));
});
