import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { CreateError } from 'create-anneal';
import { describe, expect, it } from 'vitest';

import { answers, listing, made } from './folder.ts';

describe('with flags', () => {
  it('writes a TypeScript config, a test, a sample, package.json and .gitignore', async () => {
    const { root, read, json } = await made({ name: "it's a filter", label: 'class' });
    expect(listing(root)).toEqual([
      '.gitignore',
      'README.md',
      'anneal.config.ts',
      'data/texts.jsonl',
      'package.json',
      'test/build.test.js',
      'tsconfig.json',
    ]);
    expect(read('anneal.config.ts')).toMatchInlineSnapshot(`
      "import { defineConfig } from '@anneal/core';
      import { quantize } from '@anneal/plugin-quantize';
      import { textClassification } from '@anneal/plugin-text-classification';
      import { textData } from '@anneal/plugin-text-data';
      import { tokenizer } from '@anneal/plugin-tokenizer';
      import { transformer } from '@anneal/plugin-transformer';

      export default defineConfig({
        name: 'it\\'s a filter',
        plugins: [
          textData({ sources: [{ files: 'data/*.jsonl' }], columns: { label: 'class' } }),
          tokenizer(),
          transformer({
            architecture: 'bert',
            hiddenSize: 64,
            numHiddenLayers: 2,
            numAttentionHeads: 4,
            maxPositionEmbeddings: 256,
          }),
          textClassification(),
          quantize(),
        ],
        train: { epochs: 5, batchSize: 16, learningRate: 0.002, lrScheduler: 'cosine', warmupRatio: 0.1 },
        gates: { 'size.ratio': '<= 0.5' },
      });
      "
    `);
    expect(json('package.json')).toMatchObject({
      name: 'it-s-a-filter',
      private: true,
      type: 'module',
      scripts: { build: 'anneal build', test: 'node --test' },
      devDependencies: {
        anneal: expect.any(String) as string,
        '@anneal/plugin-text-data': expect.any(String) as string,
      },
    });
    expect(read('.gitignore')).toBe('node_modules/\ndist/\n.anneal/\n');
    expect(read('README.md')).toMatch(/^# it's a filter\n/);
  });

  it('writes JSON that names plugins by string and its schema', async () => {
    const { json, created } = await made({ format: 'json', name: 'x', template: 'llm-lora' });
    expect(json('anneal.config.json')).toMatchObject({
      $schema: './anneal.schema.json',
      name: 'x',
      plugins: [
        ['text-data', {}],
        ['tokenizer', {}],
        ['transformer', {}],
        ['language-modeling', {}],
      ],
      stages: { pretrain: {}, adapt: { from: 'pretrain', plugins: [['lora', { r: 8 }]] } },
    });
    expect(json('package.json')).toMatchObject({ scripts: { schema: 'anneal schema -o anneal.schema.json' } });
    expect(created?.next).toContain('npm run schema');
  });

  it('writes no sample beside data that is there', async () => {
    const { root, read } = await made({ data: 'mails/*.csv' });
    expect(existsSync(join(root, 'data'))).toBe(false);
    expect(read('anneal.config.ts')).toContain("sources: [{ files: 'mails/*.csv' }]");
  });

  it('adapts a model that exists, which needs no labels', async () => {
    const { json } = await made({ template: 'llm-lora', model: './SmolLM2-135M', format: 'json', text: 'body' });
    const { plugins, stages } = json('anneal.config.json');
    expect(stages).toBeUndefined();
    expect(plugins).toEqual([
      ['text-data', { sources: [{ files: 'data/*.jsonl' }], columns: { text: 'body', label: null, group: null } }],
      ['tokenizer', { from: './SmolLM2-135M' }],
      ['transformer', { from: './SmolLM2-135M' }],
      ['language-modeling', { blockSize: 512 }],
      ['lora', { r: 8, loraAlpha: 16, targetModules: ['q_proj', 'v_proj'] }],
    ]);
  });

  it('copies the small model only when no other is named', async () => {
    const small = await made({ template: 'compress-onnx' });
    expect(listing(small.root)).toContain('model/onnx/model.onnx');
    const other = await made({ template: 'compress-onnx', model: '../bert' });
    expect(listing(other.root)).not.toContain('model/onnx/model.onnx');
    expect(other.read('anneal.config.ts')).toContain("onnxModel({ from: '../bert' })");
  });

  it.each([
    ['quick-stop', 'anneal-plugin-quick-stop', 'quick-stop', 'quickStop'],
    ['anneal-plugin-x', 'anneal-plugin-x', 'x', 'x'],
    ['@acme/anneal-plugin-Far Out', '@acme/anneal-plugin-far-out', 'far-out', 'farOut'],
    ['@acme/3d', '@acme/anneal-plugin-d', 'd', 'd'],
  ])('names the plugin %s', async (answer, pkg, name, variable) => {
    const { json, read } = await made({ template: 'plugin', name: answer });
    expect(json('package.json')).toMatchObject({
      name: pkg,
      keywords: ['anneal', 'anneal-plugin'],
      anneal: { plugin: true },
      peerDependencies: { '@anneal/core': expect.any(String) as string },
    });
    const source = read('src/plugin.ts');
    expect(source).toContain(`name: '${name}'`);
    expect(source).toContain(`export const ${variable}: `);
    expect(read('README.md')).toContain(`# ${pkg}\n`);
    for (const file of ['src/plugin.ts', 'src/index.ts', 'test/plugin.test.ts', 'README.md'])
      expect(read(file)).not.toMatch(/clip-?value/i);
  });

  it('keeps what package.json and .gitignore have', async () => {
    const { json, read, created } = await made(
      {},
      {
        'package.json': {
          name: 'mine',
          license: 'MIT',
          scripts: { build: 'tsc' },
          dependencies: { '@anneal/core': '1.2.3' },
        },
        '.gitignore': '/dist\nsecrets',
        'README.md': 'mine',
      },
    );
    const manifest = json('package.json');
    expect(manifest).toMatchObject({
      name: 'mine',
      license: 'MIT',
      scripts: { build: 'tsc', anneal: 'anneal build', test: 'node --test' },
      dependencies: { '@anneal/core': '1.2.3' },
    });
    expect(manifest['devDependencies']).not.toHaveProperty('@anneal/core');
    expect(manifest).not.toHaveProperty('type');
    expect(read('.gitignore')).toBe('/dist\nsecrets\nnode_modules/\n.anneal/\n');
    expect(read('README.md')).toBe('mine');
    expect(created?.kept).toEqual(['README.md']);
  });

  it('is the same the second time', async () => {
    const { root, read } = await made({ name: 'x' });
    const before: Record<string, string> = Object.fromEntries(listing(root).map((path) => [path, read(path)]));
    const { 'data/texts.jsonl': _, ...edited }: Record<string, string> = { ...before, 'README.md': 'edited' };
    const again = await made({ name: 'x' }, edited, { force: true });
    expect(Object.fromEntries(listing(again.root).map((path) => [path, again.read(path)]))).toEqual(before);
    expect(again.created?.added).toEqual([]);
  });

  it.each([
    [{ 'pnpm-lock.yaml': '' }, {}, 'pnpm install'],
    [{}, { npm_config_user_agent: 'yarn/4.0.0 npm/? node/v20' }, 'yarn install'],
    [{}, {}, 'npm install'],
  ])('says how to install: %j %j', async (files, env, command) => {
    expect((await made({}, files, { env })).created?.next[0]).toBe(command);
  });
});

/** Message and fix of what is thrown. */
async function refusal(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => new Error('nothing was thrown'),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof CreateError)) throw error;
  return `${error.message} | ${error.fix}`;
}

