import { MAIL_PROBLEMS, parseMail, type MailOptions, type MailProblem } from '../mail.ts';
import { listed, nearest, problem } from '../problems.ts';
import { decodeText } from './formats.ts';
import type { Columns, OpenedSource, RawRow } from './types.ts';

/** A row with its columns sorted out. */
export interface TextRecord {
  /** Unique within the data. */
  readonly id: string;
  /** Not cleaned yet. */
  readonly text: string;
  /** The raw value, before it is mapped to a class. */
  readonly label: string | undefined;
  /** Where it comes from. */
  readonly group: string | undefined;
  /** Further columns that the caller asked for. */
  readonly extra: Readonly<Record<string, unknown>>;
}

/** Why a row gives no record. */
export type RecordProblem = 'no-text' | MailProblem;

/** Every reason with one line of explanation. */
export const RECORD_PROBLEMS: Readonly<Record<RecordProblem, string>> = {
  'no-text': 'the text column is missing or not text',
  ...MAIL_PROBLEMS,
};

/** A record, or the reason why a row gives none. */
export type RecordResult =
  | { readonly ok: true; readonly record: TextRecord }
  | { readonly ok: false; readonly id: string; readonly reason: RecordProblem; readonly detail: string };

/** Options of {@link readRecords}. */
export interface RecordOptions {
  /** Which columns hold what. */
  readonly columns?: Columns | undefined;
  /** Further columns to keep. */
  readonly keep?: readonly string[] | undefined;
  /** How mails become text. */
  readonly mail?: MailOptions | undefined;
}

/**
 * Records of a source. Columns that were asked for and that no row has are an error once the source is read; a row that
 * lacks one is an ordinary result.
 */
export async function* readRecords(source: OpenedSource, options: RecordOptions = {}): AsyncGenerator<RecordResult> {
  const wanted = resolveColumns(source, options);
  const seen = new Set<string>();
  let number = 0;
  for await (const row of source.rows()) {
    for (const column of Object.keys(row)) if (seen.size < 1000) seen.add(column);
    const id = joined(row, wanted.id, '/') ?? `${source.name}#${number}`;
    number++;
    const text = await textOf(source, row, wanted.text, options.mail);
    if (!text.ok) {
      yield { ok: false, id, ...text.problem };
      continue;
    }
    const extra = keptColumns(row, wanted.keep);
    const record = {
      id,
      text: text.text,
      label: joined(row, wanted.label, '/'),
      group: joined(row, wanted.group, '/'),
      extra,
    };
    yield { ok: true, record };
  }
  if (number > 0) checkColumns(source, wanted.required, seen);
}

interface Wanted {
  readonly text: readonly string[];
  readonly label: readonly string[];
  readonly group: readonly string[];
  readonly id: readonly string[];
  readonly keep: readonly string[];
  /** Columns that must exist, with the option that names them. */
  readonly required: readonly (readonly [option: string, column: string])[];
}

function resolveColumns(source: OpenedSource, { columns = {}, keep = [] }: RecordOptions): Wanted {
  const fallback = source.isFilePerRow
    ? { label: ['folder'], group: ['folder'], id: ['path'] }
    : { label: ['label'], group: ['group'], id: ['id'] };
  const list = (
    value: string | readonly string[] | null | undefined,
    otherwise: readonly string[],
  ): readonly string[] => {
    if (value === undefined) return otherwise;
    if (value === null) return [];
    return typeof value === 'string' ? [value] : value;
  };
  const wanted = {
    text: list(columns.text, ['text']),
    label: list(columns.label, fallback.label),
    group: list(columns.group, fallback.group),
    id: list(columns.id, fallback.id),
    keep,
  };
  const named = (['label', 'group', 'id'] as const).filter((field) => columns[field] !== undefined);
  const required = [...(['text', 'keep'] as const), ...named].flatMap((field) =>
    wanted[field].map((column) => [field, column] as const),
  );
  return { ...wanted, required };
}

function checkColumns(source: OpenedSource, required: Wanted['required'], seen: ReadonlySet<string>): void {
  for (const [option, column] of required) {
    if (seen.has(column)) continue;
    const near = nearest(column, seen);
    const suggestion = near === undefined ? '' : `, did you mean \`${near}\`?`;
    throw problem('TEXT_DATA_E_COLUMN', `\`${source.name}\` has no column \`${column}\`${suggestion}`, {
      path: option === 'keep' ? ['keep'] : ['columns', option],
      received: `columns ${listed(seen)}`,
      fix: near === undefined ? `set \`columns.${option}\` to a column that exists` : `write \`${near}\``,
    });
  }
}

/** Columns as JSON, because rows are cached; what JSON cannot hold is left out. */
function keptColumns(row: RawRow, names: readonly string[]): Record<string, unknown> {
  const json = (value: unknown): string | undefined => {
    try {
      return JSON.stringify(value);
    } catch {
      return undefined;
    }
  };
  const cells = names.map((name) => [name, json(Object.hasOwn(row, name) ? row[name] : undefined)] as const);
  return Object.fromEntries(
    cells.flatMap(([name, cell]) => (cell === undefined ? [] : [[name, JSON.parse(cell) as unknown]])),
  );
}

type TextResult =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly problem: { readonly reason: RecordProblem; readonly detail: string } };

async function textOf(
  source: OpenedSource,
  row: RawRow,
  columns: readonly string[],
  mail: MailOptions | undefined,
): Promise<TextResult> {
  if (source.isMail) {
    const raw = row[columns[0]!];
    if (typeof raw !== 'string' && !(raw instanceof Uint8Array)) return noText(raw);
    const parsed = await parseMail(raw, mail);
    return parsed.ok ? parsed : { ok: false, problem: { reason: parsed.reason, detail: parsed.detail } };
  }
  const text = joined(row, columns, '\n\n');
  return text === undefined ? noText(row[columns[0]!]) : { ok: true, text };
}

function noText(received: unknown): TextResult {
  return {
    ok: false,
    problem: { reason: 'no-text', detail: `received ${received === null ? 'null' : typeof received}` },
  };
}

/** Cells of a row joined to one string; `undefined` when none of them has a value. */
function joined(row: RawRow, columns: readonly string[], separator: string): string | undefined {
  const cells = columns.map((column) => cellText(Object.hasOwn(row, column) ? row[column] : undefined));
  const present = cells.filter((cell) => cell !== undefined);
  return present.length === 0 ? undefined : present.join(separator);
}

function cellText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (value instanceof Uint8Array) return decodeText(value);
  if (value instanceof Date && !Number.isNaN(value.getTime())) return value.toISOString();
  return ['number', 'boolean', 'bigint'].includes(typeof value) ? String(value) : undefined;
}
