import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { EmitContext, UserConfig } from '@anneal/core';
import { describe, expect, it } from 'vitest';

import { basePlugins, failure, filesOf, inline, listener, pipelineOf, project } from '../tiny/build.ts';

/** Refusals come before any work. */
async function refusal(root: string, overrides: UserConfig = {}) {
  const { onEvent, told } = listener();
  const pipeline = await pipelineOf(root, overrides);
  const error = await failure(pipeline.run({ onEvent }));
  expect(told().events).toEqual([]);
  return error;
}
const emitting = (emit: (ctx: EmitContext) => void | Promise<void>): UserConfig => ({
  plugins: [...basePlugins(), inline('emitting', ({ hooks }) => hooks.emit.emit.tap(emit))({})],
});
async function build(root: string, overrides: UserConfig = {}): Promise<void> {
  await (await pipelineOf(root, overrides)).run();
}

describe('an output folder is refused', () => {
  it.each([
    ['the project', '.'],
    ['a folder around it', '..'],
    ['the root of the file system', '/'],
  ])('that is %s', async (_, outDir) => {
    const root = project();
    writeFileSync(join(root, 'mine.txt'), 'mine');
    const error = await refusal(root, { outDir });
    expect(error).toMatchObject({
      code: 'ANNEAL_E_CONFIG',
      path: ['outDir'],
      message: expect.stringContaining('it contains the project itself'),
      fix: "choose a folder of its own, e.g. 'dist'",
    });
    expect(readdirSync(root)).toEqual(['mine.txt']);
  });

  it.each([
    ['dist', 'dist/cache'],
    ['.anneal', undefined],
    ['same', 'same'],
  ])('that contains the cache: %s, %s', async (outDir, cacheDir) => {
    const error = await refusal(project(), { outDir, cacheDir });
    expect(error).toMatchObject({ code: 'ANNEAL_E_CONFIG', message: expect.stringContaining('it contains the cache') });
  });

  it('that has files of somebody else', async () => {
    const root = project();
    for (const name of ['a.txt', 'sub/b.txt', 'c.txt', 'd.txt']) {
      mkdirSync(join(root, 'dist', 'sub'), { recursive: true });
      writeFileSync(join(root, 'dist', name), '');
    }
    const error = await refusal(root);
    expect(error.message).toBe(
      `\`outDir\` "${join(root, 'dist')}" would be replaced, but it has files that Anneal did not write: ` +
        'a.txt, c.txt, d.txt and 1 more',
    );
    expect(filesOf(join(root, 'dist')).size).toBe(4);
  });

  it('that somebody put a file into since', async () => {
    const root = project();
    await build(root);
    writeFileSync(join(root, 'dist', 'onnx', 'notes.md'), 'mine');
    const error = await refusal(root, { name: 'other' });
    expect(error.message).toContain('onnx/notes.md');
    expect(readFileSync(join(root, 'dist', 'onnx', 'notes.md'), 'utf8')).toBe('mine');
  });

  it('that is a file', async () => {
    const root = project();
    writeFileSync(join(root, 'dist'), 'mine');
    expect((await refusal(root)).message).toContain('it has files that Anneal did not write: dist');
    expect(readFileSync(join(root, 'dist'), 'utf8')).toBe('mine');
  });

  it.runIf(process.platform !== 'win32')('that is a link', async () => {
    const root = project();
    mkdirSync(join(root, 'elsewhere'));
    symlinkSync(join(root, 'elsewhere'), join(root, 'dist'));
    expect((await refusal(root)).code).toBe('ANNEAL_E_CONFIG');
  });

  it.each(['{', 'null', '{"key":1}', '{"key":"x"}'])('whose marker is not ours: %s', async (marker) => {
    const root = project();
    mkdirSync(join(root, 'dist'));
    writeFileSync(join(root, 'dist', '.anneal.json'), marker);
    writeFileSync(join(root, 'dist', 'a.txt'), '');
    expect((await refusal(root)).message).toContain('a.txt');
  });

  it('that two stages would write', async () => {
    const stages = { one: { emit: true }, two: { from: 'one' } };
    const error = await refusal(project(), { stages });
    expect(error).toMatchObject({
      code: 'ANNEAL_E_CONFIG',
      path: ['stages', 'one', 'emit'],
      message: expect.stringContaining('the stages one, two would all be written to'),
    });
  });
});