describe('refuses', () => {
  it.each([
    [
      { template: 'text' },
      '`--template` must be one of text-classifier, llm-lora, compress-onnx, plugin, received "text"',
    ],
    [{ format: 'yaml' }, '`--format` must be one of ts, json, received "yaml"'],
    [{ name: ' ' }, '`--name` must be a text that is not empty'],
    [{ template: 'plugin', label: 'x' }, 'the template plugin does not have `--label` | use only: --template, --name'],
  ])('%j', async (flags, message) => {
    expect(await refusal(made(flags))).toContain(message);
  });

  it.each([
    [{}, { 'anneal.config.mjs': '' }, 'there is one already: anneal.config.mjs | use `--force`'],
    [{ template: 'plugin' }, { 'src/index.ts': '' }, 'there is one already: src/index.ts | use `--force`'],
    [{}, { 'package.json': '{' }, 'package.json is not a JSON object | correct it first'],
    [{}, { 'package.json': '[]' }, 'package.json is not a JSON object | correct it first'],
  ])('%j in %j', async (flags, files, message) => {
    expect(await refusal(made(flags, files))).toContain(message);
  });
});

describe('with questions', () => {
  const table = {
    'What is': 'text-classifier',
    'Name of': 'asked',
    'Files with': 'mails/*.csv',
    'Column of the text': 'body',
    'Column of the class': 'kind',
    'Language of': 'json',
  };

  it('asks for what flags leave open', async () => {
    const asker = answers(table);
    const { json } = await made({ name: 'given' }, {}, { asker });
    expect(asker.asked.some((question) => question.startsWith('Name of'))).toBe(false);
    const { name, plugins } = json('anneal.config.json');
    expect(name).toBe('given');
    expect(plugins).toContainEqual([
      'text-data',
      { sources: [{ files: 'mails/*.csv' }], columns: { text: 'body', label: 'kind' } },
    ]);
  });

  it('asks a plugin only for its name', async () => {
    const asker = answers({ ...table, 'What is': 'plugin' });
    await made({}, {}, { asker });
    expect(asker.asked).toEqual(['What is to be built?', 'Name of the plugin']);
  });

  it.each([
    [{ ...table, 'Files with': undefined }, {}],
    [{ ...table, 'anneal.config.ts exists': false }, { 'anneal.config.ts': '' }],
    [{ ...table, 'anneal.config.ts exists': undefined }, { 'anneal.config.ts': '' }],
  ])('writes nothing when the user stops: %#', async (given, files) => {
    const { root, created } = await made({}, files, { asker: answers(given) });
    expect(created).toBeUndefined();
    expect(listing(root)).toEqual(Object.keys(files));
  });

  it('writes over a config after a yes', async () => {
    const asker = answers({ ...table, 'Language of': 'ts', 'anneal.config.ts exists': true });
    const { read } = await made({}, { 'anneal.config.ts': 'old' }, { asker });
    expect(read('anneal.config.ts')).toContain("name: 'asked'");
  });
});
