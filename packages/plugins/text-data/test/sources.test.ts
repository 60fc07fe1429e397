import { chmod, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  openSource,
  readRecords,
  type RawRow,
  type RecordOptions,
  type RecordResult,
  type SourceSpec,
} from '../src/index.ts';
import { createFolder, installed } from './folder.ts';

async function rowsOf(spec: SourceSpec, root: string): Promise<RawRow[]> {
  const source = await openSource(spec, root);
  const rows: RawRow[] = [];
  for await (const row of source.rows()) rows.push(row);
  return rows;
}

async function recordsOf(spec: SourceSpec, root: string, options: RecordOptions = {}): Promise<RecordResult[]> {
  const results: RecordResult[] = [];
  for await (const result of readRecords(await openSource(spec, root), options)) results.push(result);
  return results;
}

describe('files', () => {
  it('are read in the order of their paths, with path, folder and name as columns', async () => {
    const root = await createFolder({
      'data/spam/b.txt': 'B',
      'data/ham/z.txt': 'Z',
      'data/ham/a.txt': '\ufeffA',
      'data/ham/.hidden.txt': 'no',
      'other.txt': 'no',
    });
    const source = await openSource({ files: 'data/**/*.txt' }, root);
    expect(source).toMatchObject({ name: 'data/**/*.txt', isMail: false, isFilePerRow: true });
    expect(source.files).toEqual(
      ['data/ham/a.txt', 'data/ham/z.txt', 'data/spam/b.txt'].map((path) => join(root, path)),
    );
    const records = await recordsOf({ files: 'data/**/*.txt' }, root);
    expect(records).toEqual([
      { ok: true, record: { id: 'data/ham/a.txt', text: 'A', label: 'ham', group: 'ham', extra: {} } },
      { ok: true, record: { id: 'data/ham/z.txt', text: 'Z', label: 'ham', group: 'ham', extra: {} } },
      { ok: true, record: { id: 'data/spam/b.txt', text: 'B', label: 'spam', group: 'spam', extra: {} } },
    ]);
  });

  it('may be several patterns with negation, and links are not followed into folders', async () => {
    const root = await createFolder({ 'a/1.txt': '1', 'a/2.txt': '2', 'b/3.md': '3' });
    await symlink(join(root, 'a'), join(root, 'b/link'));
    const rows = await rowsOf({ files: ['**/*.txt', '!**/2.*', 'b/*.md'] }, root);
    expect(rows.map((row) => row['path'])).toEqual(['a/1.txt', 'b/3.md']);
  });

  it.each<[string, string, RawRow[]]>([
    ['x.jsonl', '{"text":"a","n":1}\r\n\n  \n{"text":"é"}', [{ text: 'a', n: 1 }, { text: 'é' }]],
    ['x.ndjson', '{"text":"a"}\n', [{ text: 'a' }]],
    ['x.json', '[{"text":"a"},{"text":"b"}]', [{ text: 'a' }, { text: 'b' }]],
    [
      'x.csv',
      '\ufefftext,label\n"one, ""two""\nthree",ham\n\nx,spam\n',
      [
        { text: 'one, "two"\nthree', label: 'ham' },
        { text: 'x', label: 'spam' },
      ],
    ],
    ['x.tsv', 'text\tlabel\nsay "hi\tham\n', [{ text: 'say "hi', label: 'ham' }]],
    [
      'x.json',
      '[{"text":"a","__proto__":{"text":"p"}}]',
      [JSON.parse('{"text":"a","__proto__":{"text":"p"}}') as RawRow],
    ],
  ])('of format %s', async (name, content, rows) => {
    const root = await createFolder({ [name]: content });
    const origin = { path: name, folder: root.split('/').at(-1), file: name };
    expect((await rowsOf({ files: name }, root)).map((row) => ({ ...row }))).toEqual(
      rows.map((row) => ({ ...origin, ...row })),
    );
  });

  it('reads JSON Lines across chunk borders, also inside a character', async () => {
    const texts = Array.from({ length: 3000 }, (_, i) => `${i} ${'é☕'.repeat(i % 40)}`);
    const root = await createFolder({ 'x.jsonl': texts.map((text) => JSON.stringify({ text })).join('\n') });
    expect((await rowsOf({ files: 'x.jsonl' }, root)).map((row) => row['text'])).toEqual(texts);
  });

  it('reads text that is not UTF-8 as Windows-1252', async () => {
    const root = await createFolder({ 'x.txt': Uint8Array.of(0x63, 0x61, 0x66, 0xe9, 0x20, 0x80) });
    const [result] = await recordsOf({ files: 'x.txt' }, root);
    expect(result).toMatchObject({ record: { text: 'café €' } });
  });

  it('reads mails, and reports those that give no text', async () => {
    const root = await createFolder({
      'in/1.eml': 'Subject: hi\n\nyou',
      'in/2.eml': 'nonsense',
      'in/3': 'Subject: b\n\nc',
    });
    expect(await recordsOf({ files: 'in/*.eml' }, root, { mail: { headers: [] } })).toMatchObject([
      { ok: true, record: { text: 'you', label: 'in' } },
      { ok: false, id: 'in/2.eml', reason: 'mail-no-headers' },
    ]);
    expect(await recordsOf({ files: 'in/3', format: 'mail' }, root)).toMatchObject([
      { record: { text: 'Subject: b\n\nc' } },
    ]);
  });

  it.each([
    ['x.jsonl', '{"text":"a"}\n{"text":', 'TEXT_DATA_E_FILE_SYNTAX', /x\.jsonl:2: /],
    ['x.jsonl', '[1]', 'TEXT_DATA_E_FILE_SYNTAX', /:1: expected a record, received an array/],
    ['x.json', '{"text":"a"}', 'TEXT_DATA_E_FILE_SYNTAX', /expected an array of records, received object/],
    ['x.json', '[null]', 'TEXT_DATA_E_FILE_SYNTAX', /element 0: expected a record, received null/],
    ['x.csv', 'a,b\n1,2,3\n', 'TEXT_DATA_E_FILE_SYNTAX', /line 2/],
    ['x.csv', 'a,b\n"1,2\n', 'TEXT_DATA_E_FILE_SYNTAX', /[Qq]uote/],
  ])('that are broken say where: %s %j', async (name, content, code, message) => {
    const root = await createFolder({ [name]: content });
    await expect(rowsOf({ files: name }, root)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });

  it('that cannot be read are named', async () => {
    const root = await createFolder({ 'x.txt': 'a', 'x.csv': 'a' });
    for (const name of ['x.txt', 'x.csv']) {
      const source = await openSource({ files: name }, root);
      await chmod(join(root, name), 0);
      // The superuser may read anything, so there the file goes away instead.
      if (process.getuid?.() === 0) await import('node:fs/promises').then((fs) => fs.rm(join(root, name)));
      const reading = source.rows()[Symbol.asyncIterator]().next();
      await expect(reading).rejects.toMatchObject({
        code: 'TEXT_DATA_E_FILE_UNREADABLE',
        message: expect.stringContaining(name),
      });
    }
  });

  it('are not held in memory as one endless line', async () => {
    const root = await createFolder({ 'x.jsonl': new Uint8Array(33 * 1024 * 1024 + 1).fill(0x20) });
    await expect(rowsOf({ files: 'x.jsonl' }, root)).rejects.toMatchObject({ code: 'TEXT_DATA_E_FILE_TOO_LARGE' });
  });

  it('must match something, and have a known format', async () => {
    const root = await createFolder({ 'x.parquet': '', 'y.jsnl': '', 'sub/z.txt': '' });
    await expect(openSource({ files: 'sub' }, root)).rejects.toMatchObject({
      code: 'TEXT_DATA_E_NO_FILES',
      message: expect.stringContaining('`sub`'),
      fix: expect.stringContaining('**'),
    });
    await expect(openSource({ files: '*.parquet' }, root)).rejects.toMatchObject({
      code: 'TEXT_DATA_E_FORMAT_UNKNOWN',
    });
    await expect(openSource({ files: 'y.jsnl' }, root)).rejects.toThrow('received `.jsnl`, near `.jsonl`');
  });
});

describe('modules', () => {
  it('give an array, or a function that returns one, found from the folder of the config', async () => {
    const root = await createFolder({
      ...installed('rows-list', 'export default [{ text: "a", label: "x" }];'),
      ...installed('@scope/rows-function', 'export default async () => [{ text: "b" }];'),
      'local.mjs': 'export default () => [{ text: "c" }];',
      'sub/anneal.config.json': '',
    });
    expect(await rowsOf({ module: 'rows-list' }, join(root, 'sub'))).toEqual([{ text: 'a', label: 'x' }]);
    expect(await rowsOf({ module: '@scope/rows-function' }, root)).toEqual([{ text: 'b' }]);
    expect(await rowsOf({ module: './local.mjs' }, root)).toEqual([{ text: 'c' }]);
    const source = await openSource({ module: 'rows-list' }, root);
    expect(source.files).toEqual(
      ['index.js', 'package.json'].map((file) => join(root, 'node_modules/rows-list', file)),
    );
  });

  it('may have their files read instead', async () => {
    const root = await createFolder({
      ...installed('mails', 'throw new Error("not loaded");'),
      'node_modules/mails/data/spam/1.txt': 'Subject: s\n\nx',
      'node_modules/mails/data/ham/1.txt': 'Subject: h\n\ny',
    });
    const spec: SourceSpec = { module: 'mails', files: 'data/*/*.txt', format: 'mail' };
    const source = await openSource(spec, root);
    expect(source.files).toEqual([join(root, 'node_modules/mails/package.json')]);
    expect(await recordsOf(spec, root)).toMatchObject([
      { record: { id: 'data/ham/1.txt', text: 'Subject: h\n\ny', label: 'ham' } },
      { record: { id: 'data/spam/1.txt', text: 'Subject: s\n\nx', label: 'spam' } },
    ]);
    await expect(openSource({ module: 'mails', files: 'none/*.txt' }, root)).rejects.toMatchObject({
      code: 'TEXT_DATA_E_NO_FILES',
    });
  });

  it('that are missing say how to install them', async () => {
    const root = await createFolder({});
    const missing = { code: 'TEXT_DATA_E_MODULE_NOT_FOUND', fix: 'install it: npm install @no/such' };
    await expect(openSource({ module: '@no/such/part' }, root)).rejects.toMatchObject(missing);
    await expect(openSource({ module: '@no/such', files: '*.txt' }, root)).rejects.toMatchObject(missing);
    await expect(rowsOf({ module: './no.mjs' }, root)).rejects.toMatchObject({
      code: expect.stringMatching(/^TEXT_DATA_E_MODULE_/),
    });
  });

  it.each([
    ['throw new Error("broken inside");', 'TEXT_DATA_E_MODULE_FAILED', 'broken inside'],
    ['export default () => { throw new Error("broken call"); };', 'TEXT_DATA_E_MODULE_FAILED', 'broken call'],
    ['export default "text";', 'TEXT_DATA_E_MODULE_SHAPE', 'received string'],
    ['export default [{ text: "a" }, 5];', 'TEXT_DATA_E_MODULE_SHAPE', 'element 1 is a number'],
    ['export const rows = [];', 'TEXT_DATA_E_MODULE_SHAPE', 'received undefined'],
  ])('that fail say why: %s', async (code, errorCode, message) => {
    const root = await createFolder(installed('broken', code));
    await expect(rowsOf({ module: 'broken' }, root)).rejects.toMatchObject({
      code: errorCode,
      message: expect.stringContaining(message),
    });
  });
});

describe('columns', () => {
  const rows = [
    { subject: 'S', body: 'B', year: 2002, set: 'x', kind: 'ham', key: 7 },
    { subject: 'T', year: 2003, set: 'y', kind: 'spam', key: 8 },
    { year: 2004, set: 'y', kind: null, key: 9 },
    { body: { not: 'text' }, subject: null },
  ];

  it('are named, joined and carried along', async () => {
    const columns = { text: ['subject', 'body'], label: 'kind', group: ['set', 'year'], id: 'key' };
    expect(await recordsOf({ rows }, '/', { columns, keep: ['year'] })).toEqual([
      { ok: true, record: { id: '7', text: 'S\n\nB', label: 'ham', group: 'x/2002', extra: { year: 2002 } } },
      { ok: true, record: { id: '8', text: 'T', label: 'spam', group: 'y/2003', extra: { year: 2003 } } },
      { ok: false, id: '9', reason: 'no-text', detail: 'received undefined' },
      { ok: false, id: 'rows#3', reason: 'no-text', detail: 'received null' },
    ]);
  });

  it('are carried along as JSON, or left out', async () => {
    const row = { text: 'a', when: new Date(0), list: [1, { b: undefined }], big: 1n, run: () => 1, nan: Number.NaN };
    expect(await recordsOf({ rows: [row] }, '/', { keep: ['when', 'list', 'big', 'run', 'nan'] })).toMatchObject([
      { record: { extra: { when: '1970-01-01T00:00:00.000Z', list: [1, {}], nan: null } } },
    ]);
  });

  it('have defaults that need not exist', async () => {
    expect(await recordsOf({ rows: [{ text: 'a' }], name: 'mine' }, '/')).toEqual([
      { ok: true, record: { id: 'mine#0', text: 'a', label: undefined, group: undefined, extra: {} } },
    ]);
    expect(
      await recordsOf({ rows: [{ text: 'a', label: true, group: 'g', id: 'i' }] }, '/', {
        columns: { label: null, group: null },
      }),
    ).toMatchObject([{ record: { id: 'i', label: undefined, group: undefined } }]);
  });

  it('hold raw mails when the format says so', async () => {
    const [result] = await recordsOf({ rows: [{ text: 'Subject: a\n\nb' }], format: 'mail' }, '/');
    expect(result).toMatchObject({ record: { text: 'Subject: a\n\nb' } });
    expect(await recordsOf({ rows: [{ text: 5 }], format: 'mail' }, '/')).toMatchObject([{ reason: 'no-text' }]);
  });

  it.each([
    [{ text: 'bdy' }, 'no column `bdy`, did you mean `body`?', ['columns', 'text'], 'write `body`'],
    [{ text: 'body', label: 'class' }, 'no column `class`', ['columns', 'label'], 'set `columns.label`'],
    [{ text: 'body', id: ['key', 'nmae'] }, 'no column `nmae`', ['columns', 'id'], 'set `columns.id`'],
  ])('that no row has are an error: %j', async (columns, message, path, fix) => {
    await expect(recordsOf({ rows }, '/', { columns })).rejects.toMatchObject({
      code: 'TEXT_DATA_E_COLUMN',
      message: expect.stringContaining(message),
      path,
      fix: expect.stringContaining(fix),
    });
  });
});
