import { describe, expect, it } from 'vitest';
import { prepareTextData, TEXT_DATA_CODES, type TextDataOptions } from '../src/index.ts';
import { createFolder } from './folder.ts';
import { createRandom, randomText } from './random.ts';

/** Labelled rows with unlike texts. */
function manyRows(count: number, seed: number = 1): { id: string; text: string; label: string; group: string }[] {
  const random = createRandom(seed);
  return Array.from({ length: count }, (_, i) => ({
    id: `r${i}`,
    text: randomText(random, 20),
    label: i % 3 === 0 ? 'spam' : 'ham',
    group: i % 2 === 0 ? 'a' : 'b',
  }));
}

const prepare = (options: TextDataOptions, seed: number = 1) => prepareTextData(options, { root: '/', seed });

describe('prepareTextData', () => {
  it('shortens texts only after duplicates were looked for', async () => {
    const rows = manyRows(200).map((row) => ({ ...row, text: `the same start ${row.text} the same end` }));
    const shorten = { maxLength: 30, keep: 'ends' } as const;
    const whole = await prepare({ sources: [{ rows }] });
    const { splits, report } = await prepare({ sources: [{ rows }], shorten });
    expect(report.dropped).toEqual(whole.report.dropped);
    expect(report.rows).toBe(200);
    expect(report.stats.characters.max).toBeLessThanOrEqual(30);
    for (const { text } of Object.values(splits).flat()) expect(text).toMatch(/^the same sta.*\n…\n.*the same end$/s);
    const ids = (of: typeof whole): string[][] => Object.values(of.splits).map((own) => own.map(({ id }) => id));
    expect(ids({ ...whole, splits })).toEqual(ids(whole));
  });

  it('accounts for every row', async () => {
    const rows = [
      ...manyRows(200),
      { id: 'dup', text: manyRows(1)[0]!.text.toUpperCase(), label: 'ham', group: 'a' },
      { id: 'near', text: `${manyRows(1)[0]!.text} one`, label: 'spam', group: 'a' },
      { id: 'blank', text: ' \u200b ', label: 'ham', group: 'a' },
      { id: 'none', label: 'ham', group: 'a' },
      { id: 'r0', text: 'another row of the same id', label: 'ham', group: 'a' },
      { id: 'out', text: 'a row of a class that is left out', label: 'unsure', group: 'a' },
      { id: 'gap', text: 'a row without any label at all', group: 'a' },
    ];
    const options: TextDataOptions = { sources: [{ rows }], labels: { spam: 'bad', ham: 'good', unsure: null } };
    const { splits, classes, report } = await prepare(options);
    expect(classes).toEqual(['bad', 'good']);
    expect(report.rowsIn).toBe(207);
    expect(report.dropped).toEqual({
      'exact-duplicate': 1,
      'near-duplicate': 1,
      'too-short': 1,
      'no-text': 1,
      'label-left-out': 1,
      'no-label': 1,
    });
    expect(report.rows).toBe(201);
    const all = Object.values(splits).flat();
    expect(all).toHaveLength(201);
    expect(new Set(all.map((row) => row.id)).size).toBe(201);
    expect(all.map((row) => row.id)).toContain('r0~2');
    expect(report.samples.find((sample) => sample.id === 'near')).toMatchObject({
      reason: 'near-duplicate',
      kept: 'r0',
      similarity: 16 / 17,
    });
    expect(report.clusters).toMatchObject({ labelConflicts: 1, count: 0, largest: 0 });
    expect(report.stats.labels).toEqual({ bad: 67, good: 134 });
    expect(report.cleaned).toMatchObject({ mojibake: 0, invisible: 1 });
    expect(Object.keys(splits)).toEqual(['train', 'validation', 'test']);
    for (const [name, rowsOfSplit] of Object.entries(splits)) {
      expect(report.splits[name]!.rows).toBe(rowsOfSplit.length);
      const share = { train: 0.8, validation: 0.1, test: 0.1 }[name]!;
      expect(Math.abs(rowsOfSplit.length - share * 201)).toBeLessThan(4);
    }
    expect(JSON.parse(JSON.stringify({ splits, report }))).toEqual({ splits, report });
  });

  it('keeps similar rows in one split', async () => {
    const random = createRandom(5);
    const rows = Array.from({ length: 60 }, () => randomText(random, 60)).flatMap((text, i) =>
      [0, 1, 2].map((copy) => ({
        id: `${i}-${copy}`,
        text: text
          .split(' ')
          .map((word, at) => (at < copy * 9 ? `copy${copy}${at}x${i}` : word))
          .join(' '),
        label: i % 2 === 0 ? 'x' : 'y',
      })),
    );
    const { splits, report } = await prepare({ sources: [{ rows }] });
    expect(report.rows).toBe(180);
    expect(report.clusters).toMatchObject({ count: 60, rows: 180, largest: 3 });
    const splitOf = new Map(Object.entries(splits).flatMap(([name, own]) => own.map((row) => [row.id, name])));
    for (let i = 0; i < 60; i++) expect(new Set([0, 1, 2].map((copy) => splitOf.get(`${i}-${copy}`))).size).toBe(1);
    const apart = await prepare({ sources: [{ rows }], dedup: { cluster: false } });
    expect(apart.report.clusters.count).toBe(0);
  });

  it('is deterministic in the seed', async () => {
    const options: TextDataOptions = { sources: [{ rows: manyRows(150) }] };
    expect(await prepare(options, 4)).toEqual(await prepare(options, 4));
    expect((await prepare(options, 5)).splits).not.toEqual((await prepare(options, 4)).splits);
  });

  it('takes data without labels', async () => {
    const rows = manyRows(60).map(({ text }) => ({ text }));
    const { classes, splits } = await prepare({ sources: [{ rows }] });
    expect(classes).toEqual([]);
    expect(splits['train']!.every((row) => !('label' in row) && !('group' in row))).toBe(true);
  });

  it('reads sources one after the other, with columns of their own', async () => {
    const { report } = await prepare({
      sources: [
        { rows: manyRows(60) },
        {
          rows: manyRows(60, 2).map(({ id, text }) => ({ id, body: text, kind: 'ham' })),
          columns: { text: 'body', label: 'kind' },
        },
      ],
      columns: { id: 'id' },
      split: { stratify: ['label'] },
    });
    expect(report.rows).toBe(120);
    expect(report.stats.labels).toEqual({ ham: 100, spam: 20 });
  });

  it('reports progress and stops when told to', async () => {
    const seen: number[] = [];
    const options: TextDataOptions = { sources: [{ rows: manyRows(400) }] };
    await prepareTextData(options, { root: '/', onProgress: (rows) => seen.push(rows) });
    expect(seen).toEqual([128, 256, 384]);
    const controller = new AbortController();
    const stopped = prepareTextData(options, {
      root: '/',
      signal: controller.signal,
      onProgress: () => controller.abort(),
    });
    await expect(stopped).rejects.toThrow(/abort/i);
  });
});

