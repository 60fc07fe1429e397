import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import type { Asker } from '../src/io.ts';
import { main } from '../src/main.ts';
import { fakeIo, fakeServices, folder } from './fakes.ts';

async function init(argv: readonly string[], files: Readonly<Record<string, unknown>> = {}, asker?: Asker) {
  const cwd = folder(files);
  const io = fakeIo({ cwd, ...(asker === undefined ? {} : { asker }) });
  const code = await main(['init', ...argv], io, fakeServices().services);
  const read = (name: string): string => readFileSync(join(cwd, name), 'utf8');
  const json = (name: string): Record<string, Record<string, string>> =>
    JSON.parse(read(name)) as Record<string, Record<string, string>>;
  return { cwd, code, out: io.stdout.text(), err: io.stderr.text(), read, json };
}

/** Answers with what stands under the beginning of the question. */
function answers(table: Readonly<Record<string, string | boolean | undefined>>): Asker & { asked: string[] } {
  const asked: string[] = [];
  const find = (message: string): unknown => {
    asked.push(message);
    const key = Object.keys(table).find((start) => message.includes(start));
    if (key === undefined) throw new Error(`not expected: ${message}`);
    return table[key];
  };
  return {
    asked,
    text: async (message) => find(message) as string | undefined,
    choose: async (message) => find(message) as string | undefined,
    confirm: async (message) => find(message) as boolean | undefined,
  };
}

describe('with flags', () => {
  it('writes a TypeScript config, package.json and .gitignore', async () => {
    const { code, out, read, json } = await init(['mail filter', '--data', "it's/*.csv", '--label', 'class', '--yes']);
    expect(code).toBe(0);
    expect(read('mail filter/anneal.config.ts')).toMatchInlineSnapshot(`
      "import { defineConfig } from '@anneal/core';
      import { quantize } from '@anneal/plugin-quantize';
      import { textClassification } from '@anneal/plugin-text-classification';
      import { textData } from '@anneal/plugin-text-data';
      import { tokenizer } from '@anneal/plugin-tokenizer';
      import { transformer } from '@anneal/plugin-transformer';

      export default defineConfig({
        name: 'mail-filter',
        plugins: [
          textData({ sources: [{ files: 'it\\'s/*.csv' }], columns: { label: 'class' } }),
          tokenizer(),
          transformer({
            architecture: 'bert',
            hiddenSize: 128,
            numHiddenLayers: 2,
            numAttentionHeads: 4,
            intermediateSize: 512,
            maxPositionEmbeddings: 256,
          }),
          textClassification(),
          quantize(),
        ],
        train: {
          epochs: 3,
          learningRate: 0.001,
          lrScheduler: 'cosine',
          warmupRatio: 0.1,
          maxLength: 128,
        },
        gates: { 'size.ratio': '<= 0.35' },
      });
      "
    `);
    expect(json('mail filter/package.json')).toMatchObject({
      name: 'mail-filter',
      type: 'module',
      scripts: { build: 'anneal build' },
      devDependencies: {
        anneal: expect.stringMatching(/^\^\d/) as string,
        '@anneal/plugin-text-data': expect.any(String) as string,
      },
    });
    expect(read('mail filter/.gitignore')).toBe('node_modules/\ndist/\n.anneal/\n');
    expect(out).toContain('npx anneal build');
  });

  it('writes JSON that names plugins by string', async () => {
    const { json } = await init(['--format', 'json', '--name', 'x', '-y']);
    expect(json('anneal.config.json')).toMatchObject({
      name: 'x',
      plugins: [
        ['text-data', { sources: [{ files: 'data/*.jsonl' }] }],
        'tokenizer',
        ['transformer', {}],
        'text-classification',
        'quantize',
      ],
    });
  });

  it('keeps what package.json and .gitignore have', async () => {
    const { json, read } = await init(['-y'], {
      'package.json': {
        name: 'mine',
        license: 'MIT',
        scripts: { build: 'tsc' },
        dependencies: { '@anneal/core': '1.2.3' },
      },
      '.gitignore': '/dist\nsecrets',
    });
    const manifest = json('package.json');
    expect(manifest).toMatchObject({
      name: 'mine',
      license: 'MIT',
      scripts: { build: 'tsc', anneal: 'anneal build' },
      dependencies: { '@anneal/core': '1.2.3' },
    });
    expect(manifest['devDependencies']).not.toHaveProperty('@anneal/core');
    expect(manifest).not.toHaveProperty('type');
    expect(read('.gitignore')).toBe('/dist\nsecrets\nnode_modules/\n.anneal/\n');
  });

  it('does not overwrite a config unless told to', async () => {
    const files = { 'anneal.config.mjs': 'export default {}' };
    const refused = await init(['-y'], files);
    expect(refused.code).toBe(2);
    expect(refused.err).toContain('there is a config already: anneal.config.mjs');
    expect(existsSync(join(refused.cwd, 'package.json'))).toBe(false);
    expect((await init(['-y', '--force'], files)).code).toBe(0);
  });

  it.each([
    [['--template', 'text-clasifier'], 'did you mean `text-classifier`?'],
    [['--format', 'yaml'], 'must be one of ts, json, received "yaml"'],
  ])('refuses %j', async (argv, message) => {
    const { code, err } = await init(['-y', ...argv]);
    expect(code).toBe(2);
    expect(err.replaceAll(/\n\s*/g, ' ')).toContain(message);
  });

  it('refuses a package.json that it cannot read', async () => {
    const { code, err, cwd } = await init(['-y'], { 'package.json': '{' });
    expect(code).toBe(2);
    expect(err).toContain('package.json is not a JSON object');
    expect(existsSync(join(cwd, 'anneal.config.ts'))).toBe(false);
  });
});

describe('with questions', () => {
  const table = { Name: 'asked', Files: 'mails/*.csv', text: 'body', class: 'kind', Language: 'json' };

  it('asks for what flags leave open', async () => {
    const asker = answers(table);
    const { code, json } = await init(['--name', 'given'], {}, asker);
    expect(code).toBe(0);
    expect(asker.asked.some((question) => question.includes('Name'))).toBe(false);
    const { name, plugins } = json('anneal.config.json') as { name?: unknown; plugins?: unknown };
    expect(name).toBe('given');
    expect(plugins).toContainEqual([
      'text-data',
      { sources: [{ files: 'mails/*.csv' }], columns: { text: 'body', label: 'kind' } },
    ]);
  });

  it.each([
    [{ ...table, Files: undefined }, {}],
    [{ exists: false }, { 'anneal.config.ts': '' }],
    [{ exists: undefined }, { 'anneal.config.ts': '' }],
  ])('writes nothing when the user stops: %#', async (given, files) => {
    const { code, err, cwd } = await init([], files, answers(given));
    expect({ code, err }).toEqual({ code: 130, err: 'nothing was written\n' });
    expect(existsSync(join(cwd, 'package.json'))).toBe(false);
  });

  it('writes over a config after a yes', async () => {
    const { code, read } = await init(
      [],
      { 'anneal.config.ts': 'old' },
      answers({ ...table, Language: 'ts', exists: true }),
    );
    expect(code).toBe(0);
    expect(read('anneal.config.ts')).toContain("name: 'asked'");
  });
});
