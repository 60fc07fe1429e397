/** Formats that a source can be read as. */
export type SourceFormat = 'text' | 'mail' | 'jsonl' | 'json' | 'csv' | 'tsv';

/**
 * Which columns hold what. A list joins columns: texts by an empty line, ids and groups by `/`.
 * Rows that come from files also have the columns `path` (from the source's folder), `folder` (name of the folder the
 * file is in) and `file` (its name), unless the data has columns of these names.
 */
export interface Columns {
  /** @defaultValue `'text'` */
  readonly text?: string | readonly string[] | undefined;
  /** `null`: the data has no labels. @defaultValue `'label'` where it exists; `'folder'` for `text` and `mail` files */
  readonly label?: string | null | undefined;
  /** `null`: the data has no groups. @defaultValue `'group'` where it exists; `'folder'` for `text` and `mail` files */
  readonly group?: string | readonly string[] | null | undefined;
  /** @defaultValue `'id'` where it exists, `'path'` for `text` and `mail` files, else the row's number */
  readonly id?: string | readonly string[] | undefined;
}

interface SourceBase {
  /** Name in messages and generated ids. @defaultValue the module, the pattern, or `rows` */
  readonly name?: string | undefined;
  /**
   * How files are read; without files, whether the text column holds plain text or raw mails.
   * @defaultValue by the file name's ending; `'text'` without files
   */
  readonly format?: SourceFormat | undefined;
  /** Overrides the plugin's `columns`, field by field. */
  readonly columns?: Columns | undefined;
}

/** Records of an npm package: its default export, called without arguments if it is a function, gives an array. */
export interface ModuleSource extends SourceBase {
  /** Package name or relative path, resolved from the config's folder. */
  readonly module: string;
  /** Read these files of the package instead of loading it: patterns relative to the package's folder. */
  readonly files?: string | readonly string[] | undefined;
  /** Not together with `module`. */
  readonly rows?: undefined;
}

/** Files of the project. */
export interface FilesSource extends SourceBase {
  /** Glob patterns relative to the config's folder; files are read in the order of their paths. */
  readonly files: string | readonly string[];
  /** Not together with `files` of the project. */
  readonly module?: undefined;
  /** Not together with `files`. */
  readonly rows?: undefined;
}

/** Records written into the config. */
export interface RowsSource extends SourceBase {
  /** Records. */
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  /** Not together with `rows`. */
  readonly module?: undefined;
  /** Not together with `rows`. */
  readonly files?: undefined;
}

/** Where rows come from: plain JSON. */
export type SourceSpec = ModuleSource | FilesSource | RowsSource;

/** A row as the source gives it. Texts of files are bytes, because mails declare their own charset. */
export type RawRow = Readonly<Record<string, unknown>>;

/** A source that was found, before it is read. */
export interface OpenedSource {
  /** For messages and ids. */
  readonly name: string;
  /** Whether the text column holds raw mails. */
  readonly isMail: boolean;
  /** Whether every file is one row. */
  readonly isFilePerRow: boolean;
  /**
   * Absolute paths of the files that the rows depend on, sorted: hash their contents to know whether the source changed.
   * For an installed package only its `package.json` (and its entry file, when it is loaded as code): a version in
   * `node_modules` never changes.
   */
  readonly files: readonly string[];
  /** Reads the rows, in the same order each time. */
  rows(): AsyncIterable<RawRow>;
}
