import { isAnnealError } from './error.ts';
import { ERROR_REFERENCE } from './reference.ts';
import { pathText } from './show.ts';

/** How {@link formatError} writes. */
export interface FormatOptions {
  /** ANSI colours. @defaultValue `false` */
  readonly color?: boolean | undefined;
  /** Columns at which text wraps; it does not when absent. */
  readonly width?: number | undefined;
  /** Print whole stacks. @defaultValue `false` */
  readonly stack?: boolean | undefined;
  /** Files below this folder are shown relative to it. */
  readonly cwd?: string | undefined;
}

/** Fields of the coded errors of this package and of `@anneal/graph`. */
interface Coded extends Error {
  readonly code: string;
  readonly plugin?: string | undefined;
  readonly hook?: string | undefined;
  readonly path?: readonly (string | number)[] | undefined;
  readonly file?: string | undefined;
  readonly fix?: string | undefined;
  readonly also?: readonly Error[] | undefined;
  /** Of graph errors: node, module, file, byte offset. */
  readonly at?: Readonly<Record<string, string | number>> | undefined;
}

/** Causes of causes that are printed. */
const MAX_CAUSES = 5;
const DOCS = 'docs/reference/errors.md';
/** Where this package lives: frames in it say nothing about what the user did. */
const OWN = new URL('../..', import.meta.url);

const STYLES = { code: '1;31', plugin: '36', label: '2', fix: '32' } as const;
type Paint = (style: keyof typeof STYLES, text: string) => string;

// Messages may hold text of files and of other programs: escapes in it must not reach the terminal.
// eslint-disable-next-line no-control-regex
const UNSAFE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;
const safe = (text: string): string => text.replaceAll('\r\n', '\n').replace(UNSAFE, '\ufffd');