describe('what cannot be used is an error with a code, a place and a fix', () => {
  const rows = manyRows(60);
  const cases: Record<string, readonly [options: TextDataOptions, code: string, path: unknown, message: RegExp][]> = {
    'a module that is not installed': [
      [
        { sources: [{ rows }, { module: 'no-such-module' }] },
        'TEXT_DATA_E_MODULE_NOT_FOUND',
        ['sources', 1],
        /no-such-module/,
      ],
    ],
    'a pattern without files': [
      [{ sources: [{ files: 'no/such/*.txt' }] }, 'TEXT_DATA_E_NO_FILES', ['sources', 0], /no\/such/],
    ],
    'no rows': [[{ sources: [{ rows: [] }] }, 'TEXT_DATA_E_EMPTY', ['sources'], /no rows, received 0 rows/]],
    'no rows left': [
      [
        { sources: [{ rows: [{ text: ' ' }, { text: null }] }] },
        'TEXT_DATA_E_EMPTY',
        ['sources'],
        /2 rows, dropped: 1 too-short, 1 no-text/,
      ],
    ],
    'a column that does not exist': [
      [
        { sources: [{ rows }], columns: { label: 'lable' } },
        'TEXT_DATA_E_COLUMN',
        ['sources', 0, 'columns', 'label'],
        /`lable`, did you mean `label`/,
      ],
      [{ sources: [{ rows }], keep: ['yaer'] }, 'TEXT_DATA_E_COLUMN', ['sources', 0, 'keep'], /`yaer`/],
    ],
    'labels that are not mapped': [
      [
        { sources: [{ rows }], labels: { Ham: 'ham', spam: 'spam' } },
        'TEXT_DATA_E_LABEL_UNKNOWN',
        ['labels'],
        /`ham \(40 rows\)`, received `ham`, near `Ham`/,
      ],
    ],
    'one class only': [
      [
        { sources: [{ rows: rows.map((row) => ({ ...row, label: 'ham' })) }] },
        'TEXT_DATA_E_ONE_CLASS',
        ['labels'],
        /one class, received 60 rows of `ham`/,
      ],
      [
        { sources: [{ rows }], labels: { ham: 'ham', spam: 'spam', other: 'other' } },
        'TEXT_DATA_E_ONE_CLASS',
        ['labels'],
        /no row has the class `other`/,
      ],
    ],
    'splits that come out empty or lack a class': [
      [
        { sources: [{ rows: rows.slice(0, 4).map(({ text }) => ({ text })) }] },
        'TEXT_DATA_E_SPLIT',
        ['split', 'ratios'],
        /`test` is empty, received train: 3 rows, validation: 1 rows/,
      ],
      [
        { sources: [{ rows: [...rows.filter((row) => row.label === 'ham'), rows[0]!] }] },
        'TEXT_DATA_E_SPLIT',
        ['split', 'ratios'],
        /lacks `spam`/,
      ],
    ],
  };
  for (const [what, list] of Object.entries(cases)) {
    it.each(list)(`${what}: $1 %#`, async (options, code, path, message) => {
      const failure = prepare(options);
      await expect(failure).rejects.toMatchObject({
        name: 'AnnealError',
        code,
        path,
        message: expect.stringMatching(message),
      });
      await expect(failure).rejects.toHaveProperty('fix', expect.stringMatching(/\w/));
      expect(TEXT_DATA_CODES).toHaveProperty(code);
    });
  }

  it('carries the source in the path of errors in files', async () => {
    const root = await createFolder({ 'x.json': '[' });
    await expect(prepareTextData({ sources: [{ rows }, { files: 'x.json' }] }, { root })).rejects.toMatchObject({
      code: 'TEXT_DATA_E_FILE_SYNTAX',
      path: ['sources', 1],
    });
  });
});
