import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { parse, type Options as CsvOptions } from 'csv-parse';
import { repairC1 } from '../mojibake.ts';
import type { AnnealError } from '@anneal/core';
import { problem } from '../problems.ts';
import type { RawRow, SourceFormat } from './types.ts';

/** Format by the ending of a file's name. */
export const FORMAT_BY_ENDING: Readonly<Record<string, SourceFormat>> = {
  '.eml': 'mail',
  '.txt': 'text',
  '.md': 'text',
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
  '.json': 'json',
  '.csv': 'csv',
  '.tsv': 'tsv',
};

/** Every format. */
export const FORMATS: readonly SourceFormat[] = ['text', 'mail', 'jsonl', 'json', 'csv', 'tsv'];

/** Largest file that is read as a whole (`text`, `mail`, `json`), and largest line or record of the others. */
const MAX_FILE_BYTES = 256 * 1024 * 1024;
const MAX_RECORD_BYTES = 32 * 1024 * 1024;

/** Rows of one file, streamed where the format allows it. */
export function readRows(file: string, format: SourceFormat): AsyncIterable<RawRow> {
  return READERS[format](file);
}

const READERS: Readonly<Record<SourceFormat, (file: string) => AsyncIterable<RawRow>>> = {
  text: readDocument,
  mail: readDocument,
  json: readJson,
  jsonl: readJsonLines,
  csv: (file) => readCsv(file, { delimiter: ',' }),
  // Tab-separated files have no quoting: a quotation mark is part of the text.
  tsv: (file) => readCsv(file, { delimiter: '\t', quote: false }),
};

async function* readDocument(file: string): AsyncGenerator<RawRow> {
  yield { text: await readWhole(file) };
}

async function* readJson(file: string): AsyncGenerator<RawRow> {
  const parsed = parseJson(decodeText(await readWhole(file)), file);
  if (!Array.isArray(parsed)) throw syntaxError(file, `expected an array of records, received ${typeNameOf(parsed)}`);
  for (const [index, row] of parsed.entries()) yield asRecord(row, `${file}: element ${index}`);
}

async function* readJsonLines(file: string): AsyncGenerator<RawRow> {
  let number = 0;
  for await (const line of readLines(file)) {
    number++;
    if (line.trim() === '') continue;
    const where = `${file}:${number}`;
    yield asRecord(parseJson(line, where), where);
  }
}

async function* readCsv(file: string, options: CsvOptions): AsyncGenerator<RawRow> {
  const parser = parse({
    ...options,
    bom: true,
    columns: true,
    skip_empty_lines: true,
    max_record_size: MAX_RECORD_BYTES,
  });
  const stream = createReadStream(file);
  stream.on('error', (error) => parser.destroy(error));
  stream.pipe(parser);
  try {
    for await (const row of parser) yield row as RawRow;
  } catch (cause) {
    if (isSystemError(cause)) throw unreadable(file, cause);
    throw syntaxError(file, cause instanceof Error ? cause.message : String(cause), cause);
  } finally {
    stream.destroy();
  }
}

/** Lines of a UTF-8 file without their ends; a line that never ends is an error, not an allocation. */
async function* readLines(file: string): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  // Pieces of a line that has not ended; joined once, or a long line would be copied with every chunk.
  let open: string[] = [];
  let length = 0;
  const stream = createReadStream(file);
  try {
    for await (const chunk of stream) {
      const [first, ...others] = decoder.decode(chunk as Uint8Array, { stream: true }).split('\n');
      open.push(first!);
      length += first!.length;
      if (length > MAX_RECORD_BYTES) throw tooLarge(file, 'a line', MAX_RECORD_BYTES);
      if (others.length === 0) continue;
      yield open.join('');
      open = [others.pop()!];
      length = open[0]!.length;
      yield* others;
    }
  } catch (error) {
    if (isSystemError(error)) throw unreadable(file, error);
    throw error;
  } finally {
    stream.destroy();
  }
  const last = open.join('') + decoder.decode();
  if (last !== '') yield last;
}

async function readWhole(file: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(file);
    if (size > MAX_FILE_BYTES) throw tooLarge(file, 'the file', MAX_FILE_BYTES);
    return await readFile(file);
  } catch (error) {
    if (isSystemError(error)) throw unreadable(file, error);
    throw error;
  }
}

/** UTF-8, or Windows-1252 where the bytes are not UTF-8. A byte order mark is left out. */
export function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    // Some versions of Node decode Windows-1252 as Latin-1.
    return repairC1(new TextDecoder('windows-1252').decode(bytes));
  }
}

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw syntaxError(where, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function asRecord(value: unknown, where: string): RawRow {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as RawRow;
  throw syntaxError(where, `expected a record, received ${typeNameOf(value)}`);
}

function typeNameOf(value: unknown): string {
  if (Array.isArray(value)) return 'an array';
  return value === null ? 'null' : typeof value;
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === 'string';
}

function unreadable(file: string, cause: NodeJS.ErrnoException): AnnealError {
  return problem('TEXT_DATA_E_FILE_UNREADABLE', `${file} cannot be read (${cause.code})`, {
    fix: 'check that the file exists and that you may read it',
    cause,
  });
}

function syntaxError(where: string, message: string, cause?: unknown): AnnealError {
  return problem('TEXT_DATA_E_FILE_SYNTAX', `${where}: ${message}`, { cause });
}

function tooLarge(file: string, what: string, limit: number): AnnealError {
  return problem('TEXT_DATA_E_FILE_TOO_LARGE', `${file}: ${what} is larger than ${limit} bytes`, {
    fix: 'write one record per line (JSON Lines)',
  });
}
