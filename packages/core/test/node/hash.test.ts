import { execFileSync } from 'node:child_process';
import { mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { digest, digestPath } from '../../src/node/hash.ts';
import { digestPackage } from '../../src/node/package-code.ts';
import { folder } from '../tiny/build.ts';

describe('digest of a value', () => {
  const values: unknown[] = [
    undefined,
    null,
    'null',
    'undefined',
    0,
    -0,
    1,
    '1',
    1n,
    Number.NaN,
    'NaN',
    Number.POSITIVE_INFINITY,
    true,
    'true',
    [],
    {},
    [1],
    [[1]],
    [1, 2],
    ['1,2'],
    { a: 1 },
    { a: '1' },
    { a: [1] },
    { b: 1 },
    { a: 1, b: 1 },
    { 'a":1,"b': 1 },
    new Map([['a', 1]]),
    new Map([['a', 2]]),
    new Set(['a']),
    new Set(['b']),
    new Date(0),
    new Date(1),
    /a/,
    /a/i,
    new URL('file:///a'),
    Uint8Array.of(1, 0, 0, 0),
    Int32Array.of(1),
    Uint8Array.of(2, 0, 0, 0),
    () => 1,
    () => 2,
    [undefined],
  ];

  it('is different for different values', () => {
    const digests = values.map(digest);
    expect(new Set(digests).size).toBe(values.length);
    for (const one of digests) expect(one).toMatch(/^[0-9a-f]{64}$/);
  });

  it('is the same for equal values, whatever the order of keys', () => {
    expect(digest({ a: 1, b: { c: 2, d: [3] } })).toBe(digest({ b: { d: [3], c: 2 }, a: 1 }));
    expect(digest({ a: 1, b: undefined })).toBe(digest({ a: 1 }));
    expect(digest(new Float32Array([1, 2]).subarray(1))).toBe(digest(Float32Array.of(2)));
  });
});

describe('digest of a path', () => {
  it('is of names and bytes, not of times', async () => {
    const root = folder();
    mkdirSync(join(root, 'sub'));
    writeFileSync(join(root, 'sub', 'a'), 'one');
    const before = await digestPath(root);
    utimesSync(join(root, 'sub', 'a'), 1, 1);
    expect(await digestPath(root)).toBe(before);
    writeFileSync(join(root, 'sub', 'a'), 'two');
    const changed = await digestPath(root);
    expect(changed).not.toBe(before);
    renameSync(join(root, 'sub', 'a'), join(root, 'sub', 'b'));
    expect(await digestPath(root)).not.toBe(changed);
  });

  it('sees a change of the same size at the same time', async () => {
    const file = join(folder(), 'a');
    writeFileSync(file, 'one');
    utimesSync(file, 1, 1);
    const before = await digestPath(file);
    writeFileSync(file, 'two');
    utimesSync(file, 1, 1);
    expect(await digestPath(file)).not.toBe(before);
  });

  it('sees a file come and go', async () => {
    const root = folder();
    const file = join(root, 'a');
    expect(await digestPath(file)).toBe('missing');
    const empty = await digestPath(root);
    writeFileSync(file, '');
    const there = await digestPath(file);
    expect(there).not.toBe('missing');
    expect(await digestPath(root)).not.toBe(empty);
    rmSync(file);
    expect(await digestPath(root)).toBe(empty);
  });

  it('does not look into node_modules', async () => {
    const root = folder();
    const before = await digestPath(root);
    mkdirSync(join(root, 'node_modules'));
    writeFileSync(join(root, 'node_modules', 'a'), 'x');
    expect(await digestPath(root)).toBe(before);
  });

  it('follows links, and ends where they lead in a circle', async () => {
    const root = folder();
    mkdirSync(join(root, 'sub'));
    writeFileSync(join(root, 'sub', 'a'), 'one');
    for (const name of ['l1', 'l2']) symlinkSync(root, join(root, 'sub', name));
    symlinkSync(join(root, 'nothing'), join(root, 'broken'));
    const before = await digestPath(root);
    writeFileSync(join(root, 'sub', 'a'), 'two');
    expect(await digestPath(root)).not.toBe(before);
  });

  it.skipIf(process.platform === 'win32')('does not wait for a pipe', async () => {
    const root = folder();
    execFileSync('mkfifo', [join(root, 'pipe')]);
    expect(await digestPath(join(root, 'pipe'))).toBe('special');
  });
});

describe('digest of a package', () => {
  /** A package of the given files; digests are asked for once per file name, so every variant lies in its own folder. */
  function packageOf(files: Readonly<Record<string, string>>, installed = false): string {
    const root = installed ? join(folder(), 'node_modules', 'p') : folder();
    for (const [name, text] of Object.entries({ 'package.json': '{"name":"p"}', ...files })) {
      mkdirSync(join(root, name, '..'), { recursive: true });
      writeFileSync(join(root, name), text);
    }
    return root;
  }
  const digestOf = (files: Readonly<Record<string, string>>, entry: string, installed?: boolean): Promise<string> =>
    digestPackage(join(packageOf(files, installed), entry));

  const code = { 'dist/index.js': 'export * from "./a.js"', 'dist/a.js': 'export const a = 1;', 'README.md': 'hello' };

  it('depends on the folder that the file runs from, not on its place', async () => {
    const before = await digestOf(code, 'dist/index.js');
    expect(await digestOf(code, 'dist/index.js')).toBe(before);
    expect(await digestOf({ ...code, 'dist/a.js': 'export const a = 2;' }, 'dist/index.js')).not.toBe(before);
    expect(await digestOf({ ...code, 'package.json': '{"name":"p","version":"2.0.0"}' }, 'dist/index.js')).not.toBe(
      before,
    );
    expect(await digestOf({ ...code, 'README.md': 'bye', 'test/a.js': '' }, 'dist/index.js')).toBe(before);
  });

  it('has of its manifest what changes what code does, and the versions of what it depends on', async () => {
    const manifest = { name: 'p', version: '1.0.0', dependencies: { q: '^1.0.0' } };
    const of = (more: object, version = '1.1.0'): Promise<string> => {
      const dependency = { 'node_modules/q/package.json': JSON.stringify({ name: 'q', version }) };
      return digestOf(
        { ...code, ...dependency, 'package.json': JSON.stringify({ ...manifest, ...more }) },
        'dist/index.js',
      );
    };
    const before = await of({});
    expect(await of({ scripts: { test: 'vitest' }, devDependencies: { r: '1' } })).toBe(before);
    expect(await of({ exports: './dist/a.js' })).not.toBe(before);
    expect(await of({}, '1.2.0')).not.toBe(before);
  });

  it('of the project itself is a file and what it imports: other plugins lie beside it', async () => {
    const own = {
      'plugins/p.ts': "import { q } from '../lib/q.ts';",
      'lib/q.ts': 'export const q = 1;',
      'lib/r.ts': '',
    };
    const of = (changes: Readonly<Record<string, string>> = {}): Promise<string> => {
      const root = packageOf({ ...own, ...changes });
      return digestPackage(join(root, 'plugins', 'p.ts'), root);
    };
    const before = await of();
    expect(await of({ 'lib/r.ts': 'unused' })).toBe(before);
    expect(await of({ 'lib/q.ts': '// A comment\nexport const q = 1;' })).toBe(before);
    expect(await of({ 'lib/q.ts': 'export const q = 2;' })).not.toBe(before);
    expect(await of({ 'plugins/other.ts': '' })).toBe(before);
    expect(await of({ 'plugins/p.ts': `${own['plugins/p.ts']}\nq();` })).not.toBe(before);
  });

  it('of another package of the workspace is its folder, and what that imports from elsewhere', async () => {
    const own = { 'src/p.ts': "import '../lib/q.ts';", 'lib/q.ts': '1', 'src/worker.ts': '1', 'lib/r.ts': '1' };
    const of = (changes: Readonly<Record<string, string>> = {}): Promise<string> =>
      digestPackage(join(packageOf({ ...own, ...changes }), 'src', 'p.ts'), folder());
    const before = await of();
    expect(await of({ 'lib/r.ts': '2' })).toBe(before);
    expect(await of({ 'lib/q.ts': '2' })).not.toBe(before);
    expect(await of({ 'src/worker.ts': '2' })).not.toBe(before);
  });

  it('that has its code beside package.json is all of it, when it is installed', async () => {
    const flat = { 'index.js': 'require(`./lib/${name}`)', 'lib/a.js': '1' };
    const before = await digestOf(flat, 'index.js', true);
    expect(await digestOf(flat, 'index.js', true)).toBe(before);
    expect(await digestOf({ ...flat, 'lib/a.js': '2' }, 'index.js', true)).not.toBe(before);
  });

  it('that is the project is the file and what it imports, not the results that lie there', async () => {
    const flat = {
      'anneal.config.ts': "import { p } from './plugins/p.js';\nexport default await import('./more');",
      'plugins/p.ts': "export * from '../lib/q.ts';",
      'lib/q.ts': 'export const q = 1;',
      'more/index.ts': '',
      'dist/report.json': '1',
    };
    const of = (changes: Readonly<Record<string, string>> = {}): Promise<string> =>
      digestOf({ ...flat, ...changes }, 'anneal.config.ts');
    const before = await of();
    expect(await of()).toBe(before);
    expect(await of({ 'dist/report.json': '2', 'unused.ts': '' })).toBe(before);
    expect(await of({ 'lib/q.ts': 'export const q = 2;' })).not.toBe(before);
    expect(await of({ 'more/index.ts': 'changed' })).not.toBe(before);
    expect(await of({ 'more/index.ts': '// a comment' })).toBe(before);
    expect(await of({ 'plugins/p.ts': '' })).not.toBe(before);
  });
});
