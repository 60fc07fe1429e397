import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { loadConfig, resolveConfig, type UserConfigExport } from '@anneal/core';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { commandProblem } from './commands.ts';
import { allBlocks, type Block, root } from './markdown.ts';

/** Blocks become files here, so that they find the packages that this one depends on. */
const folder = join(import.meta.dirname, '.blocks');

const blocks = allBlocks();
const of = (...languages: readonly string[]): readonly Block[] =>
  blocks.filter(({ language }) => languages.includes(language));
const fileOf = ({ at }: Block, ending: string): string => join(folder, `${at.replaceAll(/[/.:]/g, '-')}.${ending}`);

beforeAll(() => {
  mkdirSync(folder, { recursive: true });
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

it('every block says its language', () => {
  const known = ['ts', 'json', 'yaml', 'sh', 'text', 'html'];
  expect(
    blocks.filter(({ language }) => !known.includes(language)).map(({ at, language }) => `${at} ${language}`),
  ).toEqual([]);
});

describe('TypeScript', () => {
  const found = of('ts').map((block) => ({ ...block, file: fileOf(block, 'ts') }));
  const errors = new Map<string, string[]>();

  beforeAll(() => {
    for (const { file, text } of found) writeFileSync(file, text.includes('import ') ? text : `${text}\nexport {};\n`);
    const config = ts.getParsedCommandLineOfConfigFile(
      join(root, 'tsconfig.test.json'),
      // Examples are read, not published: their types need not be written out, and they may show what nothing uses.
      { noEmit: true, composite: false, incremental: false, noUnusedLocals: false, noUnusedParameters: false },
      {
        ...ts.sys,
        onUnRecoverableConfigFileDiagnostic: (one) =>
          expect.fail(ts.flattenDiagnosticMessageText(one.messageText, '\n')),
      },
    );
    const program = ts.createProgram(
      found.map(({ file }) => file),
      config?.options ?? {},
    );
    for (const { at, file } of found) {
      const source = program.getSourceFile(file);
      const all = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
      errors.set(
        at,
        all.map((one) => {
          const { line = 0 } =
            one.start === undefined || source === undefined ? {} : source.getLineAndCharacterOfPosition(one.start);
          return `line ${line + 1}: ${ts.flattenDiagnosticMessageText(one.messageText, '\n')}`;
        }),
      );
    }
  }, 120_000);

  it.each(found.map(({ at }) => [at]))('%s compiles', (at) => {
    expect(errors.get(at)?.join('\n')).toBe('');
  });

  it.each(found.filter(({ text }) => text.includes('export default defineConfig(')).map((one) => [one.at, one.file]))(
    '%s is a valid config',
    async (_at, file) => {
      const module = (await import(/* @vite-ignore */ file)) as { readonly default: UserConfigExport };
      // What it extends is not there: options and keys are what is checked.
      const { extends: _, ...config } = {
        ...(await (typeof module.default === 'function'
          ? module.default({ command: 'build', mode: 'production' })
          : module.default)),
      };
      await expect(resolveConfig(config, { root: folder })).resolves.toBeDefined();
    },
  );
});

describe('JSON and YAML', () => {
  it.each(of('json', 'yaml').map((block) => [block.at, block] as const))('%s can be read', async (_at, block) => {
    if (block.language === 'json') JSON.parse(block.text);
    // Manifests and other tools' files are no configs.
    if (!/^\s*"?plugins"?:/m.test(block.text)) return;
    const file = fileOf(block, block.language);
    writeFileSync(file, block.text);
    await expect(loadConfig({ file })).resolves.toBeDefined();
  });
});

describe('shell', () => {
  it.each(of('sh').map((block) => [block.at, block.text]))('%s can be called', (_at, text) => {
    const problems = text.split('\n').map((line) => commandProblem(line));
    expect(problems.filter((problem) => problem !== undefined)).toEqual([]);
  });
});
