import { basename, dirname, extname, isAbsolute, join, relative, sep } from 'node:path';
import { glob } from 'tinyglobby';
import { listed, nearest, problem } from '../problems.ts';
import { FORMAT_BY_ENDING, readRows } from './formats.ts';
import { loadRecords, manifestOf, packageFolder, resolveModule } from './module.ts';
import type { FilesSource, ModuleSource, OpenedSource, RawRow, RowsSource, SourceFormat, SourceSpec } from './types.ts';

/** Finds what a source names, relative to the folder `root`; reads nothing yet. */
export async function openSource(spec: SourceSpec, root: string): Promise<OpenedSource> {
  if (spec.rows !== undefined) return openRows(spec);
  if (spec.module === undefined) return openFiles(spec, root, 'the folder of the config');
  if (spec.files === undefined) return openModule(spec, root);
  const folder = await packageFolder(spec.module, root);
  const source = await openFiles({ ...spec, module: undefined, files: spec.files }, folder, `\`${spec.module}\``);
  return folder.split(sep).includes('node_modules') ? { ...source, files: [join(folder, 'package.json')] } : source;
}

function openRows(spec: RowsSource): OpenedSource {
  return {
    name: spec.name ?? 'rows',
    isMail: spec.format === 'mail',
    isFilePerRow: false,
    files: [],
    rows: () => each(() => Promise.resolve(spec.rows)),
  };
}

async function openModule(spec: ModuleSource, root: string): Promise<OpenedSource> {
  const entry = resolveModule(spec.module, root);
  const manifest = await manifestOf(entry);
  return {
    name: spec.name ?? spec.module,
    isMail: spec.format === 'mail',
    isFilePerRow: false,
    files: [entry, ...(manifest === undefined ? [] : [manifest])].sort(),
    rows: () => each(() => loadRecords(spec.module, entry)),
  };
}

async function openFiles(spec: FilesSource, folder: string, where: string): Promise<OpenedSource> {
  const patterns = typeof spec.files === 'string' ? [spec.files] : spec.files;
  const found = await glob(
    patterns.map((pattern) => pattern.replaceAll('\\', '/')),
    {
      cwd: folder,
      absolute: true,
      dot: false,
      expandDirectories: false,
      followSymbolicLinks: false,
    },
  );
  if (found.length === 0) {
    throw problem('TEXT_DATA_E_NO_FILES', `no file in ${where} matches ${listed(patterns)}`, {
      received: `folder ${folder}`,
      fix: 'check the pattern; `**` stands for any folders, and a folder alone matches nothing',
    });
  }
  const files = found
    .map((file) => ({ file, path: relative(folder, file).split(sep).join('/') }))
    .sort((a, b) => (a.path < b.path ? -1 : 1))
    .map(({ file, path }) => ({ file, path, format: spec.format ?? formatOf(path) }));
  const isWhole = (format: SourceFormat): boolean => format === 'mail' || format === 'text';
  return {
    name: spec.name ?? patterns.join(', '),
    isMail: files[0]!.format === 'mail',
    isFilePerRow: files.every(({ format }) => isWhole(format)),
    files: files.map(({ file }) => file),
    rows: async function* () {
      for (const { file, path, format } of files) {
        const origin = {
          path,
          folder: basename(dirname(isAbsolute(path) ? path : join(folder, path))),
          file: basename(path),
        };
        for await (const row of readRows(file, format)) yield { ...origin, ...row };
      }
    },
  };
}

function formatOf(path: string): SourceFormat {
  const ending = extname(path).toLowerCase();
  if (Object.hasOwn(FORMAT_BY_ENDING, ending)) return FORMAT_BY_ENDING[ending]!;
  const near = nearest(ending, Object.keys(FORMAT_BY_ENDING));
  throw problem('TEXT_DATA_E_FORMAT_UNKNOWN', `the format of ${path} cannot be told from its name`, {
    received: ending === '' ? 'no ending' : `\`${ending}\`${near === undefined ? '' : `, near \`${near}\``}`,
    fix: 'set `format` to one of text, mail, jsonl, json, csv, tsv, or narrow the pattern',
  });
}

async function* each(load: () => Promise<readonly RawRow[]>): AsyncGenerator<RawRow> {
  yield* await load();
}