/** Breaks lines at spaces; text that has its own lines (code frames) keeps them. */
function wrap(text: string, first: number, indent: number, width: number | undefined): string {
  const pad = ' '.repeat(indent);
  const lines = safe(text).split('\n');
  if (width === undefined || lines.length > 1) return lines.join(`\n${pad}`);
  const out: string[] = [];
  let line = '';
  let room = width - first;
  for (const word of (lines[0] as string).split(' ')) {
    if (line !== '' && line.length + 1 + word.length > room) {
      out.push(line.trimEnd());
      line = word;
      room = width - indent;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...out, line].join(`\n${pad}`);
}

function relativeTo(cwd: string | undefined, file: string): string {
  if (cwd === undefined || cwd === '' || !file.startsWith(cwd)) return file;
  return file.slice(cwd.length).replace(/^[\\/]/, '') || file;
}

function place(error: Coded, at: Coded['at'], cwd: string | undefined): string {
  const { path = [], file, hook, message } = error;
  const facts = Object.entries(at ?? {}).map(([key, value]) => `${key} ${value}`);
  if (hook !== undefined && !message.includes(hook)) facts.push(`hook ${hook}`);
  const shown = file === undefined ? '' : relativeTo(cwd, file);
  const where = path.length > 0 ? `${pathText(path)}${shown === '' ? '' : `  (${shown})`}` : shown;
  return [where, ...facts].filter((part) => part !== '').join(', ');
}

/** The frame of a stack in which something of the user's went wrong; `undefined` when it is ours or Node's. */
function ownFrame(stack: string | undefined, cwd: string | undefined): string | undefined {
  const frames = (stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  const tools =
    /node:|[\\/]node_modules[\\/](cosmiconfig|jiti|tapable|parse-json|js-yaml|import-meta-resolve|valibot)[\\/]/;
  const own = decodeURIComponent(OWN.pathname);
  const first = frames.find((line) => !tools.test(line));
  const frame = first?.includes(own) === true ? undefined : first;
  const at = /(?:\(|at (?:async )?)((?:file:\/\/)?[^()]+:\d+:\d+)\)?$/.exec(frame ?? '')?.[1];
  return at === undefined ? undefined : relativeTo(cwd, at.replace(/^file:\/\//, ''));
}

function causeLines(cause: unknown, options: FormatOptions, paint: Paint, depth: number): string {
  if (isCoded(cause)) return format(cause, options, paint, depth + 1);
  if (!(cause instanceof Error))
    return typeof cause === 'string' ? safe(cause) : safe(JSON.stringify(cause) ?? String(cause));
  if (options.stack === true && cause.stack !== undefined) return safe(cause.stack);
  const message = cause.message.replace(/^(JSON|YAML|TypeScript) Error in .*:\n/, '');
  const frame = ownFrame(cause.stack, options.cwd);
  const lines = [safe(`${cause.name}: ${message}`), ...(frame === undefined ? [] : [paint('label', `at ${frame}`)])];
  if (cause.cause !== undefined && depth < MAX_CAUSES) {
    lines.push(`caused by ${causeLines(cause.cause, options, paint, depth + 1)}`);
  }
  return lines.join('\n');
}

/** Whether an error has a code of this project; `isAnnealError` with the fields that graph errors have as well. */
function isCoded(error: unknown): error is Coded {
  return isAnnealError(error);
}

/** An error that a hook passed on with the plugin's name has the original, with the same words, as its cause. */
function original(error: Coded): { at: Coded['at']; cause: unknown } {
  let { at, cause } = error;
  for (
    let i = 0;
    i < MAX_CAUSES && isCoded(cause) && cause.code === error.code && cause.message === error.message;
    i++
  ) {
    at ??= cause.at;
    cause = cause.cause;
  }
  return { at, cause };
}

function format(error: Coded, options: FormatOptions, paint: Paint, depth: number, withPage = false): string {
  const plugin = error.plugin === undefined ? '' : `${error.plugin}: `;
  const head = `${error.code}  ${plugin}`;
  const rows: [label: string, text: string][] = [];
  const { at: facts, cause } = original(error);
  const at = place(error, facts, options.cwd);
  if (at !== '') rows.push(['at', at]);
  if (error.fix !== undefined) rows.push(['fix', error.fix]);
  if (withPage && error.code in ERROR_REFERENCE) rows.push(['see', `${DOCS}#${error.code.toLowerCase()}`]);
  const hasCause = cause !== undefined && depth < MAX_CAUSES;
  const column = Math.max(...rows.map(([label]) => label.length), hasCause ? 'cause'.length : 0) + 1;
  const labelled = (label: string, text: string): string =>
    `  ${paint(label === 'fix' ? 'fix' : 'label', label.padEnd(column))}${text}`;
  const lines = [
    `${paint('code', error.code)}  ${plugin === '' ? '' : `${paint('plugin', error.plugin as string)}: `}${wrap(
      error.message,
      head.length,
      2,
      options.width,
    )}`,
    ...rows.map(([label, text]) => labelled(label, wrap(text, column + 2, column + 2, options.width))),
  ];
  if (hasCause) {
    const text = causeLines(cause, options, paint, depth);
    lines.push(labelled('cause', text.replaceAll('\n', `\n${' '.repeat(column + 2)}`)));
  }
  if (options.stack === true && depth === 0 && error.stack !== undefined) {
    const frames = error.stack.split('\n').filter((line) => /^\s+at /.test(line));
    lines.push(paint('label', safe(frames.join('\n'))));
  }
  return lines.join('\n');
}

function flatten(error: Coded, seen: Set<Error>): readonly Coded[] {
  if (seen.has(error)) return [];
  seen.add(error);
  return [error, ...(error.also ?? []).flatMap((other) => (isCoded(other) ? flatten(other, seen) : []))];
}

/**
 * An error as text for people: code, plugin and message, then where, what to do, where to read, and the cause. Errors
 * found at the same time follow, an empty line apart. Errors without a code are printed with their stack, as they are
 * nobody's mistake but a program's.
 */
export function formatError(error: unknown, options: FormatOptions = {}): string {
  const paint: Paint =
    options.color === true ? (style, text) => `\u001b[${STYLES[style]}m${text}\u001b[0m` : (_, text) => text;
  if (!isCoded(error)) {
    if (!(error instanceof Error)) return `${paint('code', 'Error')}  ${causeLines(error, options, paint, 0)}`;
    const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
    const head = `${paint('code', error.name)}  ${wrap(error.message, error.name.length + 2, 2, options.width)}`;
    return [head, ...frames.map((line) => paint('label', safe(line)))].join('\n');
  }
  const errors = flatten(error, new Set());
  // The page of a code is named once, with the last problem that has it.
  const last = new Map(errors.map((one) => [one.code, one]));
  return errors.map((one) => format(one, options, paint, 0, last.get(one.code) === one)).join('\n\n');
}