describe('an output folder is taken', () => {
  it('that is not there, is empty, or has what a system puts there', async () => {
    for (const prepare of [
      () => undefined,
      (dist: string) => mkdirSync(dist),
      (dist: string) => (mkdirSync(dist), writeFileSync(join(dist, '.DS_Store'), '')),
    ]) {
      const root = project();
      prepare(join(root, 'dist'));
      await build(root);
      expect(existsSync(join(root, 'dist', 'report.json'))).toBe(true);
    }
  });

  it('that has a build, whole or in part', async () => {
    const root = project();
    await build(root);
    rmSync(join(root, 'dist', 'onnx'), { recursive: true });
    await build(root, { name: 'other' });
    expect(existsSync(join(root, 'dist', 'onnx', 'model.onnx'))).toBe(true);
  });

  it('whose name only looks like a way up', async () => {
    const root = project();
    await build(root, { outDir: '..dist' });
    expect(readdirSync(root).toSorted()).toEqual(['..dist', '.anneal']);
  });
});

describe('the result', () => {
  it('appears at once: until then the folder holds the build before', async () => {
    const root = project();
    await build(root);
    const before = filesOf(join(root, 'dist'));
    let during: ReadonlyMap<string, string> | undefined;
    await build(root, {
      ...emitting(async ({ write }) => {
        await write('extra.txt', 'x');
        during = filesOf(join(root, 'dist'));
      }),
    });
    expect(during).toEqual(before);
    expect(readFileSync(join(root, 'dist', 'extra.txt'), 'utf8')).toBe('x');
    expect(readdirSync(root).toSorted()).toEqual(['.anneal', 'dist']);
  });

  it('stays what it was when a plugin fails while it is written', async () => {
    const root = project();
    await build(root);
    const before = filesOf(join(root, 'dist'));
    const failing = emitting(async ({ write }) => {
      await write('half.txt', 'x');
      void write('later/half.txt', 'x'.repeat(1e6));
      throw new Error('no');
    });
    expect(await failure(build(root, failing))).toMatchObject({ code: 'ANNEAL_E_HOOK', hook: 'emit.emit' });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(filesOf(join(root, 'dist'))).toEqual(before);
    expect(readdirSync(root).toSorted()).toEqual(['.anneal', 'dist']);
  });

  it('has files that a plugin did not wait for', async () => {
    const root = project();
    await build(
      root,
      emitting(({ write }) => void write('slow.bin', new Uint8Array(1e6))),
    );
    expect(readFileSync(join(root, 'dist', 'slow.bin'))).toHaveLength(1e6);
    expect(readFileSync(join(root, 'dist', 'README.md'), 'utf8')).toContain('slow.bin');
  });

  it('fails when one of those cannot be written', async () => {
    const root = project();
    const error = await failure(
      build(
        root,
        emitting(({ write }) => void write('config.json/inside', '')),
      ),
    );
    expect(error.code).toBe('ANNEAL_E_WRITE');
    expect(existsSync(join(root, 'dist'))).toBe(false);
  });

  it('takes no file afterwards', async () => {
    const root = project();
    let late: EmitContext['write'] | undefined;
    await build(
      root,
      emitting(({ write }) => void (late = write)),
    );
    const before = filesOf(root);
    expect(await failure(late!('late.txt', ''))).toMatchObject({
      code: 'ANNEAL_E_WRITE',
      message: expect.stringContaining('after the output folder was complete'),
      fix: 'await `ctx.write` in the hook',
    });
    expect(filesOf(root)).toEqual(before);
  });

  it.each(['../outside.txt', '/tmp/outside.txt', 'a/../../outside.txt', '.', ''])('keeps %j inside', async (path) => {
    const root = project();
    const error = await failure(
      build(
        root,
        emitting(({ write }) => write(path, '')),
      ),
    );
    expect(error).toMatchObject({
      code: 'ANNEAL_E_WRITE',
      plugin: 'emitting',
      hook: 'emit.emit',
      message: expect.stringContaining('is outside the output folder'),
    });
    expect(readdirSync(join(root, '..'))).toEqual(['project']);
    expect(readdirSync(root)).toEqual(['.anneal']);
  });

  it('lists a file once, however its path is written', async () => {
    const root = project();
    await build(
      root,
      emitting(async ({ write }) => {
        await write('./sub/../a.txt', 'one');
        await write('a.txt', 'two');
      }),
    );
    const { files } = JSON.parse(readFileSync(join(root, 'dist', '.anneal.json'), 'utf8')) as { files: object };
    expect(Object.keys(files).filter((name) => name.includes('a.txt'))).toEqual(['a.txt']);
  });
});
