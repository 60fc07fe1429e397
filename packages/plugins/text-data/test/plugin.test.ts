import { join } from 'node:path';
import { createLogger, type DataContext, type Dataset, type LogEntry, type PluginApi, type Run } from '@anneal/core';
import { describe, expect, it } from 'vitest';
import { textData, type TextDataOptions } from '../src/index.ts';
import { createFolder, installed } from './folder.ts';
import { createRandom, randomText } from './random.ts';

/** Sets the plugin up with an API that records what it is given, and answers `data.resolveDataset`. */
async function setUp(options: TextDataOptions, root: string) {
  const logs: LogEntry[] = [];
  const files: string[] = [];
  const taps: ((ctx: DataContext) => Promise<Dataset>)[] = [];
  const logger = createLogger((entry) => logs.push(entry));
  const hooks = { data: { resolveDataset: { tap: (tap: (typeof taps)[number]) => taps.push(tap) } } };
  const api = { root, seed: 3, logger, hooks, dependsOn: (file: string) => files.push(file) };
  const plugin = textData(options);
  await plugin.setup(api as unknown as PluginApi, options);
  expect(taps).toHaveLength(1);
  const progress: string[] = [];
  const ctx = {
    run: {} as Run,
    root,
    seed: 3,
    logger,
    signal: new AbortController().signal,
    progress: () => ({ update: (done: number) => progress.push(String(done)), done: () => progress.push('done') }),
  };
  return { plugin, logs, files, progress, resolve: () => taps[0]!(ctx as unknown as DataContext) };
}

function manyRows(count: number): { text: string; label: string }[] {
  const random = createRandom(1);
  return Array.from({ length: count }, (_, i) => ({ text: randomText(random, 20), label: i % 2 === 0 ? 'a' : 'b' }));
}

describe('textData', () => {
  it('answers with splits and a report, and names the classes in order', async () => {
    const rows = [...manyRows(150), { ...manyRows(1)[0]!, label: 'b' }];
    const { plugin, logs, progress, resolve } = await setUp({ sources: [{ rows }] }, '/');
    expect(plugin.name).toBe('text-data');
    const dataset = await resolve();
    expect(Object.keys(dataset.splits)).toEqual(['train', 'validation', 'test']);
    expect(dataset.report).toMatchObject({
      rowsIn: 151,
      dropped: { 'exact-duplicate': 1 },
      samples: [{ reason: 'exact-duplicate', id: 'rows#150', kept: 'rows#0', similarity: 1 }],
      splits: { train: dataset.splits['train']!.length },
      details: { rows: 150, classes: ['a', 'b'], stats: { labels: { a: 75, b: 75 } } },
    });
    expect(JSON.parse(JSON.stringify(dataset))).toEqual(dataset);
    expect(progress).toEqual(['128', 'done']);
    expect(logs).toEqual([
      { level: 'info', message: 'kept 150 of 151 rows, dropped 1 exact-duplicate', tag: undefined },
      {
        level: 'warn',
        message: '1 duplicates were dropped whose label differs from the row they repeat',
        tag: undefined,
      },
    ]);
  });

  it('depends on the files that it will read', async () => {
    const root = await createFolder({ 'data/x.txt': 'x', ...installed('rows', 'export default [];') });
    const { files } = await setUp({ sources: [{ files: 'data/*' }, { module: 'rows' }, { rows: [] }] }, root);
    expect(files.sort()).toEqual(
      ['data/x.txt', 'node_modules/rows/index.js', 'node_modules/rows/package.json'].map((file) => join(root, file)),
    );
  });

  it('says what is wrong with the data when it is read, not when it is planned', async () => {
    const { files, progress, resolve } = await setUp({ sources: [{ files: 'none/*.txt' }] }, '/');
    expect(files).toEqual([]);
    await expect(resolve()).rejects.toMatchObject({ code: 'TEXT_DATA_E_NO_FILES' });
    expect(progress).toEqual(['done']);
  });
});

describe('options', () => {
  const validate = async (options: unknown): Promise<string[]> => {
    const result = await textData.schema['~standard'].validate(options);
    const keyOf = (part: PropertyKey | { readonly key: PropertyKey }): string =>
      String(typeof part === 'object' ? part.key : part);
    return (result.issues ?? []).map(({ path, message }) => `${(path ?? []).map(keyOf).join('.')}: ${message}`);
  };
  const rows = [{ text: 'a' }];

  it('are plain JSON with every field optional but the sources', async () => {
    expect(await validate({ sources: [{ rows }] })).toEqual([]);
    const full: Required<TextDataOptions> = {
      sources: [
        {
          module: '@scope/name',
          files: ['a/*.txt', '!b'],
          format: 'mail',
          name: 'n',
          columns: { text: 'a', label: null, group: ['b', 'c'], id: 'd' },
        },
        { files: 'x' },
        { module: 'y' },
      ],
      columns: { text: ['a', 'b'], label: 'c', group: null, id: ['d'] },
      labels: { a: 'b', c: null },
      keep: ['year'],
      mail: { headers: ['subject'], addresses: true, maxBytes: 1, maxNesting: 1 },
      clean: { rules: ['nfc', 'urls'], minLength: 0, maxLength: 10 },
      shorten: { maxLength: 700, keep: 'ends' },
      dedup: {
        exact: true,
        near: false,
        cluster: true,
        threshold: 0.9,
        clusterThreshold: 0,
        ngram: 1,
        permutations: 64,
      },
      split: { ratios: { train: 1 }, method: 'stable', stratify: [] },
    };
    expect(await validate(JSON.parse(JSON.stringify(full)))).toEqual([]);
  });

  it.each<[unknown, RegExp]>([
    [{}, /^sources: /],
    [{ sources: [] }, /^sources: /],
    [{ sources: [{}] }, /^sources\.0: a source has either/],
    [{ sources: [{ rows, files: 'x' }] }, /^sources\.0: a source has either/],
    [{ sources: [{ rows, fromat: 'text' }] }, /^sources\.0\.fromat: /],
    [{ sources: [{ rows, format: 'xml' }] }, /^sources\.0\.format: .*"xml"/],
    [{ sources: [{ rows }], lables: {} }, /^lables: /],
    [{ sources: [{ rows }], clean: { rules: ['mojibak'] } }, /^clean\.rules\.0: .*"mojibak"/],
    [{ sources: [{ rows }], dedup: { threshold: 80 } }, /^dedup\.threshold: .*80/],
    [{ sources: [{ rows }], dedup: { ngram: 0 } }, /^dedup\.ngram: /],
    [{ sources: [{ rows }], split: { ratios: { train: 0 } } }, /^split\.ratios: at least one ratio/],
    [{ sources: [{ rows }], split: { ratios: { train: -1 } } }, /^split\.ratios\.train: /],
  ])('are rejected with their place: %j', async (options, message) => {
    expect((await validate(options)).join('\n')).toMatch(message);
  });
});
