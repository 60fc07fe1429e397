import { AnnealError, isAnnealError, type ErrorDetails } from '@anneal/core';

/** What can be wrong with the data or its description. */
const PROBLEMS = {
  TEXT_DATA_E_MODULE_NOT_FOUND: 'a data package is not installed',
  TEXT_DATA_E_MODULE_FAILED: 'a data package failed to load',
  TEXT_DATA_E_MODULE_SHAPE: 'a data package did not give an array of records',
  TEXT_DATA_E_NO_FILES: 'a file pattern matches nothing',
  TEXT_DATA_E_FILE_UNREADABLE: 'a file cannot be read',
  TEXT_DATA_E_FILE_SYNTAX: 'a file does not have the syntax of its format',
  TEXT_DATA_E_FILE_TOO_LARGE: 'a file or a line is larger than the reader allows',
  TEXT_DATA_E_FORMAT_UNKNOWN: 'the format of a file cannot be told from its name',
  TEXT_DATA_E_COLUMN: 'a named column does not exist',
  TEXT_DATA_E_LABEL_UNKNOWN: 'labels occur that `labels` does not map',
  TEXT_DATA_E_ONE_CLASS: 'the labels have fewer than two classes',
  TEXT_DATA_E_EMPTY: 'no rows are left',
  TEXT_DATA_E_SPLIT: 'a split comes out empty or lacks a class',
} as const;

/** Codes of everything that can be wrong with the data. */
export type TextDataCode = keyof typeof PROBLEMS;

/** Every code with one line of explanation. */
export const TEXT_DATA_CODES: Readonly<Record<TextDataCode, string>> = PROBLEMS;

/** What {@link problem} adds to a message. */
interface ProblemDetails extends ErrorDetails {
  /** What was found instead; becomes part of the message. */
  readonly received?: string | undefined;
}

/** An error about the data or its description. */
export function problem(code: TextDataCode, message: string, details: ProblemDetails = {}): AnnealError {
  const { received, ...rest } = details;
  return new AnnealError(code, received === undefined ? message : `${message}, received ${received}`, rest);
}

/** `error` with a longer path, when it is a problem of this plugin. */
export function inside(path: readonly (string | number)[], error: unknown): unknown {
  if (!isAnnealError(error) || !Object.hasOwn(PROBLEMS, error.code)) return error;
  const { code, message, fix, file, cause } = error;
  return new AnnealError(code, message, { fix, file, cause, path: [...path, ...(error.path ?? [])] });
}

/** The known name nearest to `name`, if it is near enough to be a slip of the fingers. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase(), bestDistance);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Edits (insert, delete, replace, swap of neighbours) between two strings, or `limit` when there are that many. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, beforeLast[j - 2]! + 1);
      }
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return Math.min(limit, last[b.length]!);
}

/** Up to `limit` items as `` `a`, `b`, … `` for a message. */
export function listed(items: Iterable<string>, limit = 12): string {
  const all = [...items];
  const shown = all.slice(0, limit).map((item) => `\`${item}\``);
  return shown.join(', ') + (all.length > limit ? ` and ${all.length - limit} more` : '');
}
