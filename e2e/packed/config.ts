import { join } from 'node:path';

import { Ajv } from 'ajv';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

import { type Place, readJson, write } from './install.ts';
import { compileReadme } from './readme.ts';
import { PLUGIN, PROJECTS } from './templates.ts';

type Schema = Readonly<Record<string, unknown>>;

/** Paths of options without a description, below a schema of options. */
function undescribed(schema: Schema, path: string): readonly string[] {
  const properties = Object.entries((schema['properties'] ?? {}) as Readonly<Record<string, Schema>>);
  return properties.flatMap(([name, inner]) => [
    ...(typeof inner['description'] === 'string' ? [] : [`${path}.${name}`]),
    ...undescribed(inner, `${path}.${name}`),
  ]);
}

/** What editors offer in a file: `|` in the text is the cursor. */
function completions(file: string, marked: string): { readonly names: readonly string[]; about(name: string): string } {
  const folder = join(file, '..');
  const position = marked.indexOf('|');
  const text = marked.replace('|', '');
  const { config } = ts.readConfigFile(join(folder, 'tsconfig.json'), (path) => ts.sys.readFile(path)) as {
    config: unknown;
  };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, folder);
  const service = ts.createLanguageService({
    ...ts.sys,
    useCaseSensitiveFileNames: () => ts.sys.useCaseSensitiveFileNames,
    getCompilationSettings: () => options,
    getScriptFileNames: () => [file],
    getScriptVersion: () => '1',
    getScriptSnapshot(name) {
      const content = name === file ? text : ts.sys.readFile(name);
      return content === undefined ? undefined : ts.ScriptSnapshot.fromString(content);
    },
    getCurrentDirectory: () => folder,
    getDefaultLibFileName: ts.getDefaultLibFilePath,
  });
  const found = service.getCompletionsAtPosition(file, position, {})?.entries ?? [];
  const details = (name: string) =>
    service.getCompletionEntryDetails(file, position, name, {}, undefined, {}, undefined)?.documentation;
  return { names: found.map(({ name }) => name), about: (name) => ts.displayPartsToString(details(name)) };
}

/** A config with the cursor in the options of one plugin and in `train`. */
const config = (quantize: string, train: string): string => `
  import { defineConfig } from '@anneal/core';
  import { quantize } from '@anneal/plugin-quantize';
  export default defineConfig({ plugins: [quantize(${quantize})], train: ${train} });`;

/** Tests what editors and people get from a config. */
export function configs(place: () => Place): void {
  describe('completion in TypeScript', () => {
    const at = (text: string) => completions(join(place().root, 'text-classifier/anneal.config.ts'), text);

    it('has the fields of the config and of training, with what they are', () => {
      const { names, about } = at(config('', '{ | }'));
      expect(names).toEqual(expect.arrayContaining(['epochs', 'learningRate', 'lrScheduler', 'maxMemory']));
      expect(about('epochs')).toBe('Passes over the training split.');
    });

    it('has the options of a plugin, with what they are', () => {
      const { names, about } = at(config('{ | }', '{}'));
      expect(names).toEqual(expect.arrayContaining(['scheme', 'exclude']));
      expect(about('exclude')).not.toBe('');
    });

    it('has the values of an option', () => {
      expect(at(config("{ scheme: '|' }", '{}')).names).toEqual(
        expect.arrayContaining(['int8-dynamic', 'int4', 'fp16']),
      );
    });
  });

  it('the README of the template of a plugin compiles', async () => {
    await compileReadme(place(), PLUGIN, 'test');
  });

  it.each(PROJECTS)('the JSON config of %s says what its TypeScript config says', async (template) => {
    const { root, tarballs, run } = place();
    const create = ['exec', '--yes', `--package=${tarballs['create-anneal']}`, '--', 'create-anneal'];
    await run('npm', [...create, `${template}-json`, '--template', template, '--format', 'json', '--name', template]);
    const says = async (cwd: string): Promise<readonly unknown[]> => {
      const shown = await Promise.all(
        ['config', 'plugins'].map((what) => run('npx', ['anneal', 'inspect', what, '--json'], { cwd })),
      );
      return JSON.parse(`[${shown.join().replaceAll(join(root, cwd), '')}]`) as readonly unknown[];
    };
    const [json, typescript] = [await says(`${template}-json`), await says(template)];
    // Where values came from and where the file is differ, of course.
    const plain = ([values, plugins]: readonly unknown[]): unknown => [
      { ...(values as object), origins: undefined, file: undefined },
      plugins,
    ];
    expect(plain(json)).toEqual(plain(typescript));
  });

  it('the JSON Schema of a project describes every option of its plugins, and tells right configs from wrong ones', async () => {
    const { root, run } = place();
    const cwd = 'text-classifier-json';
    await run('npm', ['run', 'schema'], { cwd });
    const schema = readJson(root, cwd, 'anneal.schema.json') as Schema;
    const { plugin: _, plugins: __, ...definitions } = schema['definitions'] as Readonly<Record<string, Schema>>;
    expect(Object.keys(definitions)).toEqual([
      'quantize',
      'text-classification',
      'text-data',
      'tokenizer',
      'transformer',
    ]);
    expect(Object.entries(definitions).flatMap(([name, options]) => undescribed(options, name))).toEqual([]);
    expect(undescribed({ properties: { train: (schema['properties'] as Schema)['train'] } }, 'config')).toEqual([]);
    const validate = new Ajv({ strict: false }).compile(schema);
    const right = readJson(root, cwd, 'anneal.config.json') as Schema;
    expect(validate(right), JSON.stringify(validate.errors)).toBe(true);
    expect(validate({ ...right, plugins: [['quantize', { scheme: 'int9' }]] })).toBe(false);
    expect(validate({ ...right, trian: {} })).toBe(false);
  });

  it('a config builds on a preset that is a package, on a file, on a mode and on the environment', async () => {
    const { root, run } = place();
    const cwd = 'extends';
    const files: Readonly<Record<string, object | string>> = {
      'node_modules/anneal-preset-small/package.json': { name: 'anneal-preset-small', exports: './index.json' },
      'node_modules/anneal-preset-small/index.json': {
        seed: 1,
        threads: 1,
        plugins: [['tokenizer', { vocabSize: 300 }]],
      },
      'base.json': { seed: 2, train: { epochs: 4 } },
      'anneal.config.json': {
        extends: ['anneal-preset-small', './base.json'],
        train: { batchSize: 4 },
        env: { fast: { train: { epochs: 1 } } },
      },
      'package.json': { name: 'extends', private: true },
    };
    for (const [name, content] of Object.entries(files)) write(join(root, cwd, name), JSON.stringify(content));
    const shown = await run('npx', ['anneal', 'inspect', 'config', '--json'], {
      cwd,
      env: { ANNEAL_MODE: 'fast', ANNEAL_SEED: '9' },
    });
    expect(JSON.parse(shown)).toMatchObject({
      seed: 9,
      threads: 1,
      mode: 'fast',
      stages: [{ train: { epochs: 1, batchSize: 4 }, plugins: ['tokenizer'] }],
      origins: expect.arrayContaining([
        { path: 'seed', value: 9, source: 'ANNEAL_SEED' },
        { path: 'train.epochs', value: 1, source: 'anneal.config.json (env.fast)' },
      ]) as unknown,
    });
  });
}
